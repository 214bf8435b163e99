/* Simulated services and the network between them and a saga: commands and replies are lost,
 * doubled and overtake each other; services keep to the protocol of the bar. */
#ifndef TEST_SAGA_PARTICIPANTS_H
#define TEST_SAGA_PARTICIPANTS_H

#include <stdbool.h>
#include <string.h>

#include "base/backoff.h"
#include "saga/transition.h"

#define NUMBERS_MAX 16
#define MESSAGES_MAX 512

enum outcome { NONE_YET, SUCCEEDED, REFUSED, UNKNOWN };

struct message {
    bool is_reply;
    size_t step;
    enum weir_step_action action;
    unsigned number;
    enum outcome outcome; /* of a reply */
};

/* What is true at the service of one step, whatever the saga believes. */
struct participant {
    bool has_effect;
    bool is_barred;
    enum outcome outcomes[2][NUMBERS_MAX]; /* by action and number; the first one is final */
};

struct network {
    struct weir_random random;
    struct participant participants[WEIR_SAGA_STEPS_MAX];
    struct message messages[MESSAGES_MAX];
    size_t count;
};

static inline bool chance(struct weir_random *random, unsigned percent)
{
    return weir_random_below(random, 100) < percent;
}

/* A full network loses what is put into it, as any network may. */
static inline void network_put(struct network *network, struct message message)
{
    if (network->count < MESSAGES_MAX && !chance(&network->random, 10))
        network->messages[network->count++] = message;
}

/* Any message, whatever their order; now and then a copy stays behind. */
static inline struct message network_take(struct network *network)
{
    size_t at = (size_t)weir_random_below(&network->random, network->count);
    struct message message = network->messages[at];
    if (!chance(&network->random, 15))
        network->messages[at] = network->messages[--network->count];
    return message;
}

static inline enum outcome participant_execute(struct participant *participant,
                                               struct weir_random *random)
{
    if (participant->is_barred)
        return REFUSED;
    if (chance(random, 10))
        return REFUSED;
    if (chance(random, 8)) {
        participant->has_effect = chance(random, 50);
        return UNKNOWN;
    }
    participant->has_effect = true;
    return SUCCEEDED;
}

/* What has had no effect is barred without asking the handler, which alone can refuse. */
static inline enum outcome participant_compensate(struct participant *participant,
                                                  struct weir_random *random)
{
    enum outcome outcome = SUCCEEDED;
    if (participant->has_effect && chance(random, 30))
        outcome = chance(random, 50) ? REFUSED : UNKNOWN;
    if (outcome == SUCCEEDED || (outcome == UNKNOWN && chance(random, 50))) {
        participant->has_effect = false;
        participant->is_barred = true;
    }
    return outcome;
}

/* A service takes a command and answers it, unless it dies before or the answer gets lost. */
static inline void network_serve(struct network *network, const struct message *command)
{
    struct participant *participant = &network->participants[command->step];
    enum outcome *outcome = &participant->outcomes[command->action][command->number];
    if (chance(&network->random, 10))
        return;
    if (*outcome == NONE_YET)
        *outcome = command->action == WEIR_STEP_EXECUTE
                       ? participant_execute(participant, &network->random)
                       : participant_compensate(participant, &network->random);
    struct message reply = *command;
    reply.is_reply = true;
    reply.outcome = *outcome;
    if (chance(&network->random, 20))
        reply.number = 0; /* written by hand: it does not say which */
    network_put(network, reply);
}

#endif
