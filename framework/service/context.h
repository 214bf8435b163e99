/* The handling of one message from the inside: what weir.h's functions work on. */
#ifndef WEIR_SERVICE_CONTEXT_H
#define WEIR_SERVICE_CONTEXT_H

#include "message/effects.h"
#include "service/service.h"
#include "redis/snapshot.h"

struct weir_scratch; /* a text that a handler was lent */
struct weir_saga_moved;

/* Whether what a handler acts on is as durable as it has to be. */
enum weir_confirmation { WEIR_CONFIRMATION_UNASKED, WEIR_CONFIRMED, WEIR_UNCONFIRMED };

/* A projection's: it writes read models and does nothing else. */
struct weir_folding {
    const char *base;  /* what stands before the names of keys */
    int64_t event_ms;  /* when the event came about */
    const char *lives; /* into a rebuilt model: key of the hash that keeps its keys' lives until it
                          is swapped in; else NULL */
};

struct weir_context {
    struct weir_runtime *runtime;
    weir_message *message;
    struct weir_effects *effects;
    struct weir_snapshot *snapshot;
    const char
        *first_key; /* whole key that NULL stands for, the snapshot's; NULL: none was loaded */
    struct weir_folding *folding; /* of a projection; NULL: a message's */
    json_t *result;               /* owned */
    struct weir_rare_error reason;
    int64_t retry_after_ms;                  /* -1: not said */
    enum weir_confirmation confirmation : 8; /* kept over WEIR_AGAIN and over conflicts */
    bool lives_used; /* some key has had a life: writes are noted beside it */
    bool unchecked;  /* reading sets up no expectation */
    bool stranded;   /* other messages were in silent hands when the state was loaded */
    bool resumed;    /* called again by WEIR_AGAIN */
    bool uncounted;  /* a retry that is no fault of the message: it may go on for ever */
    int64_t now_ms;  /* the server's time when the state was loaded; 0: not asked for */
    struct weir_scratch *scratch;
    struct weir_saga_moved *moved; /* what the effects do to a saga's state; owned; NULL: nothing */
    void *delivery;                /* NULL outside a worker's deliveries */
};

void weir_context_begin(struct weir_context *context);
void weir_context_close(struct weir_context *context);

/* ---- For the rooms above, beside weir.h ------------------------------------------------------ */

/* Whether weir_defer has been called for this run of the handler. */
bool weir_context_is_deferred(const weir_context *context);
/* Takes weir_defer back, for a handler that could not begin what it wanted to wait for. */
void weir_deferral_cancel(weir_deferral *deferral_take);

/* The effects queued now do this to a saga: it is told when they are committed. Takes it. */
void weir_context_will_move(weir_context *context, struct weir_saga_moved *moved_take);
/* Passes the message itself on to another inbox of this service. */
void weir_context_pass_on(weir_context *context, const char *inbox);
/* Puts the message itself on the schedule: it comes again in delay_ms. With WEIR_DONE, so that what
 * else the handler wants is committed as well; does not count as a delivery. */
void weir_context_put_off(weir_context *context, int64_t delay_ms);
/* The server's time in ms, where the route asked for it. */
int64_t weir_context_now(const weir_context *context);
/* Whether a message that the route asked about (weir_stranded) had been in somebody's hands for
 * over 200 ms when the state was loaded. */
bool weir_context_stranded(const weir_context *context);
/* A loaded hash, or NULL; reading it sets up no expectation. */
const struct weir_loaded *weir_context_loaded(const weir_context *context, const char *key);
void weir_context_expect(weir_context *context, const char *key, const char *field,
                         const char *value);
void weir_context_hset_bytes(weir_context *context, const char *key, const char *field,
                             struct weir_slice value);
/* Sends a command whose fields are given, names and values in turn, to a service. */
void weir_context_send_parts(weir_context *context, const char *service,
                             const struct weir_slice *parts, size_t count);
/* Puts a message to this service itself on the schedule, due at a time of the server's clock, under
 * a token; the same token with the same parts again moves it. */
void weir_context_schedule_at(weir_context *context, int64_t due_at, const char *token,
                              const struct weir_slice *parts, size_t count);
void weir_context_unschedule(weir_context *context, const char *token,
                             const struct weir_slice *parts, size_t count);

#endif
