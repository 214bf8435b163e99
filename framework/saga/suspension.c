/* How a saga comes to wait for an operator, and how it goes on. */
#include "saga/suspension.h"

#include <stdarg.h>
#include <stdio.h>

void weir_suspension_begin(struct weir_saga_change *change, size_t step, const char *format, ...)
{
    char why[WEIR_SAGA_TEXT_MAX + 128];
    va_list arguments;
    weir_change_rest(change, step);
    if (change->saga->state == WEIR_SAGA_SUSPENDED)
        return;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    weir_change_saga_move(change, WEIR_SAGA_SUSPENDED);
    weir_change_reason(change, "%s", why);
}

void weir_suspension_retry(struct weir_saga_change *change, size_t step)
{
    if (change->definition->steps[step].signal != NULL)
        weir_change_await_signal(change, step);
    else
        weir_change_forgive(change, step);
}

void weir_suspension_skip(struct weir_saga_change *change, size_t step)
{
    weir_change_step_move(change, step, WEIR_STEP_SKIPPED);
}

void weir_suspension_lift(struct weir_saga_change *change)
{
    struct weir_saga *saga = change->saga;
    if (saga->state != WEIR_SAGA_SUSPENDED || weir_saga_stuck_steps(saga) != 0)
        return;
    weir_change_saga_move(change, saga->suspended_from);
    for (size_t i = 0; i < saga->step_count; i++) {
        if (saga->steps[i].waiting_to_send && saga->steps[i].due_at <= change->now)
            weir_change_send(change, i);
    }
}
