/* Undoing what a saga has done: which steps, in which order, and what if that fails.
 * Private to this folder. */
#ifndef WEIR_SAGA_COMPENSATION_H
#define WEIR_SAGA_COMPENSATION_H

#include "saga/change.h"

/* The saga turns back, for the reason given: what is under way counts as unknown, what is pending
 * is skipped. */
void weir_compensation_begin(struct weir_saga_change *change, const char *reason);

/* A service has answered a compensation. */
void weir_compensation_answer(struct weir_saga_change *change, const struct weir_saga_input *reply);
/* The compensation's last attempt has remained without an answer. */
void weir_compensation_run_out(struct weir_saga_change *change, size_t step);
/* The compensation's command cannot be made up; it has been taken back. */
void weir_compensation_unsendable(struct weir_saga_change *change, size_t step, const char *reason);

/* Sends the compensations whose turn has come, or ends the saga. */
void weir_compensation_go_on(struct weir_saga_change *change);

#endif
