/* What a worker tells those who look after its process: the service manager, and the log of what
 * has repeated itself in it.
 *
 * READY=1 is said once, when the worker has its groups and the server has its functions; STOPPING=1
 * when it stops; STATUS= when there is something new, and else seldom.
 *
 * WATCHDOG=1 comes from the event loop: it shows that the loop turns, and that each connection has
 * either been heard of or is being waited for in order, by a timer of its own. It says nothing of
 * the server: one that is away, slow or refuses is waited for, and ending workers for it would only
 * add to the trouble. */
#ifndef WEIR_SERVICE_REPORTING_H
#define WEIR_SERVICE_REPORTING_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/notify.h"

struct weir_worker;

struct weir_reporting {
    struct weir_notify notify;
    ev_timer tick;
    bool said_ready, said_stopping;
    bool ended;                 /* the loop has */
    int64_t beat_at, status_at; /* monotonic ms when it was last said */
    char away_since[32];        /* time of day; "": the server is there */
    char said[WEIR_NOTIFY_MAX]; /* the last status */
};

void weir_reporting_start(struct weir_worker *worker);
/* Something may have changed: it has become ready, the server has come or gone, it stops. */
void weir_reporting_changed(struct weir_worker *worker);
void weir_reporting_stop(struct weir_worker *worker);

#endif
