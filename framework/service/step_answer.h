/* The answer to a saga's command. Where nothing speaks against it the worker moves the saga itself,
 * in the commit of the handler's effects (step_move.c); else it records the end of the step and
 * replies to the coordinator. Each queues effects behind the handler's. */
#ifndef WEIR_SERVICE_STEP_ANSWER_H
#define WEIR_SERVICE_STEP_ANSWER_H

#include "service/delivery.h"

/* What is known of the step's ends: from its record, and from its saga. `room` takes what has to be
 * made up. */
struct weir_step_ends weir_step_ends_known(const struct weir_delivery *delivery,
                                           struct weir_text *room);
/* Answers with an outcome that is known already; records nothing. */
void weir_step_repeat(struct weir_delivery *delivery, const struct weir_step_end *first);
/* Answers an execution that came after its compensation; records nothing. */
void weir_step_bar(struct weir_delivery *delivery);
/* Ends the action. `data` is a JSON object. */
void weir_step_end_with(struct weir_delivery *delivery, enum weir_step_outcome outcome,
                        struct weir_slice data);
void weir_step_end_failed(struct weir_delivery *delivery, const char *reason, bool unknown);
void weir_step_end_succeeded(struct weir_delivery *delivery); /* with the handler's result */
/* Lays the same end down once more, on what has been read of the saga since. */
void weir_step_end_again(struct weir_delivery *delivery);

/* ---- For step_move.c ------------------------------------------------------------------------- */

/* The server's time now, or, where it was not asked for, when the command was laid down. */
int64_t weir_step_server_ms(const struct weir_delivery *delivery);
/* How long a command lives that this worker sends. */
int64_t weir_step_command_life_ms(const struct weir_delivery *delivery);
/* The server's time from which on no copy of the command, nor of what it bars, can have an effect;
 * 0: the command does not say. */
int64_t weir_step_matters_until(const struct weir_delivery *delivery, int64_t now);

/* What was read of the record has to be so still, or the decision does not hold. */
void weir_step_expect_record(struct weir_delivery *delivery);
/* Records the end of the action. */
void weir_step_record_end(struct weir_delivery *delivery);

#endif
