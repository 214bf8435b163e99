/* A running service: schedule, signs of life, claims of what takes long. */
#include "service/upkeep.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "service/handling.h"

#define PROMOTE_EVERY_MS 1000
#define PROMOTE_LIMIT "200"
#define BEAT_EVERY_MS 5000
#define GONE_AFTER "60000" /* WEIR_WITNESS_GONE_MS */
#define REFRESH_MAX 256
#define OTHER_SHOWN 120 /* bytes of a namesake's entry in a line */

/* ---- Schedule ---------------------------------------------------------------------------- */

static bool call_promote(void *user, struct weir_periodic *periodic)
{
    struct weir_worker *worker = user;
    if (!worker->library_ready) /* it was refused, and somebody may have loaded it since */
        weir_library_loader_ensure(&worker->library);
    WEIR_CRASH_POINT(PROMOTE_SENDING);
    return weir_periodic_send(periodic, 7,
                              (const char *[]){"FCALL", "weir_promote", "3",
                                               worker->keys[WEIR_KEY_SCHEDULED],
                                               worker->keys[WEIR_KEY_COMMANDS],
                                               worker->keys[WEIR_KEY_DEAD], PROMOTE_LIMIT});
}

static int64_t on_promoted(void *user, const redisReply *reply)
{
    int64_t moved, next, now;
    (void)user;
    WEIR_CRASH_POINT(PROMOTE_ANSWERED);
    if (!weir_reply_integer(weir_reply_at(reply, 0), &moved) ||
        !weir_reply_integer(weir_reply_at(reply, 1), &next) ||
        !weir_reply_integer(weir_reply_at(reply, 2), &now) || next < 0)
        return -1;
    return next > now ? next - now : 0;
}

static void hasten(void *user, int64_t delay_ms)
{
    struct weir_worker *worker = user;
    weir_periodic_hasten(&worker->promotion, delay_ms < 0 ? 0 : delay_ms + 1);
}

static void committed(void *user, const char *stream, const char *entry, const char *saga)
{
    struct weir_worker *worker = user;
    weir_witness_note(&worker->witness, stream, entry, saga);
}

/* ---- Signs of life ----------------------------------------------------------------------- */

/* How this worker's entry among the live ones begins. */
static void identify(const struct weir_worker *worker, char *text, size_t room)
{
    snprintf(text, room, "{\"host\":\"%s\",\"pid\":%ld,", worker->host, (long)getpid());
}

/* Nothing goes wrong by two processes of one name, but each takes what the other has in hand for
 * its own and does it as well. What the first sign of life overwrites may be a dead process's. */
static void look_for_namesake(struct weir_worker *worker, struct weir_slice overwritten)
{
    char own[128];
    identify(worker, own, sizeof own);
    if (worker->started_ms == 0 || overwritten.length == 0)
        return;
    bool shared = overwritten.length < strlen(own) || memcmp(overwritten.at, own, strlen(own)) != 0;
    if (shared && !worker->name_shared)
        weir_log_warning(worker->runtime.log, "worker.name_shared", "consumer=%s other=%.*s",
                         worker->runtime.consumer,
                         (int)(overwritten.length < OTHER_SHOWN ? overwritten.length : OTHER_SHOWN),
                         overwritten.at);
    worker->name_shared = shared;
}

static void count_recent(struct weir_worker *worker)
{
    struct weir_counts counts = {.received = worker->received,
                                 .refused = worker->endings[WEIR_ENDING_REJECTED] +
                                            worker->endings[WEIR_ENDING_BURIED],
                                 .retried = worker->endings[WEIR_ENDING_RETRIED]};
    for (size_t i = 0; i < WEIR_ENDINGS; i++)
        if (i != WEIR_ENDING_RETRIED && i != WEIR_ENDING_HELD)
            counts.handled += worker->endings[i];
    weir_recent_count(&worker->recent, weir_clock_monotonic_ms(), &counts);
}

static bool call_beat(void *user, struct weir_periodic *periodic)
{
    struct weir_worker *worker = user;
    count_recent(worker);
    char head[256], tail[768], own[128];
    identify(worker, own, sizeof own);
    snprintf(head, sizeof head,
             "%s\"version\":\"" WEIR_VERSION "\",\"started\":%lld,\"heartbeat\":", own,
             (long long)worker->started_ms);
    snprintf(tail, sizeof tail,
             ",\"inHand\":%u,\"received\":%llu,\"done\":%llu,\"rejected\":%llu,\"retried\":%llu,"
             "\"dead\":%llu,\"repeated\":%llu,\"null\":%llu,\"barred\":%llu,\"fenced\":%llu,"
             "\"conflicts\":%llu,\"takenOver\":%llu,\"wentBack\":%llu,\"recent\":%s}",
             HASH_COUNT(worker->deliveries), (unsigned long long)worker->received,
             (unsigned long long)worker->endings[WEIR_ENDING_DONE],
             (unsigned long long)worker->endings[WEIR_ENDING_REJECTED],
             (unsigned long long)worker->endings[WEIR_ENDING_RETRIED],
             (unsigned long long)worker->endings[WEIR_ENDING_BURIED],
             (unsigned long long)worker->endings[WEIR_ENDING_REPEATED],
             (unsigned long long)worker->endings[WEIR_ENDING_NULL],
             (unsigned long long)worker->endings[WEIR_ENDING_BARRED],
             (unsigned long long)worker->fenced, (unsigned long long)worker->conflicts,
             (unsigned long long)worker->pending.claimed,
             (unsigned long long)worker->witness.went_back, weir_recent_json(&worker->recent));
    return weir_periodic_send(periodic, 8,
                              (const char *[]){"FCALL", "weir_alive", "1",
                                               worker->keys[WEIR_KEY_WORKERS],
                                               worker->runtime.consumer, head, tail, GONE_AFTER});
}

