/* Undoing what a saga has done: which steps, in which order, and what if that fails.
 * Private to this folder. */
#ifndef WEIR_SAGA_COMPENSATION_H
#define WEIR_SAGA_COMPENSATION_H

#include "saga/change.h"

/* The saga, whose reason is set, turns back: what is under way counts as unknown, what is pending
 * is skipped, and the first compensations go out. */
void weir_compensation_begin(struct weir_saga_change *change);

/* A service has answered a compensation. In a suspended saga this is recorded and nothing more. */
void weir_compensation_answer(struct weir_saga_change *change, const struct weir_saga_input *reply);

/* The step's compensation cannot be brought about: the saga waits for an operator. */
void weir_compensation_give_up(struct weir_saga_change *change, size_t step, const char *why);

#endif
