/* The services of a world, which follow the participant's decisions: by what they have recorded of
 * the step, and by what the saga tells of it. Private to the world. */
#ifndef TEST_SUPPORT_SAGA_SERVICES_H
#define TEST_SUPPORT_SAGA_SERVICES_H

#include "service/participant.h"
#include "support/saga_world.h"

/* What the service would do with the command now; `known`: how its action has ended before. */
enum weir_participant_verdict world_decide(const struct world *world,
                                           const struct world_event *event,
                                           enum weir_step_outcome *known);
/* Serves the command: calls the handler where that is to be done, and answers or moves the saga. */
void world_serve(struct world *world, const struct world_event *event);

/* In saga_world.c: the service that has ended the step moves the saga, as it may where the saga
 * waits for that answer and the timer does not have to ring earlier. False: it may not, and nothing
 * has happened. */
bool world_move(struct world *world, const struct world_event *event, enum world_outcome outcome);

#endif
