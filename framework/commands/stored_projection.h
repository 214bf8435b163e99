/* A projection as the server knows it: its name, whose turn it is, how its rebuild stands. */
#ifndef WEIR_COMMANDS_STORED_PROJECTION_H
#define WEIR_COMMANDS_STORED_PROJECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "redis/entry_id.h"
#include "commands/command.h"
#include "redis/key_names.h"

#define WEIR_PROJECTION_NAME_MAX 132 /* of "<view>/<projection>", with the final NUL */

struct weir_projection_name {
    char shown[WEIR_PROJECTION_NAME_MAX]; /* "<view>/<projection>" */
    char view[68], projection[68];
    json_t *sources; /* names of services; owned */
};

/* Checks an operand's grammar before anything is connected to; the exit code. */
WEIR_CHECKED int weir_projection_operand_check(const char *operand);
/* The register as an object: "<view>/<projection>" → array of services. NULL and an error. */
json_t *weir_projections_read(struct weir_session *session, struct weir_error *error);
/* The same from the answer to HGETALL. */
json_t *weir_projections_of(const redisReply *pairs);
/* Splits a name of the register; false where it is none. */
WEIR_CHECKED bool weir_projection_name_split(struct weir_projection_name *name, const char *shown,
                                             json_t *sources_borrow);
/* Finds the projection that the operand names, by itself where only one view has one of that name.
 * The exit code, after the sentence has been printed. */
WEIR_CHECKED int weir_projection_find(struct weir_session *session, const char *operand,
                                      struct weir_projection_name *name);
void weir_projection_name_close(struct weir_projection_name *name);

/* An event that stops something. */
struct weir_stopping_event {
    char stream[WEIR_KEY_MAX], entry[WEIR_ENTRY_ID_MAX]; /* "": no single event */
    char reason[400];
};

/* The hash of a projection; texts that are not there are "", numbers 0. */
struct weir_projection_status {
    int64_t now_ms;  /* the server's clock */
    char owner[256]; /* who has the turn; "": nobody */
    char state[16];
    struct weir_stopping_event stop; /* of the live model */
    int64_t since;
    int64_t stops; /* of the worker that has the turn */
    char rebuild[64], task[16], phase[16], outcome[16], why[WEIR_KEY_MAX + 200];
    struct weir_stopping_event event; /* what stops the rebuild; no reason: nothing does */
    bool paused, counted;             /* counted: total is known */
    int64_t started_at, ended_at, total, folded, moved, differing;
};

/* From the answer to HGETALL of its hash. */
void weir_projection_status_read(struct weir_projection_status *status, const redisReply *hash,
                                 int64_t now_ms);
WEIR_CHECKED enum weir_status weir_projection_look(struct weir_session *session,
                                                   const struct weir_projection_name *name,
                                                   struct weir_projection_status *status,
                                                   struct weir_error *error);

/* Whether the live model is stopped, by whatever. */
bool weir_projection_is_stopped(const struct weir_projection_status *status);
bool weir_event_stops(const struct weir_stopping_event *event);
bool weir_event_is_single(const struct weir_stopping_event *event);
/* The same event, or for the same reason where there is no single one. */
bool weir_event_equals(const struct weir_stopping_event *one,
                       const struct weir_stopping_event *other);
bool weir_rebuild_verifies(const struct weir_projection_status *status);
/* From 0 to 100; never 100 while events are being folded. */
int weir_rebuild_percent(const struct weir_projection_status *status);

/* The fields of an event, null where it is gone. NULL and an error. */
json_t *weir_event_read(struct weir_session *session, const struct weir_stopping_event *event,
                        struct weir_error *error);

#endif
