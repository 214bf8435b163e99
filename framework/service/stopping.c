/* How a worker stops: nothing new, what is begun comes to its end, then it leaves. */
#include "service/stopping.h"

#include <signal.h>
#include <stdio.h>

#include "base/crash_point.h"
#include "service/queue.h"
#include "service/reporting.h"
#include "service/upkeep.h"

#define GRACE_MS 25000
#define UNBLOCK_EVERY_MS 50

void weir_stopping_now(struct weir_worker *worker, int exit_code)
{
    worker->exit_code = exit_code;
    ev_break(worker->runtime.loop, EVBREAK_ALL);
}

static bool components_busy(const struct weir_worker *worker)
{
    for (struct weir_component *c = worker->service->components; c != NULL; c = c->next)
        if (c->busy(c->self))
            return true;
    return false;
}

void weir_stopping_check(struct weir_worker *worker)
{
    if (!worker->stopping || HASH_COUNT(worker->deliveries) > 0 ||
        weir_group_reader_busy(&worker->reader) || components_busy(worker) ||
        !ev_is_active(&worker->grace))
        return;
    ev_timer_stop(worker->runtime.loop, &worker->grace);
    weir_upkeep_stop(worker);
    WEIR_CRASH_POINT(STOP_LEAVING);
    weir_upkeep_leave(worker);
}

static void on_unblocked(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)user;
    (void)answer;
    (void)reply;
}

/* A read that waits would bring entries to a process that is gone: end it now. It may be on its way
 * to the server only, so this is said again until it has ended. */
static void on_unblocking(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_worker *worker = timer->data;
    char id[24];
    (void)events;
    if (!weir_group_reader_busy(&worker->reader)) {
        ev_timer_stop(loop, timer);
        return;
    }
    snprintf(id, sizeof id, "%lld", (long long)weir_group_reader_client(&worker->reader));
    (void)!weir_link_send(&worker->link, 3, (const char *[]){"CLIENT", "UNBLOCK", id}, NULL,
                          on_unblocked, worker);
}

static void on_grace_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_worker *worker = timer->data;
    (void)loop;
    (void)events;
    weir_log_warning(worker->runtime.log, "worker.grace_over", "left_pending=%u",
                     HASH_COUNT(worker->deliveries));
    weir_stopping_now(worker, 0);
}

static void on_poll_drained(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop;
    (void)events;
    weir_stopping_check(prepare->data);
}

static void begin_to_stop(struct weir_worker *worker)
{
    weir_log_info(worker->runtime.log, "worker.stopping", "in_hand=%u",
                  HASH_COUNT(worker->deliveries));
    worker->stopping = true;
    weir_reporting_changed(worker);
    ev_timer_start(worker->runtime.loop, &worker->grace);
    weir_group_reader_stop(&worker->reader);
    weir_pending_stop(&worker->pending);
    ev_timer_start(worker->runtime.loop, &worker->unblocking);
    for (struct weir_component *c = worker->service->components; c != NULL; c = c->next)
        c->stop(c->self);
    weir_queue_drop_suspects(worker);
    WEIR_CRASH_POINT(STOP_BEGUN);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct weir_worker *worker = watcher->data;
    (void)loop;
    (void)events;
    if (worker->stopping) /* asked twice: at once */
        weir_stopping_now(worker, 0);
    else
        begin_to_stop(worker);
}

/* The terminal is gone. Shell and kernel both say so: the second time means nothing more. */
static void on_hangup(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct weir_worker *worker = watcher->data;
    (void)loop;
    (void)events;
    if (!worker->stopping)
        begin_to_stop(worker);
}

/* ---- Watchers ---------------------------------------------------------------------------- */

/* As it is behind nohup. */
static bool ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void weir_stopping_init(struct weir_worker *worker)
{
    struct weir_stopping *stopping = &worker->watchers;
    ev_signal_init(&stopping->terminate, on_signal, SIGTERM);
    ev_signal_init(&stopping->interrupt, on_signal, SIGINT);
    ev_signal_init(&stopping->hangup, on_hangup, SIGHUP);
    ev_prepare_init(&stopping->drained, on_poll_drained);
    ev_timer_init(&worker->grace, on_grace_over, (double)GRACE_MS / 1000., 0.);
    ev_timer_init(&worker->unblocking, on_unblocking, 0., (double)UNBLOCK_EVERY_MS / 1000.);
    stopping->terminate.data = stopping->interrupt.data = stopping->hangup.data = worker;
    stopping->drained.data = worker;
    worker->grace.data = worker->unblocking.data = worker;
}

void weir_stopping_watch(struct weir_worker *worker)
{
    ev_signal_start(worker->runtime.loop, &worker->watchers.terminate);
    ev_signal_start(worker->runtime.loop, &worker->watchers.interrupt);
    if (!ignored(SIGHUP))
        ev_signal_start(worker->runtime.loop, &worker->watchers.hangup);
    ev_prepare_start(worker->runtime.loop, &worker->watchers.drained);
}

void weir_stopping_close(struct weir_worker *worker)
{
    struct ev_loop *loop = worker->runtime.loop;
    ev_signal_stop(loop, &worker->watchers.terminate);
    ev_signal_stop(loop, &worker->watchers.interrupt);
    ev_signal_stop(loop, &worker->watchers.hangup);
    ev_prepare_stop(loop, &worker->watchers.drained);
    ev_timer_stop(loop, &worker->grace);
    ev_timer_stop(loop, &worker->unblocking);
}
