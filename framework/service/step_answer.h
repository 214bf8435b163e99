/* The answer to a saga's command: what is recorded of the step, and the reply to the coordinator.
 * Each queues effects. */
#ifndef WEIR_SERVICE_STEP_ANSWER_H
#define WEIR_SERVICE_STEP_ANSWER_H

#include "service/delivery.h"

/* What was read of the record has to be so still, or the decision does not hold. */
void weir_step_expect_record(struct weir_delivery *delivery);
/* StepSucceeded or StepFailed; records nothing. `data` is a JSON object. */
void weir_step_reply(struct weir_delivery *delivery, bool succeeded, struct weir_slice data);
/* Records the end of the action and replies. */
void weir_step_end_with(struct weir_delivery *delivery, enum weir_step_outcome outcome,
                        struct weir_slice data);
void weir_step_end_failed(struct weir_delivery *delivery, const char *reason, bool unknown);
void weir_step_end_succeeded(struct weir_delivery *delivery); /* with the handler's result */

#endif
