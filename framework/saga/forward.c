/* From the first step to the last: what begins, what is tried again, what turns the saga back. */
#include "saga/forward.h"

#include <stdio.h>

#include "saga/compensation.h"
#include "saga/suspension.h"

/* ---- Going on ---------------------------------------------------------------------------- */

static uint64_t steps_done(const struct weir_saga *saga)
{
    uint64_t done = 0;
    for (size_t i = 0; i < saga->step_count; i++) {
        enum weir_step_state state = saga->steps[i].state;
        if (state == WEIR_STEP_SUCCEEDED || state == WEIR_STEP_SKIPPED)
            done |= weir_step_bit(i);
    }
    return done;
}

static bool all_done(const struct weir_saga *saga)
{
    return steps_done(saga) == UINT64_MAX >> (WEIR_SAGA_STEPS_MAX - saga->step_count);
}

/* A signal that has come before its step is taken at once. */
static void begin_step(struct weir_saga_change *change, size_t step)
{
    if (change->definition->steps[step].signal == NULL) {
        weir_change_begin(change, step, WEIR_STEP_EXECUTE);
        return;
    }
    weir_change_await_signal(change, step);
    if (change->saga->steps[step].signal != NULL)
        weir_forward_signal(change, step, change->saga->steps[step].signal);
}

/* True where a step has begun. */
static bool begin_ready(struct weir_saga_change *change)
{
    uint64_t done = steps_done(change->saga);
    bool begun = false;
    for (size_t i = 0; i < change->saga->step_count; i++) {
        if (change->saga->steps[i].state == WEIR_STEP_PENDING &&
            (change->definition->steps[i].after & ~done) == 0) {
            begin_step(change, i);
            begun = true;
        }
    }
    return begun;
}

/* In rounds, because a kept signal ends its step as soon as that begins. */
void weir_forward_go_on(struct weir_saga_change *change)
{
    while (begin_ready(change))
        ;
    if (all_done(change->saga))
        weir_change_saga_move(change, WEIR_SAGA_COMPLETED);
}

void weir_forward_start(struct weir_saga_change *change)
{
    int64_t timeout = change->definition->timeout_ms;
    change->saga->started_at = change->now;
    change->saga->deadline = timeout == 0 ? 0 : change->now + timeout;
    weir_change_saga_move(change, WEIR_SAGA_RUNNING);
}

/* ---- Ends of a step ---------------------------------------------------------------------- */

static const struct weir_step_definition *defined(const struct weir_saga_change *change,
                                                  size_t step)
{
    return &change->definition->steps[step];
}

static void turn_back(struct weir_saga_change *change, size_t step, const char *why)
{
    char reason[WEIR_SAGA_TEXT_MAX + 2]; /* one byte more than is kept, so that it is cut well */
    snprintf(reason, sizeof reason, "%s: %s", defined(change, step)->name, why);
    weir_compensation_begin(change, reason);
}

void weir_forward_signal(struct weir_saga_change *change, size_t step, const char *data)
{
    weir_change_result(change, step, data);
    weir_change_keep_signal(change, step, NULL);
    weir_change_step_move(change, step, WEIR_STEP_SUCCEEDED);
}

static void refused(struct weir_saga_change *change, size_t step, bool unknown, const char *reason)
{
    change->saga->steps[step].may_have_effect = unknown;
    weir_change_step_move(change, step, WEIR_STEP_FAILED);
    turn_back(change, step, reason);
}

/* The outcome of an id is final, so what is sent next for the step needs a new number. */
static void refused_behind_pivot(struct weir_saga_change *change, size_t step, const char *reason)
{
    bool was_stuck = weir_step_is_stuck(&change->saga->steps[step]);
    weir_change_renumber(change, step);
    if (!was_stuck && weir_change_attempts_left(change, step))
        weir_change_wait(change, step);
    else
        weir_suspension_begin(change, step, "%s: %s", defined(change, step)->name, reason);
}

/* Neither to be undone nor to be passed: it decides about the whole saga. */
static void pivot_unknown(struct weir_saga_change *change, size_t step, const char *reason)
{
    weir_suspension_begin(change, step, "%s: %s; the pivot may have taken effect or not",
                          defined(change, step)->name, reason);
}

void weir_forward_answer(struct weir_saga_change *change, const struct weir_saga_input *reply)
{
    size_t step = reply->step;
    enum weir_step_kind kind = defined(change, step)->kind;
    if (reply->succeeded) {
        weir_change_result(change, step, reply->result);
        weir_change_step_move(change, step, WEIR_STEP_SUCCEEDED);
        return;
    }
    weir_change_error(change, step, "%s", reply->reason);
    if (kind == WEIR_STEP_RETRIABLE) {
        refused_behind_pivot(change, step, reply->reason);
    } else if (kind == WEIR_STEP_PIVOT && reply->unknown) {
        weir_change_renumber(change, step);
        pivot_unknown(change, step, reply->reason);
    } else {
        refused(change, step, reply->unknown, reply->reason);
    }
}

void weir_forward_run_out(struct weir_saga_change *change, size_t step)
{
    const struct weir_step_definition *definition = defined(change, step);
    char why[160];
    if (definition->signal != NULL)
        snprintf(why, sizeof why, "no signal %s in %lld ms", definition->signal,
                 (long long)definition->timeout_ms);
    else
        snprintf(why, sizeof why, "no answer in %u attempt%s of %lld ms", definition->attempts,
                 definition->attempts == 1 ? "" : "s", (long long)definition->timeout_ms);
    if (definition->kind == WEIR_STEP_COMPENSATABLE)
        turn_back(change, step, why);
    else if (definition->kind == WEIR_STEP_PIVOT)
        pivot_unknown(change, step, why);
    else
        weir_suspension_begin(change, step, "%s: %s", definition->name, why);
}

void weir_forward_unsendable(struct weir_saga_change *change, size_t step, const char *reason)
{
    const struct weir_step_definition *definition = defined(change, step);
    bool has_been_sent = change->saga->steps[step].attempts > 0;
    weir_change_error(change, step, "%s", reason);
    if (definition->kind == WEIR_STEP_RETRIABLE)
        weir_suspension_begin(change, step, "%s: %s", definition->name, reason);
    else if (definition->kind == WEIR_STEP_PIVOT && has_been_sent)
        pivot_unknown(change, step, reason);
    else
        refused(change, step, has_been_sent, reason);
}
