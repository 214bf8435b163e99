/* Asks Sentinels where the master is, from the loop. The connection to the one that has answered is
 * kept for the next question; where it fails, or is not to be trusted, the others are asked in
 * turn, each for a second. */
#ifndef WEIR_REDIS_SENTINEL_WATCH_H
#define WEIR_REDIS_SENTINEL_WATCH_H

#include <ev.h>
#include <hiredis/async.h>

#include "base/log.h"
#include "redis/lookup.h"
#include "redis/sentinel.h"

struct weir_sentinel_watch_settings {
    struct ev_loop *loop;
    const struct weir_endpoint *endpoint; /* with a master; borrowed */
    struct weir_log *log;                 /* borrowed */
    const char *role;                     /* of the link that asks, for logs */
    void *user;
    void (*found)(void *user, const struct weir_address *master);
    /* None has named it. */
    void (*failed)(void *user, const struct weir_error *error);
};

struct weir_sentinel_watch {
    struct weir_sentinel_watch_settings settings;
    redisAsyncContext *connection; /* to the current Sentinel; NULL: none */
    struct weir_lookup lookup;     /* of the current Sentinel's name */
    ev_timer timer;                /* the current Sentinel's time is over, or the next one's turn */
    size_t current;                /* index of the Sentinel */
    bool under_way;
    bool silent; /* none named the master in the last round: said once */
    struct weir_sentinel_round round;
};

void weir_sentinel_watch_init(struct weir_sentinel_watch *watch,
                              const struct weir_sentinel_watch_settings *settings);
/* Asks; `found` or `failed` follows once, from the loop. Does nothing while a question is under
 * way. */
void weir_sentinel_watch_ask(struct weir_sentinel_watch *watch);
/* There is no master where the last one that was asked has said: it may be late for ever, so the
 * next question goes to the next Sentinel. Does nothing while a question is under way. Allowed from
 * inside both. */
void weir_sentinel_watch_distrust(struct weir_sentinel_watch *watch);
/* Neither is called any more; a second call does nothing. Allowed from inside both. */
void weir_sentinel_watch_close(struct weir_sentinel_watch *watch);

#endif
