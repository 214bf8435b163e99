/* One message in a worker's hands: loading state, record and time before the handler. */
#include "service/loading.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "message/mark.h"
#include "redis/entry_id.h"
#include "redis/key_names.h"
#include "redis/refusal.h"
#include "service/load_pattern.h"
#include "service/step_move.h"

#define STRANDED_MS "200"

enum {
    LOAD_RECORD = -1,
    LOAD_SEEN = -2,
    LOAD_TIME = -3,
    LOAD_STRANDED = -4,
    LOAD_SAGA = -5,
    LOAD_CALL_RIGHT = -6,
    LOAD_KEY_RIGHT = -7
};

static enum weir_status take_record(struct weir_delivery *delivery, const redisReply *reply)
{
    char **fields[] = {&delivery->step->execute, &delivery->step->compensate};
    for (size_t i = 0; i < 2; i++) {
        struct weir_slice text;
        free(*fields[i]);
        *fields[i] = NULL;
        if (weir_reply_text(weir_reply_at(reply, i), &text) &&
            (*fields[i] = strndup(text.at, text.length)) == NULL)
            return WEIR_NO_MEMORY;
    }
    return WEIR_OK;
}

static enum weir_status take_time(struct weir_delivery *delivery, const redisReply *reply)
{
    delivery->time_taken_at = weir_clock_monotonic_ms();
    return weir_reply_time(reply, &delivery->context.now_ms) ? WEIR_OK : WEIR_INVALID;
}

static void take_mark(struct weir_delivery *delivery, const redisReply *reply)
{
    bool once = delivery->message->once;
    struct weir_slice text;
    delivery->seen = weir_reply_text(reply, &text) && weir_mark_bars(text, once);
    delivery->expects_no_mark = once && !delivery->seen;
}

/* A load says which of its delivery's it is. */
static struct weir_delivery *delivery_of(struct weir_load *load)
{
    char *loads = (char *)(load - load->place);
    return (struct weir_delivery *)(void *)(loads - offsetof(struct weir_delivery, loads));
}

static enum weir_status take(struct weir_load *load, const redisReply *reply)
{
    struct weir_delivery *delivery = delivery_of(load);
    switch (load->what) {
    case LOAD_RECORD:
        return take_record(delivery, reply);
    case LOAD_SEEN:
        take_mark(delivery, reply);
        return WEIR_OK;
    case LOAD_TIME:
        return take_time(delivery, reply);
    case LOAD_SAGA:
        return weir_snapshot_fill(&delivery->step->saga, reply);
    case LOAD_STRANDED:
        delivery->context.stranded = weir_reply_array(reply, 1);
        return WEIR_OK;
    default:
        return weir_snapshot_fill(&delivery->snapshot.hashes[load->what], reply);
    }
}

static const char *load_key(struct weir_load *load)
{
    if (load->what >= 0)
        return delivery_of(load)->snapshot.hashes[load->what].key;
    return load->what == LOAD_SEEN   ? "mark of its id"
           : load->what == LOAD_SAGA ? "saga"
                                     : "step record";
}

/* Without a right to the sagas the worker leaves them to the coordinator, and replies. */
static bool lose_right(struct weir_load *load, enum weir_refusal refusal, const char *why)
{
    struct weir_delivery *delivery = delivery_of(load);
    bool denied = refusal == WEIR_REFUSAL_DENIED;
    switch (load->what) {
    case LOAD_SAGA:
        if (denied)
            weir_step_lose_right(delivery->worker, WEIR_SAGAS_NONE, why);
        return denied;
    case LOAD_CALL_RIGHT:
        delivery->step->end.call_denied = denied;
        return true;
    case LOAD_KEY_RIGHT:
        if (denied && !delivery->step->end.call_denied)
            weir_step_lose_right(delivery->worker, WEIR_SAGAS_READ, why);
        return true;
    default:
        return false;
    }
}

static void take_refusal(struct weir_load *load, const char *why)
{
    struct weir_delivery *delivery = delivery_of(load);
    enum weir_refusal refusal = weir_refusal_of(why);
    if (lose_right(load, refusal, why))
        return;
    delivery->step_unreadable |= load->what == LOAD_RECORD || load->what == LOAD_SAGA;
    if ((refusal != WEIR_REFUSAL_TYPE && refusal != WEIR_REFUSAL_REQUEST) ||
        weir_rare_error_set(&delivery->load_error, WEIR_REFUSED, "%s: %s", load_key(load), why) ==
            WEIR_NO_MEMORY)
        delivery->load_again = true;
    if (refusal == WEIR_REFUSAL_DENIED)
        delivery->context.runtime->denied(delivery->context.runtime->worker, why);
}

