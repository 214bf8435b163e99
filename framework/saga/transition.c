/* What a saga does about one input: start, reply or timer. */
#include "saga/transition.h"

#include <stdio.h>

#include "saga/change.h"
#include "saga/compensation.h"

/* Whether the reply is to the command that the step stands on now. A late answer to an earlier
 * attempt is: repeated attempts share their number. */
static bool is_awaited(const struct weir_saga *saga, const struct weir_saga_input *reply)
{
    if (reply->step >= saga->step_count)
        return false;
    const struct weir_step_record *record = &saga->steps[reply->step];
    if (record->unsent || (reply->number != 0 && reply->number != record->number))
        return false;
    if (reply->action == WEIR_STEP_EXECUTE)
        return saga->state == WEIR_SAGA_RUNNING && record->state == WEIR_STEP_RUNNING;
    return (saga->state == WEIR_SAGA_COMPENSATING || saga->state == WEIR_SAGA_SUSPENDED) &&
           record->state == WEIR_STEP_COMPENSATING;
}

static bool is_moving(const struct weir_saga *saga)
{
    return saga->state == WEIR_SAGA_RUNNING || saga->state == WEIR_SAGA_COMPENSATING;
}

static void take_earlier(int64_t *earliest, int64_t candidate)
{
    if (candidate != 0 && (*earliest == 0 || candidate < *earliest))
        *earliest = candidate;
}

static int64_t next_wake(const struct weir_saga *saga)
{
    int64_t earliest = 0;
    if (!is_moving(saga))
        return 0;
    if (saga->state == WEIR_SAGA_RUNNING)
        take_earlier(&earliest, saga->deadline);
    for (size_t i = 0; i < saga->step_count; i++)
        take_earlier(&earliest, saga->steps[i].due_at);
    return earliest;
}

static bool is_due(int64_t at, int64_t now)
{
    return at != 0 && at <= now;
}

static bool concerns(const struct weir_saga *saga, const struct weir_saga_input *input, int64_t now)
{
    switch (input->kind) {
    case WEIR_SAGA_START:
        return saga->state == WEIR_SAGA_NONE;
    case WEIR_SAGA_REPLY:
        return is_awaited(saga, input);
    case WEIR_SAGA_WAKE:
        return is_due(next_wake(saga), now);
    }
    return false;
}

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

/* Starts the pending steps that wait for nothing any more. */
static void start_ready(struct weir_saga_change *change)
{
    uint64_t done = steps_done(change->saga);
    for (size_t i = 0; i < change->saga->step_count; i++) {
        if (change->saga->steps[i].state == WEIR_STEP_PENDING &&
            (change->definition->steps[i].after & ~done) == 0)
            weir_change_begin(change, i, WEIR_STEP_EXECUTE);
    }
}

static bool all_done(const struct weir_saga *saga)
{
    return steps_done(saga) == UINT64_MAX >> (WEIR_SAGA_STEPS_MAX - saga->step_count);
}

static void start(struct weir_saga_change *change)
{
    int64_t timeout = change->definition->timeout_ms;
    change->saga->started_at = change->now;
    change->saga->deadline = timeout == 0 ? 0 : change->now + timeout;
    weir_change_saga_move(change, WEIR_SAGA_RUNNING);
    start_ready(change);
}

static void step_succeeded(struct weir_saga_change *change, size_t step, const char *result)
{
    weir_change_result(change, step, result);
    weir_change_step_move(change, step, WEIR_STEP_SUCCEEDED);
    if (all_done(change->saga))
        weir_change_saga_move(change, WEIR_SAGA_COMPLETED);
    else
        start_ready(change);
}

static void step_refused(struct weir_saga_change *change, const struct weir_saga_input *reply)
{
    size_t step = reply->step;
    weir_change_error(change, step, "%s", reply->reason);
    change->saga->steps[step].may_have_effect = reply->unknown;
    weir_change_step_move(change, step, WEIR_STEP_FAILED);
    weir_change_reason(change, "%s: %s", change->definition->steps[step].name, reply->reason);
    weir_compensation_begin(change);
}

