/* A deferred handler that touches the outside world only once what it has seen is durable. */
#include "service/when_durable.h"

#include <stdlib.h>

#include "redis/reply.h"
#include "service/worker_state.h"

/* Lives until the answer of the server has come, which may be after the deferral. */
struct weir_durable_ask {
    struct weir_deferral *deferral; /* NULL: dropped */
    struct weir_barrier *barrier;
    weir_durable_answered *answered;
    void *user;
    bool handed_in; /* the barrier has it */
    struct weir_barrier_wait wait;
};

static void end(struct weir_durable_ask *ask, enum weir_durable outcome, const char *why)
{
    struct weir_deferral *deferral = ask->deferral;
    weir_durable_answered *answered = ask->answered;
    void *user = ask->user;
    free(ask);
    if (deferral == NULL)
        return;
    deferral->ask = NULL;
    if (deferral->delivery == NULL)
        answered(deferral, WEIR_DURABLE_UNKNOWN, "the message is no longer this handler's", user);
    else
        answered(deferral, outcome, why, user);
}

static void on_barrier(void *user, enum weir_barrier_outcome outcome, const char *why)
{
    end(user,
        outcome == WEIR_BARRIER_REACHED   ? WEIR_DURABLE_REACHED
        : outcome == WEIR_BARRIER_UNKNOWN ? WEIR_DURABLE_UNKNOWN
                                          : WEIR_DURABLE_NOT_REACHED,
        why);
}

/* State was loaded over the commands' connection, but the message came over another. That it is
 * pending where the commands go shows that it belongs to the same history. */
static void on_pending(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_durable_ask *ask = user;
    if (ask->deferral == NULL || ask->deferral->delivery == NULL) {
        end(ask, WEIR_DURABLE_UNKNOWN, "");
    } else if (answer != WEIR_ANSWER_DONE) {
        end(ask, WEIR_DURABLE_UNKNOWN,
            answer == WEIR_ANSWER_REFUSED ? reply->str : "the connection was lost");
    } else if (!weir_reply_array(reply, 1)) {
        end(ask, WEIR_DURABLE_UNKNOWN, "the message is not pending any more");
    } else {
        ask->handed_in = weir_barrier_submit(ask->barrier, &ask->wait);
        if (!ask->handed_in)
            end(ask, WEIR_DURABLE_UNKNOWN, "the worker stops");
    }
}

static bool send(struct weir_delivery *delivery, struct weir_durable_ask *ask)
{
    const char *entry = delivery->message->entry;
    const struct weir_runtime *runtime = delivery->context.runtime;
    return weir_link_send(runtime->link, 6,
                          (const char *[]){"XPENDING", delivery->message->stream,
                                           runtime->settings->group, entry, entry, "1"},
                          NULL, on_pending, ask) == WEIR_OK;
}

bool weir_when_durable(weir_deferral *deferral, unsigned replicas, bool disk, int64_t limit_ms,
                       weir_durable_answered *answered, void *user)
{
    struct weir_delivery *delivery = deferral->delivery;
    struct weir_durable_ask *ask;
    if (delivery == NULL || deferral->ask != NULL || replicas > WEIR_REPLICAS_MAX ||
        (ask = calloc(1, sizeof *ask)) == NULL)
        return false;
    *ask = (struct weir_durable_ask){
        .deferral = deferral,
        .barrier = delivery->context.runtime->barrier,
        .answered = answered,
        .user = user,
        .wait = {.need = {replicas, disk},
                 .limit_ms = limit_ms,
                 .seen_on = delivery->loaded_on,
                 .user = ask,
                 .answered = on_barrier},
    };
    if (!send(delivery, ask)) {
        free(ask);
        return false;
    }
    deferral->ask = ask;
    return true;
}

void weir_when_durable_drop(struct weir_deferral *deferral)
{
    struct weir_durable_ask *ask = deferral->ask;
    deferral->ask = NULL;
    if (ask == NULL)
        return;
    ask->deferral = NULL;
    if (ask->handed_in) {
        weir_barrier_cancel(ask->barrier, &ask->wait);
        free(ask);
    }
}