/* What there was no answer to is asked for once more, by each for itself. */
static void take_shared(struct weir_delivery *delivery)
{
    struct weir_shared_loads *shared = &delivery->worker->shared;
    struct weir_snapshot *snapshot = &delivery->snapshot;
    bool time = !delivery->shares_time ||
                weir_shared_time_take(shared, &delivery->context.now_ms) == WEIR_OK;
    if (delivery->shares_time)
        delivery->time_taken_at = weir_clock_monotonic_ms();
    bool hash = !delivery->shares_hash ||
                weir_shared_hash_take(shared, &snapshot->hashes[snapshot->count - 1]) == WEIR_OK;
    if (!time || !hash)
        delivery->load_again = delivery->loads_alone = true;
}

static void on_loaded(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_load *load = user;
    struct weir_delivery *delivery = delivery_of(load);
    WEIR_CRASH_POINT(LOAD_ANSWERED);
    delivery->answers_owed--;
    if (delivery->answers_owed == 0)
        take_shared(delivery);
    if (answer == WEIR_ANSWER_REFUSED)
        take_refusal(load, reply->str);
    else if (answer == WEIR_ANSWER_UNKNOWN || take(load, reply) != WEIR_OK)
        delivery->load_again = true; /* lost, or no memory now */
    if (delivery->answers_owed == 0 && !delivery->load_again)
        delivery->loaded(delivery);
}

/* Sends one of the loads; where it cannot be sent, all is loaded anew when the link is ready. */
static void send(struct weir_delivery *delivery, int what, int count, const char **arguments)
{
    size_t place = delivery->answers_owed;
    struct weir_load *load = &delivery->loads[place];
    if (delivery->load_again || place == WEIR_LOADS_MAX) {
        delivery->load_again = true;
        return;
    }
    *load = (struct weir_load){(int8_t)what, (int8_t)place};
    if (weir_link_send(delivery->context.runtime->link, count, arguments, NULL, on_loaded, load) !=
        WEIR_OK)
        delivery->load_again = true;
    else
        delivery->answers_owed++;
}

static void load_record(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    const struct weir_runtime *runtime = delivery->context.runtime;
    const weir_message *message = delivery->message;
    weir_key_step(key, runtime->prefix, runtime->service, message->saga, message->step);
    send(delivery, LOAD_RECORD, 4, (const char *[]){"HMGET", key, "execute", "compensate"});
}

static void load_saga(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    weir_key_saga(key, delivery->context.runtime->prefix, delivery->message->saga);
    send(delivery, LOAD_SAGA, 2, (const char *[]){"HGETALL", key});
}

/* Shared where something of the delivery's own is loaded behind it. */
static void load_time(struct weir_delivery *delivery)
{
    delivery->shares_time = !delivery->loads_alone &&
                            (delivery->is_step || delivery->snapshot.count > 0) &&
                            weir_shared_time(&delivery->worker->shared);
    if (!delivery->shares_time)
        send(delivery, LOAD_TIME, 1, (const char *[]){"TIME"});
}

/* Of a command that comes for the first time there is no record. Should there be one after all, the
 * commit finds it, and all is loaded. */
static bool may_have_record(const struct weir_delivery *delivery)
{
    const weir_message *message = delivery->message;
    return message->attempt > 1 || delivery->number > 1 || message->deliveries > 1 ||
           message->expires_at == 0 || delivery->compensating || delivery->runs > 0 ||
           delivery->step->end.outrun > 0 || delivery->step->end.was_denied ||
           delivery->worker->saga_right != WEIR_SAGAS_MOVE;
}

/* What nobody here can handle is buried, unless its id keeps an outcome that it has had. */
static bool may_be_seen(const struct weir_delivery *delivery)
{
    const weir_message *message = delivery->message;
    const struct weir_route *route = delivery->route;
    return message->id != NULL && delivery->own_stream &&
           (route != NULL ? !route->plain : message->once);
}

