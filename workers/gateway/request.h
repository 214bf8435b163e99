/* A request in hand: what it wants, and the answer that it gets, from any thread. */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "key.h"
#include "problem.h"
#include "route.h"
#include "settings.h"
#include "weir.h"

#define BODY_MAX 16384

/* What all requests share. */
struct gateway {
    struct settings settings;
    weir_desk *desk;
    weir_journal *journal;
    weir_monitor *monitor;
    atomic_llong in_hand; /* requests that have been begun and are not answered */
    atomic_bool stopping;
    int wake; /* eventfd: the door's thread has something to do */
};

void gateway_wake(const struct gateway *gateway);

struct reply {
    unsigned status;
    const char *type;
    char *body; /* owned */
    size_t length;
    char location[ROUTE_ID_MAX * 3 + 16];
    char allow[32];
    unsigned retry_after_s; /* 0: none */
};

struct connection; /* of the door */

struct request {
    struct gateway *gateway;
    struct MHD_Connection *line;
    struct connection *connection;
    struct route_match match;
    int64_t began_ns; /* monotonic, when all of it had come; 0: refused before */
    char *body;
    size_t length;
    bool too_large;
    struct reply reply;
    bool suspended; /* its answer comes later */
    bool counted;   /* in gateway->in_hand */
    /* Of those that change something. */
    json_t *data;      /* the body as an object */
    char key[KEY_MAX]; /* "": none was given */
    char record[RECORD_MAX];
    char id[ROUTE_ID_MAX]; /* of the saga or the command */
    bool fresh;            /* the id was made here */
    /* Of lists. */
    json_t *list;
    size_t awaited; /* parts that have not come */
    int64_t from, count;
    bool again; /* the read model has been waited for */
};

/* ---- Answering: once, by one of these ---- */

void request_reply(struct request *request, unsigned status, json_t *body_take);
/* A text that is not JSON. */
void request_reply_text(struct request *request, unsigned status, const char *text);
/* `field` may be NULL. */
void request_problem(struct request *request, enum problem problem, const char *field,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Where it is to be found: "<place><id>", escaped. */
void request_location(struct request *request, const char *place, const char *id);
void request_retry_after(struct request *request, unsigned seconds);

/* What is left of the time that an outcome is waited for, in ms; 0 at the least. */
int64_t request_time_left(const struct request *request);
/* How long the read models are waited for, so that GET sees what POST has told: as long, but half a
 * second at the least. */
int64_t request_view_limit(const struct request *request);
int64_t request_now(void);
int64_t request_now_ns(void);

/* The header's value, or NULL. */
const char *request_header(const struct request *request, const char *name);
unsigned request_header_count(const struct request *request, const char *name);
const char *request_argument(const struct request *request, const char *name);

/* Writes a random id that nobody can guess, 32 hex digits; false: there is no randomness. */
bool request_random_id(char *id);

#endif
