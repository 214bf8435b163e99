/* A saga's way forward: which steps begin when, what their answers and their silence mean.
 * Private to this folder. */
#ifndef WEIR_SAGA_FORWARD_H
#define WEIR_SAGA_FORWARD_H

#include "saga/change.h"

void weir_forward_start(struct weir_saga_change *change);

/* A service has answered a step's command. */
void weir_forward_answer(struct weir_saga_change *change, const struct weir_saga_input *reply);
/* What the step waits for has happened. */
void weir_forward_signal(struct weir_saga_change *change, size_t step, const char *data);
/* The step's last attempt has remained without an answer, or its signal has not come. */
void weir_forward_run_out(struct weir_saga_change *change, size_t step);
/* The step's command cannot be made up; it has been taken back. */
void weir_forward_unsendable(struct weir_saga_change *change, size_t step, const char *reason);

/* Starts the steps that wait for nothing any more, or completes the saga. */
void weir_forward_go_on(struct weir_saga_change *change);

#endif
