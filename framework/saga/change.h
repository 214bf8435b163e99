/* One transition in the making: the doors by which a saga, its steps and the effects change.
 * Private to this folder. */
#ifndef WEIR_SAGA_CHANGE_H
#define WEIR_SAGA_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "saga/transition.h"

struct weir_saga_change {
    const struct weir_saga_definition *definition;
    struct weir_saga *saga;
    struct weir_saga_effects *effects;
    struct weir_random *random;
    int64_t now;
    enum weir_status status; /* the first failure stays; the saga is thrown away then */
};

static inline uint64_t weir_step_bit(size_t step)
{
    return UINT64_C(1) << step;
}

/* The doors: the only places that set a state. A move that the table does not list is not made
 * and sets `status`. A saga's move publishes its event, if it has one; a step's move ends its
 * timer. Suspension keeps the state and the reason that the saga goes back to. */
void weir_change_saga_move(struct weir_saga_change *change, enum weir_saga_state to);
void weir_change_step_move(struct weir_saga_change *change, size_t step, enum weir_step_state to);

/* Moves the step to running or compensating and sends the first command of that action. */
void weir_change_begin(struct weir_saga_change *change, size_t step, enum weir_step_action action);
/* Sends the step's current command, once more or for the first time. */
void weir_change_send(struct weir_saga_change *change, size_t step);
/* Backs off before the next attempt. */
void weir_change_wait(struct weir_saga_change *change, size_t step);
/* Takes the next number, which no reply can answer until it is sent. */
void weir_change_renumber(struct weir_saga_change *change, size_t step);
/* Takes back what the present transition sends for the step, which counts as never sent. False:
 * it sends nothing for it. */
bool weir_change_take_back(struct weir_saga_change *change, size_t step);
/* Begins to wait for the step's signal, once more or for the first time. */
void weir_change_await_signal(struct weir_saga_change *change, size_t step);
/* Forgives the attempts so far and makes the next one due at once. */
void weir_change_forgive(struct weir_saga_change *change, size_t step);
/* Ends the step's timer and leaves its state: a step under way is stuck then. */
void weir_change_rest(struct weir_saga_change *change, size_t step);

/* The command's success has been heard, but it does not count before it has reached what `awaits`
 * says. The step stays as it is; its time limit, if it has one, is renewed, so that nothing is sent
 * again for it. False: that was known, and the limit is far off; nothing has changed. */
bool weir_change_heard(struct weir_saga_change *change, size_t step, const char *awaits);

/* Keeps a signal's data until the step begins; NULL drops it. */
void weir_change_keep_signal(struct weir_saga_change *change, size_t step, const char *data);
void weir_change_late(struct weir_saga_change *change, size_t step);

/* NULL for `result` means an empty one. Reasons and errors are cut at WEIR_SAGA_TEXT_MAX. */
void weir_change_result(struct weir_saga_change *change, size_t step, const char *result);
void weir_change_error(struct weir_saga_change *change, size_t step, const char *format, ...)
    WEIR_PRINTF(3, 4);
void weir_change_reason(struct weir_saga_change *change, const char *format, ...) WEIR_PRINTF(2, 3);

/* Commands sent of the action that the step is in; those of them that count against its limit. */
unsigned weir_step_attempts(const struct weir_step_record *record);
unsigned weir_step_attempts_spent(const struct weir_step_record *record);
/* True while commands may still be sent for that action. */
bool weir_change_attempts_left(const struct weir_saga_change *change, size_t step);

#endif
