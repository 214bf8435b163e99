/* Looks at what nobody is refused for and everybody suffers from later. */
#include "service/watching.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "redis/reply.h"

#define LOOK_EVERY_MS 60000
#define HASTENED_EVERY_MS 1000 /* however much goes wrong at the same time */

/* ---- What is said ---------------------------------------------------------------------------- */

static void see_policy(struct weir_watching *watching, struct weir_slice policy)
{
    bool fine = weir_slice_equals(policy, "noeviction");
    if (fine && watching->policy[0] != '\0')
        weir_log_info(watching->runtime->log, "server.keeps", "maxmemory_policy=noeviction");
    if (fine || weir_slice_equals(policy, watching->policy)) {
        if (fine)
            watching->policy[0] = '\0';
        return;
    }
    snprintf(watching->policy, sizeof watching->policy, "%.*s", (int)policy.length, policy.at);
    weir_log_error(watching->runtime->log, "server.evicts", "maxmemory_policy=%s reason=%s",
                   watching->policy,
                   "this server may delete messages and sagas when its memory gets short; set "
                   "maxmemory-policy to noeviction");
}

static void see_cluster(struct weir_watching *watching, struct weir_slice enabled)
{
    if (weir_slice_equals(enabled, "1") && !watching->cluster_said)
        weir_log_error(watching->runtime->log, "server.cluster", "reason=%s",
                       "this server runs in cluster mode: what reaches the keys of two services, "
                       "as sagas do, is refused there (CROSSSLOT, MOVED)");
    watching->cluster_said = weir_slice_equals(enabled, "1");
}

void weir_watching_info(struct weir_watching *watching, struct weir_slice info)
{
    struct weir_slice value;
    if (weir_reply_info(info, "maxmemory_policy", &value))
        see_policy(watching, value);
    if (weir_reply_info(info, "cluster_enabled", &value))
        see_cluster(watching, value);
}

void weir_watching_last_id(struct weir_watched *stream, struct weir_slice id)
{
    struct weir_log *log = stream->watching->runtime->log;
    int64_t now = stream->watching->server_ms;
    struct weir_entry_id last;
    enum weir_stream_ids before = stream->ids;
    if (!weir_entry_id_read(id, &last))
        return;
    if (now == 0 && last.ms != UINT64_MAX && before == WEIR_IDS_AHEAD)
        return; /* nothing to compare it with */
    stream->ids = weir_entry_id_judge(&last, now);
    if (stream->ids == before)
        return;
    if (stream->ids == WEIR_IDS_EXHAUSTED)
        weir_log_error(log, "stream.exhausted", "stream=%s last_id=%.*s reason=%s", stream->key,
                       (int)id.length, id.at,
                       "it has hardly an id left or none: see \"A stream that takes no more\" in "
                       "weir's README");
    else if (stream->ids == WEIR_IDS_AHEAD)
        weir_log_error(log, "stream.ids_ahead", "stream=%s last_id=%.*s ahead_ms=%" PRIu64,
                       stream->key, (int)id.length, id.at, last.ms - (uint64_t)now);
    else
        weir_log_info(log, "stream.ids_fine", "stream=%s", stream->key);
}

/* ---- Looking --------------------------------------------------------------------------------- */

static void wait_for_next(struct weir_watching *watching, int64_t after_ms)
{
    ev_timer_stop(watching->runtime->loop, &watching->timer);
    if (watching->stopped)
        return;
    ev_timer_set(&watching->timer, (double)after_ms / 1000., 0.);
    ev_timer_start(watching->runtime->loop, &watching->timer);
}

static void answered(struct weir_watching *watching)
{
    if (--watching->owed == 0)
        wait_for_next(watching, watching->hastened ? HASTENED_EVERY_MS : watching->every_ms);
}

/* A user without the right to ask is not told; nothing else depends on it. */
static void on_info(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_watching *watching = user;
    struct weir_slice info;
    if (answer == WEIR_ANSWER_DONE && weir_reply_text(reply, &info))
        weir_watching_info(watching, info);
    answered(watching);
}

static void on_time(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_watching *watching = user;
    int64_t seconds;
    if (answer == WEIR_ANSWER_DONE && weir_reply_integer(weir_reply_at(reply, 0), &seconds))
        watching->server_ms = seconds * 1000;
    answered(watching);
}

static void on_stream(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_watched *stream = user;
    struct weir_slice id;
    if (answer == WEIR_ANSWER_DONE &&
        weir_reply_text(weir_reply_named(reply, "last-generated-id"), &id))
        weir_watching_last_id(stream, id);
    answered(stream->watching);
}

static void ask(struct weir_watching *watching, int count, const char **words,
                weir_link_answered *on_answer, void *user)
{
    if (weir_link_send(watching->runtime->link, count, words, NULL, on_answer, user) == WEIR_OK)
        watching->owed++;
}

/* The time comes before the streams, whose answers are compared with it. */
static void look(struct weir_watching *watching)
{
    if (watching->owed > 0)
        return;
    watching->server_ms = 0;
    watching->hastened = false;
    watching->looked_at = weir_clock_monotonic_ms();
    ask(watching, 3, (const char *[]){"INFO", "memory", "cluster"}, on_info, watching);
    ask(watching, 1, (const char *[]){"TIME"}, on_time, watching);
    for (size_t i = 0; i < watching->stream_count; i++)
        ask(watching, 3, (const char *[]){"XINFO", "STREAM", watching->streams[i].key}, on_stream,
            &watching->streams[i]);
    if (watching->owed == 0) /* no connection */
        wait_for_next(watching, watching->every_ms);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    look(timer->data);
}

/* ---- Life ------------------------------------------------------------------------------------ */

void weir_watching_init(struct weir_watching *watching, const struct weir_runtime *runtime)
{
    memset(watching, 0, sizeof *watching);
    watching->runtime = runtime;
    watching->stopped = true;
    watching->every_ms = LOOK_EVERY_MS;
    ev_timer_init(&watching->timer, on_timer, 0., 0.);
    watching->timer.data = watching;
}

void weir_watching_add(struct weir_watching *watching, const char *key)
{
    if (watching->stream_count < WEIR_WATCHED_MAX)
        watching->streams[watching->stream_count++] =
            (struct weir_watched){.watching = watching, .key = key};
}

void weir_watching_start(struct weir_watching *watching)
{
    watching->stopped = false;
    look(watching);
}

void weir_watching_hasten(struct weir_watching *watching)
{
    int64_t since = weir_clock_monotonic_ms() - watching->looked_at;
    if (watching->stopped || watching->hastened)
        return;
    watching->hastened = true;
    if (watching->owed == 0)
        wait_for_next(watching, since < HASTENED_EVERY_MS ? HASTENED_EVERY_MS - since : 0);
}

void weir_watching_stop(struct weir_watching *watching)
{
    watching->stopped = true;
    ev_timer_stop(watching->runtime->loop, &watching->timer);
}
