/* A running service: from an entry to a delivery, its place behind others, its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "redis/key_names.h"
#include "service/load_pattern.h"
#include "service/worker.h"

#define SPARE_MAX 256

/* A message that was begun twice without an end is begun alone: whatever else crashed this time
 * would count against it. */
static bool wants_to_be_alone(const struct weir_delivery *suspect)
{
    return suspect->counted >= 2;
}

size_t weir_worker_room(const struct weir_worker *worker)
{
    size_t in_hand = HASH_COUNT(worker->deliveries);
    size_t window = (size_t)worker->runtime.settings->concurrency;
    bool closed = worker->stopping || worker->committer.stalled || !worker->library_ready ||
                  worker->one_alone ||
                  (worker->suspects != NULL && wants_to_be_alone(worker->suspects));
    return closed || in_hand >= window ? 0 : window - in_hand;
}

/* ---- Deliveries as objects --------------------------------------------------------------- */

static void reset(struct weir_delivery *delivery)
{
    struct weir_effects effects = delivery->effects;
    struct weir_snapshot snapshot = delivery->snapshot;
    weir_effects_clear(&effects);
    weir_snapshot_clear(&snapshot);
    memset(delivery, 0, sizeof *delivery);
    delivery->effects = effects; /* their memory is used again */
    delivery->snapshot = snapshot;
}

static struct weir_delivery *take_delivery(struct weir_worker *worker)
{
    struct weir_delivery *delivery = worker->spare;
    if (delivery == NULL)
        return calloc(1, sizeof *delivery);
    worker->spare = delivery->spare_next;
    worker->spare_count--;
    return delivery;
}

static void free_delivery(struct weir_delivery *delivery)
{
    weir_effects_close(&delivery->effects);
    weir_snapshot_close(&delivery->snapshot);
    free(delivery);
}

static void give_back(struct weir_worker *worker, struct weir_delivery *delivery)
{
    weir_context_close(&delivery->context);
    weir_message_free(delivery->message);
    free(delivery->name);
    free(delivery->execute);
    free(delivery->compensate);
    /* a big message's memory is not kept */
    if (worker->spare_count >= SPARE_MAX || delivery->effects.bytes.capacity > 16384) {
        free_delivery(delivery);
        return;
    }
    reset(delivery);
    delivery->spare_next = worker->spare;
    worker->spare = delivery;
    worker->spare_count++;
}

void weir_worker_free_deliveries(struct weir_worker *worker)
{
    struct weir_delivery *delivery, *next;
    struct weir_lane *lane, *next_lane;
    HASH_ITER(hh, worker->deliveries, delivery, next)
    {
        HASH_DEL(worker->deliveries, delivery);
        give_back(worker, delivery);
    }
    HASH_ITER(hh, worker->lanes, lane, next_lane)
    {
        HASH_DEL(worker->lanes, lane);
        free(lane->key);
        free(lane);
    }
    while (worker->spare != NULL) {
        delivery = worker->spare;
        worker->spare = delivery->spare_next;
        free_delivery(delivery);
    }
}

/* ---- Lanes: the same key one after the other --------------------------------------------- */

static void go(struct weir_delivery *delivery)
{
    weir_delivery_load(delivery);
}

static struct weir_lane *lane_for(struct weir_worker *worker, const char *key)
{
    struct weir_lane *lane;
    HASH_FIND_STR(worker->lanes, key, lane);
    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof *lane);
    if (lane == NULL || (lane->key = strdup(key)) == NULL) {
        free(lane);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, worker->lanes, lane->key, strlen(lane->key), lane);
    return lane;
}

/* Begins the delivery, or queues it behind those for the same key. */
static void enter_lane(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    struct weir_lane *lane = NULL;
    if (delivery->context.first_key[0] != '\0')
        lane = lane_for(worker, delivery->context.first_key);
    if (lane == NULL) { /* no key, or no memory: the commit's checks see to it alone */
        go(delivery);
        return;
    }
    delivery->lane = lane;
    if (lane->last != NULL) {
        lane->last->lane_next = delivery;
        lane->last = delivery;
        if (delivery->state == WEIR_DELIVERY_ARRIVED)
            weir_delivery_move(delivery, WEIR_DELIVERY_QUEUED);
        return;
    }
    lane->first = lane->last = delivery;
    go(delivery);
}

/* Returns the delivery whose turn it is now, or NULL. */
static struct weir_delivery *leave_lane(struct weir_delivery *delivery)
{
    struct weir_lane *lane = delivery->lane;
    struct weir_worker *worker = delivery->worker;
    if (lane == NULL || lane->first != delivery)
        return NULL;
    lane->first = delivery->lane_next;
    if (lane->first != NULL)
        return lane->first;
    HASH_DEL(worker->lanes, lane);
    free(lane->key);
    free(lane);
    return NULL;
}

/* ---- Suspects: one at a time, each counted before it begins ------------------------------ */

/* Deferred handlers may take minutes, and wait for something outside: they do not hold it up. */
static bool others_under_way(const struct weir_worker *worker)
{
    return HASH_COUNT(worker->deliveries) > worker->waiting_suspects + worker->deferred;
}

