/* Cancelling, resuming and signalling. */
#include "saga/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "saga/compensation.h"
#include "saga/forward.h"
#include "saga/suspension.h"

WEIR_PRINTF(2, 3) static int refuse(struct weir_saga_change *change, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(change->effects->refusal, sizeof change->effects->refusal, format, arguments);
    va_end(arguments);
    return WEIR_SAGA_REFUSED;
}

static bool is_under_way(const struct weir_saga *saga)
{
    return saga->state == WEIR_SAGA_RUNNING || saga->state == WEIR_SAGA_COMPENSATING ||
           saga->state == WEIR_SAGA_SUSPENDED;
}

static int refuse_state(struct weir_saga_change *change)
{
    if (change->saga->state == WEIR_SAGA_NONE)
        return refuse(change, "the saga has not started");
    return refuse(change, "the saga has ended: it is %s",
                  weir_saga_state_text(change->saga->state));
}

/* ---- Cancel ------------------------------------------------------------------------------ */

static bool goes_back(const struct weir_saga *saga)
{
    return saga->state == WEIR_SAGA_COMPENSATING ||
           (saga->state == WEIR_SAGA_SUSPENDED && saga->suspended_from == WEIR_SAGA_COMPENSATING);
}

int weir_request_cancel(struct weir_saga_change *change, const char *reason)
{
    char why[WEIR_SAGA_TEXT_MAX + 2];
    if (!is_under_way(change->saga))
        return refuse_state(change);
    if (goes_back(change->saga))
        return WEIR_SAGA_STALE;
    if (weir_saga_is_committed(change->definition, change->saga))
        return refuse(change, "the saga can only go forward: its pivot, or a step that is tried "
                              "until it succeeds, has begun");
    snprintf(why, sizeof why, "cancelled%s%s", reason != NULL && *reason != '\0' ? ": " : "",
             reason != NULL ? reason : "");
    weir_compensation_begin(change, why);
    return WEIR_SAGA_MOVED;
}

/* ---- Resume ------------------------------------------------------------------------------ */

/* Names that no longer fit are left out, whole. */
static int refuse_naming_stuck(struct weir_saga_change *change, const char *step,
                               const char *problem)
{
    char names[sizeof change->effects->refusal] = "";
    size_t length = 0;
    uint64_t stuck = weir_saga_stuck_steps(change->saga);
    for (size_t i = 0; i < change->saga->step_count; i++) {
        const char *name = change->definition->steps[i].name;
        if ((stuck & weir_step_bit(i)) == 0 || length + strlen(name) + 2 > 120)
            continue;
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                   length > 0 ? ", " : "", name);
    }
    return refuse(change, "step %.64s %s; stuck: %s", step, problem, names);
}

int weir_request_resume(struct weir_saga_change *change, const char *name, bool skip)
{
    int step = weir_saga_definition_step(change->definition, name, strlen(name));
    if (!is_under_way(change->saga))
        return refuse_state(change);
    if (change->saga->state != WEIR_SAGA_SUSPENDED)
        return refuse(change, "the saga is %s: no step is stuck",
                      weir_saga_state_text(change->saga->state));
    if (step < 0)
        return refuse_naming_stuck(change, name, "is no step of this saga");
    if (!weir_step_is_stuck(&change->saga->steps[step]))
        return refuse_naming_stuck(change, name, "is not stuck");
    if (skip)
        weir_suspension_skip(change, (size_t)step);
    else
        weir_suspension_retry(change, (size_t)step);
    return WEIR_SAGA_MOVED;
}

/* ---- Signal ------------------------------------------------------------------------------ */

int weir_request_signal(struct weir_saga_change *change, const char *signal, const char *data)
{
    int step = weir_saga_definition_waiting(change->definition, signal);
    const struct weir_step_record *record;
    if (step < 0)
        return refuse(change, "no step of this saga waits for the signal %.64s", signal);
    if (data != NULL && strlen(data) > WEIR_SAGA_SIGNAL_MAX)
        return refuse(change, "the data of a signal may have %d bytes at most, not %zu",
                      WEIR_SAGA_SIGNAL_MAX, strlen(data));
    if (change->saga->state == WEIR_SAGA_NONE)
        return refuse_state(change);
    if (change->saga->state != WEIR_SAGA_RUNNING && change->saga->state != WEIR_SAGA_SUSPENDED)
        return WEIR_SAGA_STALE;
    record = &change->saga->steps[step];
    if (record->state == WEIR_STEP_RUNNING)
        weir_forward_signal(change, (size_t)step, data);
    else if (record->state == WEIR_STEP_PENDING && record->signal == NULL)
        weir_change_keep_signal(change, (size_t)step, data != NULL ? data : "{}");
    else
        return WEIR_SAGA_STALE;
    return WEIR_SAGA_MOVED;
}