static void answer(struct weir_saga_change *change, const struct weir_saga_input *input)
{
    struct weir_saga_input reply = *input;
    if (reply.reason == NULL)
        reply.reason = "no reason given";
    if (reply.action == WEIR_STEP_COMPENSATE)
        weir_compensation_answer(change, &reply);
    else if (reply.succeeded)
        step_succeeded(change, reply.step, reply.result);
    else
        step_refused(change, &reply);
}

static bool has_run_out(const struct weir_saga_change *change, size_t step)
{
    const struct weir_step_record *record = &change->saga->steps[step];
    return is_due(record->due_at, change->now) && !record->waiting_to_send &&
           !weir_change_attempts_left(change, step);
}

/* The first step, in their order, whose last attempt has remained without an answer;
 * step_count if there is none. */
static size_t first_run_out(const struct weir_saga_change *change)
{
    size_t step = 0;
    while (step < change->saga->step_count && !has_run_out(change, step))
        step++;
    return step;
}

static void note_silence(struct weir_saga_change *change, size_t step)
{
    unsigned attempts = change->definition->steps[step].attempts;
    weir_change_error(change, step, "no answer in %u attempt%s", attempts,
                      attempts == 1 ? "" : "s");
}

static void turn_back(struct weir_saga_change *change, size_t first, const char *why)
{
    for (size_t i = first; i < change->saga->step_count; i++) {
        if (has_run_out(change, i))
            note_silence(change, i);
    }
    weir_change_reason(change, "%s: %s", change->definition->steps[first].name, why);
    weir_compensation_begin(change);
}

static void run_out(struct weir_saga_change *change, size_t step)
{
    const struct weir_step_definition *definition = &change->definition->steps[step];
    char why[80];
    snprintf(why, sizeof why, "no answer in %u attempt%s of %lld ms", definition->attempts,
             definition->attempts == 1 ? "" : "s", (long long)definition->timeout_ms);
    if (change->saga->state == WEIR_SAGA_RUNNING) {
        turn_back(change, step, why);
        return;
    }
    note_silence(change, step);
    weir_compensation_give_up(change, step, why);
}

/* A back-off of nothing is over at once and needs no second timer. */
static void next_attempt(struct weir_saga_change *change, size_t step)
{
    const struct weir_step_record *record = &change->saga->steps[step];
    if (!is_due(record->due_at, change->now))
        return;
    if (!record->waiting_to_send)
        weir_change_wait(change, step);
    if (is_due(record->due_at, change->now))
        weir_change_send(change, step);
}

/* What ends the saga's way goes first: nothing is sent for a step that is given up in the same
 * moment. */
static void wake(struct weir_saga_change *change)
{
    struct weir_saga *saga = change->saga;
    if (saga->state == WEIR_SAGA_RUNNING && is_due(saga->deadline, change->now)) {
        weir_change_reason(change, "deadline of %lld ms passed",
                           (long long)change->definition->timeout_ms);
        weir_compensation_begin(change);
        return;
    }
    size_t step = first_run_out(change);
    if (step < saga->step_count) {
        run_out(change, step);
        return;
    }
    for (size_t i = 0; i < saga->step_count; i++)
        next_attempt(change, i);
}

static void apply(struct weir_saga_change *change, const struct weir_saga_input *input)
{
    switch (input->kind) {
    case WEIR_SAGA_START:
        start(change);
        break;
    case WEIR_SAGA_REPLY:
        answer(change, input);
        break;
    case WEIR_SAGA_WAKE:
        wake(change);
        break;
    }
}

int weir_saga_advance(const struct weir_saga_definition *definition, struct weir_saga *saga,
                      const struct weir_saga_input *input, int64_t now, struct weir_random *random,
                      struct weir_saga_effects *effects)
{
    struct weir_saga_change change = {.definition = definition,
                                      .saga = saga,
                                      .effects = effects,
                                      .random = random,
                                      .now = now,
                                      .status = WEIR_OK};
    if (saga->step_count != definition->step_count)
        return -(int)WEIR_INVALID;
    *effects = (struct weir_saga_effects){.wake_at = next_wake(saga)};
    if (!concerns(saga, input, now))
        return WEIR_SAGA_STALE;
    apply(&change, input);
    saga->revision++;
    saga->updated_at = now;
    effects->wake_at = next_wake(saga);
    return change.status == WEIR_OK ? WEIR_SAGA_MOVED : -(int)change.status;
}