static void load_seen(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    const struct weir_runtime *runtime = delivery->context.runtime;
    weir_key_seen(key, runtime->prefix, runtime->service, delivery->message->id);
    send(delivery, LOAD_SEEN, 2, (const char *[]){"GET", key});
}

static void begin(struct weir_delivery *delivery, weir_delivery_then *loaded)
{
    delivery->loaded = loaded;
    delivery->loaded_on = delivery->context.runtime->link->reconnections;
    weir_delivery_move(delivery, WEIR_DELIVERY_LOADING);
    delivery->load_again = delivery->step_unreadable = false;
    delivery->seen = delivery->expects_no_mark = false;
    delivery->shares_time = delivery->shares_hash = false;
    weir_rare_error_clear(&delivery->load_error);
}

static void go_on(struct weir_delivery *delivery)
{
    WEIR_CRASH_POINT(LOAD_SENT);
    if (delivery->answers_owed == 0 && !delivery->load_again)
        delivery->loaded(delivery);
}

/* A call without arguments does nothing and is refused, but first of all for a missing right. */
static void load_rights(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    weir_key_saga(key, delivery->context.runtime->prefix, delivery->message->saga);
    send(delivery, LOAD_CALL_RIGHT, 3, (const char *[]){"FCALL", WEIR_COMMIT_PLAN, "0"});
    send(delivery, LOAD_KEY_RIGHT, 4, (const char *[]){"FCALL", WEIR_COMMIT_PLAN, "1", key});
}

static void load_step(struct weir_delivery *delivery)
{
    enum weir_saga_right right = delivery->worker->saga_right;
    weir_loaded_clear(&delivery->step->saga);
    if (right == WEIR_SAGAS_MOVE)
        load_time(delivery);
    if (may_have_record(delivery))
        load_record(delivery);
    if (right != WEIR_SAGAS_NONE)
        load_saga(delivery);
    if (right < WEIR_SAGAS_READ && delivery->step->end.was_denied)
        load_rights(delivery);
}

/* The last one may be shared; it is asked for before the others, which wait for it. */
static void load_hashes(struct weir_delivery *delivery)
{
    const struct weir_route *route = delivery->route;
    size_t count = delivery->snapshot.count;
    for (size_t i = 0; i < count; i++)
        delivery->snapshot.hashes[i].loaded = false;
    delivery->shares_hash =
        route != NULL && route->shares_last && count > 1 && !delivery->loads_alone &&
        weir_shared_hash(&delivery->worker->shared, delivery->snapshot.hashes[count - 1].key);
    for (size_t i = 0; i < count - delivery->shares_hash; i++)
        send(delivery, (int)i, 2, (const char *[]){"HGETALL", delivery->snapshot.hashes[i].key});
}

/* Of a message that was put off. Anybody may have written what it says of that. */
static const char *first_entry(const weir_message *message)
{
    struct weir_entry_id id;
    const char *origin = message->origin_entry;
    return origin != NULL && weir_entry_id_read(weir_slice_of(origin), &id) ? origin
                                                                            : message->entry;
}

static void load_stranded(struct weir_delivery *delivery)
{
    bool before = delivery->route->wants_stranded == WEIR_STRANDED_BEFORE;
    const char *inbox = before ? delivery->message->stream : delivery->worker->streams[0];
    char end[WEIR_ENTRY_ID_MAX + 1] = "+";
    if (before)
        snprintf(end, sizeof end, "(%s", first_entry(delivery->message));
    send(delivery, LOAD_STRANDED, 8,
         (const char *[]){"XPENDING", inbox, delivery->context.runtime->settings->group, "IDLE",
                          STRANDED_MS, "-", end, "1"});
}

void weir_delivery_load(struct weir_delivery *delivery, weir_delivery_then *loaded)
{
    const struct weir_route *route = delivery->route;
    begin(delivery, loaded);
    if (delivery->is_step)
        load_step(delivery);
    else if (may_be_seen(delivery))
        load_seen(delivery);
    if (route != NULL && route->wants_time)
        load_time(delivery);
    load_hashes(delivery);
    if (route != NULL && route->wants_stranded != WEIR_STRANDED_UNASKED)
        load_stranded(delivery);
    go_on(delivery);
}

void weir_delivery_load_step(struct weir_delivery *delivery, weir_delivery_then *loaded)
{
    begin(delivery, loaded);
    load_step(delivery);
    go_on(delivery);
}
