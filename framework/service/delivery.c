/* One message in a worker's hands: the object, its place in the table, its states. */
#include "service/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/worker_state.h"

#define SPARE_MAX 256

/* ---- States ------------------------------------------------------------------------------ */

#define TO(state) (1u << WEIR_DELIVERY_##state)
static const unsigned moves[WEIR_DELIVERY_STATES] = {
    [WEIR_DELIVERY_ARRIVED] = TO(QUEUED) | TO(LOADING) | TO(ENDED),
    [WEIR_DELIVERY_QUEUED] = TO(LOADING) | TO(ENDED),
    [WEIR_DELIVERY_LOADING] = TO(LOADING) | TO(HANDLING) | TO(COMMITTING) | TO(ENDED),
    [WEIR_DELIVERY_HANDLING] = TO(DEFERRED) | TO(COMMITTING) | TO(ENDED),
    [WEIR_DELIVERY_DEFERRED] = TO(QUEUED) | TO(LOADING) | TO(COMMITTING) | TO(ENDED),
    [WEIR_DELIVERY_COMMITTING] = TO(LOADING) | TO(COMMITTING) | TO(ENDED),
    [WEIR_DELIVERY_ENDED] = 0,
};

void weir_delivery_move(struct weir_delivery *delivery, enum weir_delivery_state next)
{
    if (!(moves[delivery->state] & 1u << next))
        weir_log_message(delivery->context.runtime->log, WEIR_LOG_ERROR, "delivery.unlisted_move",
                         delivery->message, "from=%d to=%d", (int)delivery->state, (int)next);
    delivery->worker->in_state[delivery->state]--;
    delivery->worker->in_state[next]++;
    delivery->state = next;
}

void weir_delivery_doom(struct weir_delivery *delivery, bool unknown, const char *reason)
{
    if (weir_rare_error_set(&delivery->doom, WEIR_REFUSED, "%s", reason) == WEIR_NO_MEMORY)
        delivery->out_of_memory = true; /* it is not to be buried for another reason */
    delivery->doomed_unknown = unknown;
}

/* ---- Life -------------------------------------------------------------------------------- */

static void reset(struct weir_delivery *delivery)
{
    struct weir_effects effects = delivery->effects;
    struct weir_step_part *step = delivery->step;
    struct weir_snapshot snapshot = delivery->snapshot;
    weir_effects_clear(&effects);
    weir_snapshot_clear(&snapshot);
    memset(delivery, 0, sizeof *delivery);
    delivery->effects = effects; /* their memory is used again */
    delivery->step = step;
    delivery->snapshot = snapshot;
}

static struct weir_delivery *take_delivery(struct weir_worker *worker)
{
    struct weir_delivery *delivery = worker->spare;
    if (delivery == NULL)
        return calloc(1, sizeof *delivery);
    worker->spare = delivery->row_next;
    worker->spare_count--;
    delivery->row_next = NULL;
    return delivery;
}

static void free_delivery(struct weir_delivery *delivery)
{
    weir_effects_close(&delivery->effects);
    if (delivery->step != NULL)
        weir_effects_close(&delivery->step->answer);
    free(delivery->step);
    weir_snapshot_close(&delivery->snapshot);
    free(delivery);
}

/* Its memory is used again. */
static void clear_step(struct weir_step_part *step)
{
    struct weir_effects answer = step->answer;
    weir_effects_clear(&answer);
    free(step->execute);
    free(step->compensate);
    free(step->saga.values);
    free(step->end.data);
    *step = (struct weir_step_part){.answer = answer};
}

static bool is_big(const struct weir_effects *effects)
{
    return effects->bytes.capacity > 16384;
}

static void give_back(struct weir_worker *worker, struct weir_delivery *delivery)
{
    if (delivery->deferral != NULL)
        delivery->deferral->delivery = NULL;
    weir_context_close(&delivery->context);
    weir_rare_error_clear(&delivery->doom);
    weir_rare_error_clear(&delivery->load_error);
    weir_rare_error_clear(&delivery->buried_for);
    weir_message_free(delivery->message);
    if (delivery->step != NULL)
        clear_step(delivery->step);
    /* a big message's memory is not kept */
    if (worker->spare_count >= SPARE_MAX || is_big(&delivery->effects) ||
        (delivery->step != NULL && is_big(&delivery->step->answer))) {
        free_delivery(delivery);
        return;
    }
    reset(delivery);
    delivery->row_next = worker->spare;
    worker->spare = delivery;
    worker->spare_count++;
}