static void ignore_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)user;
    (void)answer;
    (void)reply;
}

/* Takes a consumer out of every group that it may stand in; the server refuses while messages are
 * pending for it. `witness`: how the names begin under which it has borne witness. */
static enum weir_status forget(struct weir_worker *worker, const char *consumer,
                               const char *silent_for, const char *witness,
                               weir_link_answered *answered)
{
    const char *arguments[9 + WEIR_READER_STREAMS_MAX];
    char keys[8];
    int count = 0;
    snprintf(keys, sizeof keys, "%zu", worker->stream_count + 2);
    arguments[count++] = "FCALL";
    arguments[count++] = "weir_leave";
    arguments[count++] = keys;
    arguments[count++] = worker->keys[WEIR_KEY_WORKERS];
    for (size_t i = 0; i < worker->stream_count; i++)
        arguments[count++] = worker->streams[i];
    arguments[count++] = worker->witness.key;
    arguments[count++] = worker->runtime.settings->group;
    arguments[count++] = consumer;
    arguments[count++] = silent_for;
    arguments[count++] = witness;
    return weir_link_send(&worker->link, count, arguments, NULL, answered, worker);
}

/* One at a time, another each time: one may be held by pending messages. */
static void forget_one(struct weir_worker *worker, redisReply *const *gone, size_t count)
{
    const redisReply *name = count > 0 ? gone[worker->next_to_forget++ % count] : NULL;
    char witness[160];
    if (name == NULL || name->type != REDIS_REPLY_STRING)
        return;
    snprintf(witness, sizeof witness, "%s ", name->str);
    (void)!forget(worker, name->str, GONE_AFTER, witness, ignore_answer);
}

static int64_t on_beat(void *user, const redisReply *reply)
{
    struct weir_worker *worker = user;
    struct weir_slice overwritten = {"", 0};
    int64_t version, now;
    WEIR_CRASH_POINT(BEAT_ANSWERED);
    weir_witness_heard(&worker->witness);
    if (!weir_reply_array(reply, 3))
        return -1;
    if (weir_reply_integer(reply->element[1], &version))
        weir_library_loader_heard(&worker->library, version);
    if (weir_reply_text(reply->element[2], &overwritten))
        look_for_namesake(worker, overwritten);
    if (weir_reply_integer(reply->element[0], &now))
        weir_registering_sign(&worker->registering, now, overwritten.length == 0);
    forget_one(worker, reply->element + 3, reply->elements - 3);
    if (worker->started_ms == 0 && weir_reply_integer(weir_reply_at(reply, 0), &worker->started_ms))
        return 0; /* say at once since when */
    return -1;
}

static void on_left(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_worker *worker = user;
    (void)answer;
    (void)reply;
    WEIR_CRASH_POINT(STOP_LEFT);
    ev_break(worker->runtime.loop, EVBREAK_ALL);
}

void weir_upkeep_leave(struct weir_worker *worker)
{
    if (forget(worker, worker->runtime.consumer, "0", worker->witness.name, on_left) != WEIR_OK)
        ev_break(worker->runtime.loop, EVBREAK_ALL);
}

/* ---- Claims ------------------------------------------------------------------------------ */

/* Keeps claims on one stream's messages that have been in hand for a while, as many as one call
 * takes; returns how many. */
static size_t refresh_some(struct weir_worker *worker, size_t stream, int64_t now)
{
    const char *arguments[8 + REFRESH_MAX];
    int64_t due = worker->runtime.settings->claim_idle_ms / 3;
    struct weir_delivery *delivery, *next;
    int count = 0, head;
    arguments[count++] = "FCALL";
    arguments[count++] = "weir_refresh";
    arguments[count++] = "1";
    arguments[count++] = worker->streams[stream];
    arguments[count++] = worker->runtime.settings->group;
    arguments[count++] = worker->runtime.consumer;
    head = count;
    HASH_ITER(hh, worker->deliveries, delivery, next)
    {
        if (delivery->stream != stream || now - delivery->refreshed_at < due ||
            count == head + REFRESH_MAX)
            continue;
        if (worker->link.state == WEIR_LINK_READY)
            delivery->refreshed_at = now;
        arguments[count++] = delivery->message->entry;
    }
    if (count > head) {
        (void)!weir_link_send(&worker->link, count, arguments, NULL, ignore_answer, worker);
        WEIR_CRASH_POINT(REFRESH_SENT);
    }
    return (size_t)(count - head);
}

