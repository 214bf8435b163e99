/* A call to the server that is made again and again: never twice at once, only while the link is
 * ready (where it is not, it is looked for each second), put off where it was refused. */
#ifndef WEIR_STREAM_PERIODIC_H
#define WEIR_STREAM_PERIODIC_H

#include <stdbool.h>

#include "redis/link.h"
#include "redis/refusal.h"

struct weir_periodic {
    struct ev_loop *loop;
    struct weir_link *link; /* borrowed */
    struct weir_log *log;
    const char *name; /* for logs */
    ev_timer timer;
    int64_t every_ms;
    bool under_way, stopped;
    bool unsent;  /* the link was not ready when it was last tried */
    bool failing; /* the last answer was an error; said once */
    void *user;
    /* Sends the call by weir_periodic_send; false: there is nothing to do this time. */
    bool (*call)(void *user, struct weir_periodic *periodic);
    /* The answer: when to call next, in ms from now (0: at once); negative: after every_ms. */
    int64_t (*answered)(void *user, const redisReply *reply);
    void (*refused)(void *user, enum weir_refusal refusal); /* the answer was an error; or NULL */
    void (*library_missing)(void *user);                    /* may be NULL */
};

void weir_periodic_init(struct weir_periodic *periodic, struct ev_loop *loop,
                        struct weir_link *link, struct weir_log *log, const char *name,
                        int64_t every_ms, void *user);
/* Calls at once where the link is ready. */
void weir_periodic_start(struct weir_periodic *periodic);
/* Calls in after_ms, unless a call comes sooner anyhow. */
void weir_periodic_hasten(struct weir_periodic *periodic, int64_t after_ms);
void weir_periodic_stop(struct weir_periodic *periodic);

/* Only from inside `call`. */
bool weir_periodic_send(struct weir_periodic *periodic, int count, const char **arguments);

#endif
