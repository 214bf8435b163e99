/* A worker moves the saga of the step that it has ended, in the commit of the handler's effects:
 * the coordinator's pure transition, under the expectation that the saga is still as it was read.
 * That saves a reply, its way through the coordinator and a commit. */
#ifndef WEIR_SERVICE_STEP_MOVE_H
#define WEIR_SERVICE_STEP_MOVE_H

#include "service/worker_state.h"

/* Queues the transition that follows from the end of the step (delivery->step->end) into
 * delivery->step->answer. false: that is the coordinator's to do, and nothing has been queued:
 *   - this user has been denied it before;
 *   - the saga or its definition is not at hand, or the saga does not wait for this answer;
 *   - the command has expired;
 *   - the success has to become durable before it counts;
 *   - the saga's timer would have to ring earlier, of which coordinators would not know in time;
 *   - a command's data cannot be made up;
 *   - others have moved the saga too often meanwhile, or it has been left. */
WEIR_CHECKED bool weir_step_move_saga(struct weir_delivery *delivery);
/* As if others had moved the saga too often: it is the coordinator's from now on. */
void weir_step_leave_saga(struct weir_delivery *delivery);
/* This worker's user has been denied something, for which `left` is what it may do at the most: it
 * leaves all sagas to the coordinator, and says so once. */
void weir_step_lose_right(struct weir_worker *worker, enum weir_saga_right left, const char *why);

#endif