static void refresh_stream(struct weir_worker *worker, size_t stream, int64_t now)
{
    while (refresh_some(worker, stream, now) == REFRESH_MAX &&
           worker->link.state == WEIR_LINK_READY)
        continue;
}

static void look_at_deliveries(struct weir_worker *worker, int64_t now)
{
    struct weir_delivery *delivery, *next;
    HASH_ITER(hh, worker->deliveries, delivery, next)
    {
        if (delivery->state == WEIR_DELIVERY_DEFERRED &&
            now - delivery->begun_at > worker->runtime.settings->handler_timeout_ms)
            weir_handling_time_out(delivery);
        else if (delivery->state == WEIR_DELIVERY_LOADING && delivery->load_again &&
                 delivery->answers_owed == 0 && worker->link.state == WEIR_LINK_READY)
            weir_handling_begin(delivery);
    }
}

static void on_housekeeping(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_worker *worker = timer->data;
    int64_t now = weir_clock_monotonic_ms();
    (void)loop;
    (void)events;
    if (HASH_COUNT(worker->deliveries) == 0)
        return;
    look_at_deliveries(worker, now);
    for (size_t i = 0; i < worker->stream_count; i++)
        refresh_stream(worker, i, now);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void init_periodic(struct weir_worker *worker, struct weir_periodic *periodic,
                          const char *name, int64_t every_ms,
                          bool (*call)(void *, struct weir_periodic *),
                          int64_t (*answered)(void *, const redisReply *))
{
    weir_periodic_init(periodic, worker->runtime.loop, &worker->link, worker->runtime.log, name,
                       every_ms, worker);
    periodic->call = call;
    periodic->answered = answered;
    periodic->library_missing = worker->runtime.library_missing;
}

void weir_upkeep_init(struct weir_worker *worker)
{
    int64_t look_every = worker->runtime.settings->claim_idle_ms / 6;
    double seconds = (double)(look_every < 100 ? 100 : look_every > 1000 ? 1000 : look_every) / 1e3;
    init_periodic(worker, &worker->promotion, "promote", PROMOTE_EVERY_MS, call_promote,
                  on_promoted);
    init_periodic(worker, &worker->presence, "beat", BEAT_EVERY_MS, call_beat, on_beat);
    ev_timer_init(&worker->housekeeping, on_housekeeping, seconds, seconds);
    worker->housekeeping.data = worker;
    weir_trimming_init(&worker->trimming, &worker->runtime);
    weir_forgetting_init(&worker->forgetting, &worker->runtime);
    weir_definitions_init(&worker->definitions, &worker->runtime);
    weir_shared_loads_init(&worker->shared, &worker->runtime);
    weir_witness_init(&worker->witness, &worker->runtime);
    weir_registering_init(&worker->registering, &worker->runtime);
    worker->runtime.committed = committed;
    weir_watching_init(&worker->watching, &worker->runtime);
    for (size_t i = 0; i < worker->inbox_count; i++)
        weir_watching_add(&worker->watching, worker->streams[i]);
    weir_watching_add(&worker->watching, worker->keys[WEIR_KEY_EVENTS]);
    weir_watching_add(&worker->watching, worker->keys[WEIR_KEY_DEAD]);
    worker->runtime.hasten = hasten;
    if (gethostname(worker->host, sizeof worker->host) != 0)
        strcpy(worker->host, "unknown");
    worker->host[sizeof worker->host - 1] = '\0';
    for (char *c = worker->host; *c != '\0'; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            *c = '_';
}

void weir_upkeep_start(struct weir_worker *worker)
{
    weir_periodic_start(&worker->promotion);
    weir_periodic_start(&worker->presence);
    weir_trimming_start(&worker->trimming);
    weir_witness_start(&worker->witness);
    if (!worker->service->no_participant)
        weir_forgetting_start(&worker->forgetting);
    weir_watching_start(&worker->watching);
    weir_pending_start(&worker->pending);
    ev_timer_start(worker->runtime.loop, &worker->housekeeping);
}

void weir_upkeep_stop(struct weir_worker *worker)
{
    weir_periodic_stop(&worker->promotion);
    weir_periodic_stop(&worker->presence);
    weir_trimming_stop(&worker->trimming);
    weir_witness_stop(&worker->witness);
    weir_forgetting_close(&worker->forgetting);
    weir_watching_stop(&worker->watching);
    weir_pending_stop(&worker->pending);
    ev_timer_stop(worker->runtime.loop, &worker->housekeeping);
}