static void doom(struct weir_delivery *delivery, bool unknown, const char *reason)
{
    weir_error_set(&delivery->doom, WEIR_REFUSED, "%s", reason);
    delivery->doomed_unknown = unknown;
}

/* The link is gone: it waits on, the first in the row. The count is absolute, so it does not
 * matter whether it has arrived. */
static void put_back(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    if (worker->stopping) {
        weir_delivery_release(delivery); /* left to others, as the rest of the row has been */
        return;
    }
    delivery->counted--;
    delivery->message->deliveries--;
    delivery->suspect_next = worker->suspects;
    worker->suspects = delivery;
    if (worker->last_suspect == NULL)
        worker->last_suspect = delivery;
    worker->waiting_suspects++;
    worker->suspect = NULL;
    worker->one_alone = false;
}

static void on_counted(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_delivery *delivery = user;
    if (answer == WEIR_ANSWER_UNKNOWN)
        put_back(delivery);
    else if (answer == WEIR_ANSWER_REFUSED) /* it was not begun, so it may come back as it is */
        weir_delivery_give_up(delivery, reply->str);
    else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 0)
        weir_delivery_release(delivery); /* no longer pending: somebody has finished it */
    else
        enter_lane(delivery);
}

static void count_and_begin(struct weir_delivery *delivery)
{
    const struct weir_runtime *runtime = &delivery->worker->runtime;
    char count[16];
    snprintf(count, sizeof count, "%u", ++delivery->counted);
    delivery->message->deliveries++;
    const char *arguments[] = {"XCLAIM",
                               delivery->message->stream,
                               runtime->settings->group,
                               runtime->consumer,
                               "0",
                               delivery->message->entry,
                               "RETRYCOUNT",
                               count,
                               "JUSTID"};
    enum weir_status status =
        weir_link_send(runtime->link, 9, arguments, NULL, on_counted, delivery);
    if (status == WEIR_UNAVAILABLE)
        put_back(delivery);
    else if (status != WEIR_OK)
        weir_delivery_give_up(delivery, "no memory to count it");
}

static void begin_suspect(struct weir_delivery *delivery)
{
    char reason[WEIR_REASON_MAX];
    unsigned deliveries = delivery->message->deliveries;
    if (delivery->doom.status == WEIR_OK &&
        !weir_retry_may_begin(&delivery->worker->retry_policy, deliveries)) {
        snprintf(reason, sizeof reason,
                 "delivered %u times without an outcome: its worker crashed or hung", deliveries);
        doom(delivery, true, reason);
    }
    if (delivery->doom.status != WEIR_OK)
        enter_lane(delivery);
    else
        count_and_begin(delivery);
}

void weir_worker_suspect_survived(struct weir_worker *worker, const struct weir_delivery *delivery)
{
    if (worker->suspect != delivery)
        return;
    worker->suspect = NULL;
    worker->one_alone = false;
}

static void enter_suspects(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    weir_delivery_move(delivery, WEIR_DELIVERY_QUEUED);
    if (worker->last_suspect != NULL)
        worker->last_suspect->suspect_next = delivery;
    else
        worker->suspects = delivery;
    worker->last_suspect = delivery;
    worker->waiting_suspects++;
    weir_worker_begin_suspect(worker);
}

void weir_worker_begin_suspect(struct weir_worker *worker)
{
    struct weir_delivery *delivery = worker->suspects;
    if (delivery == NULL || worker->suspect != NULL || worker->stopping ||
        (wants_to_be_alone(delivery) && others_under_way(worker)))
        return;
    worker->suspects = delivery->suspect_next;
    worker->waiting_suspects--;
    if (worker->suspects == NULL)
        worker->last_suspect = NULL;
    worker->suspect = delivery;
    worker->one_alone = wants_to_be_alone(delivery);
    begin_suspect(delivery);
}

/* ---- Arrival ----------------------------------------------------------------------------- */

static void name_keys(struct weir_delivery *delivery)
{
    const struct weir_route *route = delivery->route;
    const struct weir_runtime *runtime = delivery->context.runtime;
    char rest[320], key[WEIR_KEY_MAX];
    int length = 1;
    if (route->load == NULL && route->keys == NULL)
        return;
    for (size_t i = 0; length != 0 && i < WEIR_LOAD_KEYS_MAX; i++) {
        length =
            route->keys != NULL
                ? route->keys(delivery->message, i, rest, sizeof rest)
                : weir_load_pattern_key(route->load, i, delivery->message->data, rest, sizeof rest);
        if (length <= 0)
            continue;
        weir_key_entity(key, runtime->prefix, runtime->service, rest);
        if (i == 0)
            snprintf(delivery->context.first_key, sizeof delivery->context.first_key, "%s", key);
        if (weir_snapshot_add(&delivery->snapshot, key) < 0)
            weir_error_set(&delivery->load_error, WEIR_NO_MEMORY, "no memory");
    }
}

