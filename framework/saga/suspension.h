/* What cannot be brought about: stuck steps, the saga that waits for them, and how it goes back.
 * Private to this folder. */
#ifndef WEIR_SAGA_SUSPENSION_H
#define WEIR_SAGA_SUSPENSION_H

#include "saga/change.h"

/* The step is stuck, for the reason given, and with it the saga is suspended. The reason of a
 * saga that is suspended already stays: it is that of the first step. */
void weir_suspension_begin(struct weir_saga_change *change, size_t step, const char *format, ...)
    WEIR_PRINTF(3, 4);

/* An operator's decisions about a step that is stuck: a fresh budget of attempts, or to go on as
 * if the step were done, or undone. */
void weir_suspension_retry(struct weir_saga_change *change, size_t step);
void weir_suspension_skip(struct weir_saga_change *change, size_t step);

/* Where no step is stuck any more, the saga goes back to where it was, and what has become due to
 * be sent meanwhile is sent. Does nothing for a saga that is not suspended. */
void weir_suspension_lift(struct weir_saga_change *change);

#endif
