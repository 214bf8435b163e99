/* Whose turn it is: lanes for keys, the row of suspects. */
#include "service/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash_point.h"

/* ---- Lanes: the same key one after the other --------------------------------------------- */

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
    if (lane->hh.tbl != NULL)
        return lane;
    free(lane->key);
    free(lane);
    return NULL;
}

/* Begins the delivery, or queues it behind those for the same key. */
static void enter_lane(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    struct weir_lane *lane = NULL;
    if (delivery->context.first_key != NULL)
        lane = lane_for(worker, delivery->context.first_key);
    if (lane == NULL) { /* no key, or no memory: the commit's checks see to it alone */
        delivery->worker->begin(delivery);
        return;
    }
    delivery->lane = lane;
    if (lane->last != NULL) {
        lane->last->lane_next = delivery;
        lane->last = delivery;
        if (delivery->state != WEIR_DELIVERY_QUEUED)
            weir_delivery_move(delivery, WEIR_DELIVERY_QUEUED);
        return;
    }
    lane->first = lane->last = delivery;
    delivery->worker->begin(delivery);
}

static void prepare_and_enter(struct weir_delivery *delivery)
{
    delivery->worker->prepare(delivery);
    enter_lane(delivery);
}

/* Returns the delivery whose turn it is now, or NULL. */
struct weir_delivery *weir_queue_leave(struct weir_delivery *delivery)
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

/* A message that was begun twice without an end is begun alone: whatever else crashed this time
 * would count against it. */
static bool wants_to_be_alone(const struct weir_delivery *suspect)
{
    return suspect->counted >= 2;
}

/* Deferred handlers may take minutes, and wait for something outside: they do not hold it up, nor
 * does what waits behind them. */
static bool others_under_way(const struct weir_worker *worker)
{
    return worker->in_state[WEIR_DELIVERY_ARRIVED] + worker->in_state[WEIR_DELIVERY_LOADING] +
               worker->in_state[WEIR_DELIVERY_HANDLING] +
               worker->in_state[WEIR_DELIVERY_COMMITTING] >
           0;
}

/* The link is gone: it waits on, the first in the row. The count is absolute, so it does not
 * matter whether it has arrived. */
static void put_back(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    if (worker->stopping) {
        delivery->worker->release(delivery); /* left to others, as the rest of the row has been */
        return;
    }
    delivery->counted--;
    delivery->message->deliveries--;
    delivery->row_next = worker->suspects;
    worker->suspects = delivery;
    if (worker->last_suspect == NULL)
        worker->last_suspect = delivery;
    worker->suspect = NULL;
}

static void on_counted(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_delivery *delivery = user;
    WEIR_CRASH_POINT(SUSPECT_COUNTED);
    if (answer == WEIR_ANSWER_UNKNOWN)
        put_back(delivery);
    else if (answer == WEIR_ANSWER_REFUSED) /* it was not begun, so it may come back as it is */
        delivery->worker->give_up(delivery, reply->str);
    else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 0)
        delivery->worker->release(delivery); /* no longer pending: somebody has finished it */
    else
        prepare_and_enter(delivery);
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
        delivery->worker->give_up(delivery, "no memory to count it");
}

static void begin_suspect(struct weir_delivery *delivery)
{
    char reason[WEIR_REASON_MAX];
    unsigned deliveries = delivery->message->deliveries;
    if (weir_rare_error_status(&delivery->doom) == WEIR_OK && !delivery->too_new &&
        !weir_delivery_is_essential(delivery) &&
        !weir_retry_may_begin(&delivery->worker->retry_policy, deliveries)) {
        snprintf(reason, sizeof reason,
                 "delivered %u times without an outcome: its worker crashed or hung", deliveries);
        weir_delivery_doom(delivery, true, reason);
    }
    if (weir_rare_error_status(&delivery->doom) != WEIR_OK || delivery->too_new)
        prepare_and_enter(delivery);
    else
        count_and_begin(delivery);
}

void weir_queue_suspect_survived(struct weir_worker *worker, const struct weir_delivery *delivery)
{
    if (worker->suspect != delivery)
        return;
    worker->suspect = NULL;
}

static void enter_suspects(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    weir_delivery_move(delivery, WEIR_DELIVERY_QUEUED);
    if (worker->last_suspect != NULL)
        worker->last_suspect->row_next = delivery;
    else
        worker->suspects = delivery;
    worker->last_suspect = delivery;
    weir_queue_begin_suspect(worker);
}

void weir_queue_begin_suspect(struct weir_worker *worker)
{
    struct weir_delivery *delivery = worker->suspects;
    if (delivery == NULL || worker->suspect != NULL || worker->stopping ||
        (wants_to_be_alone(delivery) && others_under_way(worker)))
        return;
    worker->suspects = delivery->row_next;
    if (worker->suspects == NULL)
        worker->last_suspect = NULL;
    worker->suspect = delivery;
    begin_suspect(delivery);
}

bool weir_queue_closed(const struct weir_worker *worker)
{
    const struct weir_delivery *suspect = worker->suspect;
    bool waits_in_lane =
        suspect != NULL && suspect->state == WEIR_DELIVERY_QUEUED && suspect->lane != NULL;
    bool one_runs_alone = suspect != NULL && wants_to_be_alone(suspect) && !waits_in_lane;
    /* nothing new comes while the next is to run alone and only waits for the others to end */
    bool one_waits =
        suspect == NULL && worker->suspects != NULL && wants_to_be_alone(worker->suspects);
    return one_runs_alone || one_waits;
}

void weir_queue_drop_suspects(struct weir_worker *worker)
{
    while (worker->suspects != NULL) {
        struct weir_delivery *delivery = worker->suspects;
        worker->suspects = delivery->row_next;
        delivery->suspect = false;
        worker->release(delivery);
    }
    worker->last_suspect = NULL;
}

void weir_queue_enter(struct weir_delivery *delivery)
{
    if (delivery->suspect)
        enter_suspects(delivery);
    else
        prepare_and_enter(delivery);
}

void weir_queue_reenter(struct weir_delivery *delivery)
{
    enter_lane(delivery);
}