/* Finds out what the message is; what cannot be understood is doomed, with the reason. */
static void understand(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    weir_message *message = delivery->message;
    struct weir_error error = {0};
    const char *source = worker->sources[delivery->stream];
    char reason[WEIR_REASON_MAX], source_name[WEIR_KEY_MAX];

    if (weir_message_decode(message, (size_t)worker->runtime.settings->data_max, delivery->counted,
                            &error) != WEIR_OK)
        doom(delivery, false, error.text);
    if (source == NULL && message->origin_stream != NULL)
        source = weir_key_events_owner(message->origin_stream, worker->runtime.prefix, source_name,
                                       sizeof source_name);
    if (message->type != NULL)
        delivery->route = weir_service_route(worker->service, source, message->type);
    delivery->is_step = !worker->service->no_participant && source == NULL &&
                        message->saga != NULL && message->step != NULL && message->action != NULL;
    delivery->compensating = message->action != NULL && strcmp(message->action, "compensate") == 0;
    delivery->number = weir_command_number(message->id);
    if (delivery->route == NULL && source == NULL) {
        snprintf(reason, sizeof reason, "type: service %s has no handler for it",
                 worker->service->name);
        doom(delivery, false, reason);
    }
    if (delivery->route != NULL && delivery->doom.status == WEIR_OK)
        name_keys(delivery);
}

static struct weir_delivery *new_delivery(struct weir_worker *worker, size_t stream,
                                          const struct weir_entry *entry)
{
    struct weir_delivery *delivery = take_delivery(worker);
    size_t count = entry->body != NULL ? entry->body->elements : 0;
    struct weir_slice *parts = malloc((count + 1) * sizeof *parts);
    char id[64], name[96];

    snprintf(id, sizeof id, "%.*s", (int)entry->id.length, entry->id.at);
    snprintf(name, sizeof name, "%zu/%s", stream, id);
    if (delivery != NULL && parts != NULL) {
        if (entry->body != NULL && !weir_reply_parts(entry->body, parts))
            count = 0; /* becomes a message without type, and so a dead letter */
        delivery->message = weir_message_new(worker->streams[stream], id, parts, count);
        delivery->name = strdup(name);
    }
    free(parts);
    if (delivery == NULL)
        return NULL;
    delivery->worker = worker;
    if (delivery->message == NULL || delivery->name == NULL) {
        give_back(worker, delivery);
        return NULL;
    }
    delivery->stream = stream;
    delivery->own_stream = stream < worker->inbox_count;
    delivery->counted = entry->deliveries < 1         ? 1
                        : entry->deliveries > 1000000 ? 1000000
                                                      : (unsigned)entry->deliveries;
    delivery->refreshed_at = weir_clock_monotonic_ms();
    delivery->context.runtime = &worker->runtime;
    delivery->context.message = delivery->message;
    delivery->context.effects = &delivery->effects;
    delivery->context.snapshot = &delivery->snapshot;
    delivery->context.delivery = delivery;
    delivery->context.retry_after_ms = -1;
    return delivery;
}

static bool in_hand(struct weir_worker *worker, size_t stream, struct weir_slice id)
{
    struct weir_delivery *found;
    char name[96];
    snprintf(name, sizeof name, "%zu/%.*s", stream, (int)id.length, id.at);
    HASH_FIND_STR(worker->deliveries, name, found);
    return found != NULL;
}

static void arrive(struct weir_worker *worker, size_t stream, const struct weir_entry *entry,
                   bool suspect)
{
    struct weir_delivery *delivery;
    if (in_hand(worker, stream, entry->id))
        return;
    delivery = new_delivery(worker, stream, entry);
    if (delivery == NULL) { /* stays pending, and comes back when its claim has run out */
        weir_log_error(worker->runtime.log, "message.no_memory", "stream=%s",
                       worker->streams[stream]);
        return;
    }
    worker->received++;
    HASH_ADD_KEYPTR(hh, worker->deliveries, delivery->name, strlen(delivery->name), delivery);
    understand(delivery);
    delivery->suspect = suspect;
    if (suspect)
        enter_suspects(delivery);
    else
        enter_lane(delivery);
}

void weir_worker_entry(void *user, size_t stream, const struct weir_entry *entry)
{
    arrive(user, stream, entry, false);
}

void weir_worker_pending_entry(void *user, size_t stream, const struct weir_entry *entry,
                               bool taken)
{
    struct weir_worker *worker = user;
    bool new_to_process = taken || !worker->recovered_once;
    if (taken && !in_hand(worker, stream, entry->id))
        weir_log_info(worker->runtime.log, "message.taken_over", "stream=%s entry=%.*s",
                      worker->streams[stream], (int)entry->id.length, entry->id.at);
    arrive(worker, stream, entry, new_to_process);
}

/* ---- End --------------------------------------------------------------------------------- */

void weir_delivery_release(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    struct weir_delivery *next = leave_lane(delivery);
    weir_delivery_move(delivery, WEIR_DELIVERY_ENDED);
    weir_worker_suspect_survived(worker, delivery);
    HASH_DEL(worker->deliveries, delivery);
    give_back(worker, delivery);
    if (next != NULL)
        go(next);
    weir_worker_begin_suspect(worker);
    weir_worker_room_changed(worker);
}
