/* What the coordinator's handlers share. */
#ifndef WEIR_COORDINATOR_HANDLERS_H
#define WEIR_COORDINATOR_HANDLERS_H

#include "coordinator/census.h"
#include "redis/key_names.h"
#include "saga/carry_out.h"
#include "saga/definition_cache.h"
#include "service/context.h"
#include "stream/periodic.h"

struct weir_coordinator {
    struct weir_definition_cache definitions;
    struct weir_random random;
    int64_t missing_said_at; /* monotonic ms: a missing definition is named now and then, not for
                                each saga */
    uint64_t stale;          /* replies and timers that changed nothing */
    struct weir_runtime *runtime;
    struct weir_periodic expiry;
    /* Ended sagas' places in the indexes, which the one after the other are gone through. */
    char ended_keys[2][WEIR_KEY_MAX];
    size_t expiring;      /* one of them */
    char expire_from[32]; /* the score to begin at */
    /* How many sagas are in flight: counted now and then, and more often where they seem to be too
     * many; kept up by what this process does. */
    struct weir_periodic census;
    char under_way_keys[2][WEIR_KEY_MAX];
    int64_t in_flight;
    struct weir_census sagas; /* for the metrics */
    int64_t confirming;       /* messages that wait until something is durable */
    char refused_why[256];    /* why the server cannot tell, as it was said; "": it can */
};

/* Where starts wait while too many sagas are in flight. */
#define WEIR_SAGA_HELD "held"

/* Whether a further saga may begin. Where not, those in flight are counted anew soon. */
bool weir_saga_may_begin(struct weir_coordinator *coordinator);

/* ---- start.c ------------------------------------------------------------------------------- */

/* StartSaga, and the keys that it loads: the saga's hash and the definition's. */
enum weir_outcome weir_saga_on_start(weir_context *context, const weir_message *message);
int weir_saga_start_keys(const weir_message *message, size_t index, char *rest, size_t room);

/* ---- move.c -------------------------------------------------------------------------------- */

/* StepSucceeded and StepFailed; SagaWake; the key that they load. */
enum weir_outcome weir_saga_on_reply(weir_context *context, const weir_message *message);
enum weir_outcome weir_saga_on_wake(weir_context *context, const weir_message *message);
int weir_saga_key(const weir_message *message, size_t index, char *rest, size_t room);
/* The saga that a message is about: a start without an id is known by the entry it first was. */
const char *weir_saga_id(const weir_message *message);
/* Applies an input and queues what follows from it. */
enum weir_outcome weir_saga_apply(weir_context *context, struct weir_saga_case *one,
                                  const struct weir_saga_input *input);
/* A case of this coordinator's, with nothing of the saga itself in it yet. `key` (WEIR_KEY_MAX
 * bytes) is filled and borrowed. */
struct weir_saga_case weir_saga_case_of(weir_context *context, const char *id, char *key);
/* CancelSaga, ResumeSaga, SignalSaga. */
enum weir_outcome weir_saga_on_order(weir_context *context, const weir_message *message);

/* ---- order.c ------------------------------------------------------------------------------- */

/* Whether it is one of the three. */
bool weir_saga_is_order(const weir_message *message);
/* Whether its fields are there and readable; else the reason is set, naming the field. */
bool weir_saga_order_complete(weir_context *context, const weir_message *message);
enum weir_outcome weir_saga_apply_order(weir_context *context, struct weir_saga_case *one);

/* ---- confirm.c ----------------------------------------------------------------------------- */

/* Waits until what has been seen is as durable as `need` says, and has the handler called again,
 * with context->confirmation telling the outcome; the caller returns WEIR_DEFERRED. false: it
 * cannot be waited for now, and the confirmation is WEIR_UNCONFIRMED. */
bool weir_saga_confirm(weir_context *context, struct weir_durability need);
/* Has the reply delivered again in a while, together with what else is committed. */
void weir_saga_hear_again(weir_context *context);

/* ---- fetch.c ------------------------------------------------------------------------------- */

typedef enum weir_outcome weir_saga_with_definition(weir_context *context,
                                                    const weir_message *message,
                                                    const struct weir_saga_definition *definition);

/* Fetches a definition that is not at hand and goes on with it; deferred. */
enum weir_outcome weir_saga_fetch(weir_context *context, const char *name, int64_t version,
                                  uint32_t checksum, weir_saga_with_definition *go_on);

#endif
