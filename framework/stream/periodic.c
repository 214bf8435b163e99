/* A call to the server that is made again and again. */
#include "stream/periodic.h"

#include <string.h>

#include "redis/refusal.h"

#define UNSENT_AGAIN_MS 1000

static void set_timer(struct weir_periodic *periodic, int64_t after_ms)
{
    ev_timer_stop(periodic->loop, &periodic->timer);
    if (periodic->stopped)
        return;
    ev_timer_set(&periodic->timer, (double)after_ms / 1000., 0.);
    ev_timer_start(periodic->loop, &periodic->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_periodic *periodic = timer->data;
    (void)loop;
    (void)events;
    if (periodic->under_way)
        return;
    periodic->unsent = false;
    if (!periodic->call(periodic->user, periodic))
        set_timer(periodic, periodic->unsent && periodic->every_ms > UNSENT_AGAIN_MS
                                ? UNSENT_AGAIN_MS
                                : periodic->every_ms);
}

static void on_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_periodic *periodic = user;
    int64_t next = -1;
    periodic->under_way = false;
    if (answer == WEIR_ANSWER_DONE) {
        periodic->failing = false;
        next = periodic->answered ? periodic->answered(periodic->user, reply) : -1;
    } else if (answer == WEIR_ANSWER_REFUSED) {
        if (!periodic->failing)
            weir_log_warning(periodic->log, "call.refused", "call=%s reason=%s", periodic->name,
                             reply->str);
        periodic->failing = true;
        if (weir_refusal_of(reply->str) == WEIR_REFUSAL_FUNCTION && periodic->library_missing)
            periodic->library_missing(periodic->user);
        if (periodic->refused)
            periodic->refused(periodic->user, weir_refusal_of(reply->str));
    }
    set_timer(periodic, next < 0 || next > periodic->every_ms ? periodic->every_ms : next);
}

bool weir_periodic_send(struct weir_periodic *periodic, int count, const char **arguments)
{
    periodic->under_way =
        weir_link_send(periodic->link, count, arguments, NULL, on_answer, periodic) == WEIR_OK;
    periodic->unsent = !periodic->under_way;
    return periodic->under_way;
}

void weir_periodic_init(struct weir_periodic *periodic, struct ev_loop *loop,
                        struct weir_link *link, struct weir_log *log, const char *name,
                        int64_t every_ms, void *user)
{
    memset(periodic, 0, sizeof *periodic);
    periodic->loop = loop;
    periodic->link = link;
    periodic->log = log;
    periodic->name = name;
    periodic->every_ms = every_ms;
    periodic->user = user;
    periodic->stopped = true;
    ev_timer_init(&periodic->timer, on_timer, 0., 0.);
    periodic->timer.data = periodic;
}

void weir_periodic_start(struct weir_periodic *periodic)
{
    periodic->stopped = false;
    set_timer(periodic, 0);
}

void weir_periodic_hasten(struct weir_periodic *periodic, int64_t after_ms)
{
    if (periodic->under_way || periodic->stopped)
        return;
    if (!ev_is_active(&periodic->timer) ||
        (double)after_ms / 1000. < ev_timer_remaining(periodic->loop, &periodic->timer))
        set_timer(periodic, after_ms > 0 ? after_ms : 0);
}

void weir_periodic_stop(struct weir_periodic *periodic)
{
    periodic->stopped = true;
    ev_timer_stop(periodic->loop, &periodic->timer);
}