/* Returns where in it the entry's id stands. */
static size_t write_name(char name[WEIR_DELIVERY_NAME_MAX], size_t stream, struct weir_slice id)
{
    size_t head = weir_digits((int64_t)stream, name), room;
    name[head++] = '/';
    room = WEIR_DELIVERY_NAME_MAX - 1 - head;
    if (id.length > room)
        id.length = room;
    memcpy(name + head, id.at, id.length);
    name[head + id.length] = '\0';
    return head;
}

/* The message as it was read, and the name, which it keeps with its entry's id. false: no memory.
 */
static bool copy_message(struct weir_delivery *delivery, const char *stream_key, size_t stream,
                         const struct weir_entry *entry)
{
    char name[WEIR_DELIVERY_NAME_MAX];
    size_t head = write_name(name, stream, entry->id);
    size_t count = entry->body != NULL ? entry->body->elements : 0;
    struct weir_slice *parts = malloc((count + 1) * sizeof *parts);
    if (parts == NULL)
        return false;
    if (entry->body != NULL && !weir_reply_parts(entry->body, parts))
        count = 0; /* becomes a message without type, and so a dead letter */
    delivery->message = weir_message_new(stream_key, name, parts, count);
    free(parts);
    if (delivery->message == NULL)
        return false;
    delivery->name = delivery->message->entry;
    delivery->message->entry += head;
    return true;
}

struct weir_delivery *weir_delivery_new(struct weir_worker *worker, size_t stream,
                                        const struct weir_entry *entry)
{
    struct weir_delivery *delivery = take_delivery(worker);
    if (delivery == NULL)
        return NULL;
    delivery->worker = worker;
    if (!copy_message(delivery, worker->streams[stream], stream, entry)) {
        give_back(worker, delivery);
        return NULL;
    }
    delivery->stream = (uint32_t)stream;
    delivery->own_stream = stream < worker->inbox_count;
    delivery->commit.place = entry->place;
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
    HASH_ADD_KEYPTR(hh, worker->deliveries, delivery->name, strlen(delivery->name), delivery);
    if (delivery->hh.tbl == NULL) {
        give_back(worker, delivery);
        return NULL;
    }
    worker->in_state[WEIR_DELIVERY_ARRIVED]++;
    return delivery;
}

bool weir_delivery_become_step(struct weir_delivery *delivery)
{
    if (delivery->step == NULL)
        delivery->step = calloc(1, sizeof *delivery->step);
    delivery->is_step = delivery->step != NULL;
    return delivery->is_step;
}

bool weir_delivery_is_essential(const struct weir_delivery *delivery)
{
    return delivery->route != NULL && delivery->route->essential;
}

void weir_delivery_forget_deferral(struct weir_delivery *delivery)
{
    if (delivery->deferral != NULL)
        delivery->deferral->delivery = NULL;
    delivery->deferral = NULL;
}

void weir_delivery_free(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    worker->in_state[delivery->state]--;
    HASH_DEL(worker->deliveries, delivery);
    give_back(worker, delivery);
}

static void free_lanes(struct weir_worker *worker)
{
    struct weir_lane *lane, *next;
    HASH_ITER(hh, worker->lanes, lane, next)
    {
        HASH_DEL(worker->lanes, lane);
        free(lane->key);
        free(lane);
    }
}

void weir_delivery_drop_all(struct weir_worker *worker)
{
    struct weir_delivery *delivery, *next;
    free_lanes(worker);
    worker->suspects = worker->last_suspect = worker->suspect = worker->given_up = NULL;
    HASH_ITER(hh, worker->deliveries, delivery, next)
    weir_delivery_free(delivery);
}

void weir_delivery_free_all(struct weir_worker *worker)
{
    weir_delivery_drop_all(worker);
    while (worker->spare != NULL) {
        struct weir_delivery *delivery = worker->spare;
        worker->spare = delivery->row_next;
        free_delivery(delivery);
    }
}

bool weir_delivery_in_hand(const struct weir_worker *worker, size_t stream, struct weir_slice id)
{
    struct weir_delivery *found;
    char name[WEIR_DELIVERY_NAME_MAX];
    (void)write_name(name, stream, id);
    HASH_FIND_STR(worker->deliveries, name, found);
    return found != NULL;
}
