/* What a saga does about one input: whom it concerns, and what follows from it. */
#include "saga/transition.h"

#include <stdio.h>

#include "saga/change.h"
#include "saga/compensation.h"
#include "saga/forward.h"
#include "saga/request.h"
#include "saga/suspension.h"

/* ---- Time -------------------------------------------------------------------------------- */

static bool is_moving(const struct weir_saga *saga)
{
    return saga->state == WEIR_SAGA_RUNNING || saga->state == WEIR_SAGA_COMPENSATING;
}

static void take_earlier(int64_t *earliest, int64_t candidate)
{
    if (candidate != 0 && (*earliest == 0 || candidate < *earliest))
        *earliest = candidate;
}

static bool deadline_counts(const struct weir_saga_definition *definition,
                            const struct weir_saga *saga)
{
    return saga->state == WEIR_SAGA_RUNNING && !weir_saga_is_committed(definition, saga);
}

static int64_t next_wake(const struct weir_saga_definition *definition,
                         const struct weir_saga *saga)
{
    int64_t earliest = 0;
    if (!is_moving(saga))
        return 0;
    if (deadline_counts(definition, saga))
        take_earlier(&earliest, saga->deadline);
    for (size_t i = 0; i < saga->step_count; i++)
        take_earlier(&earliest, saga->steps[i].due_at);
    return earliest;
}

static bool is_due(int64_t at, int64_t now)
{
    return at != 0 && at <= now;
}

static bool has_run_out(const struct weir_saga_change *change, size_t step)
{
    const struct weir_step_record *record = &change->saga->steps[step];
    if (!is_due(record->due_at, change->now) || record->waiting_to_send)
        return false;
    return change->definition->steps[step].signal != NULL ||
           !weir_change_attempts_left(change, step);
}

static void note_silence(struct weir_saga_change *change, size_t step)
{
    const struct weir_step_definition *definition = &change->definition->steps[step];
    if (definition->signal != NULL)
        weir_change_error(change, step, "no signal %s", definition->signal);
    else
        weir_change_error(change, step, "no answer in %u attempt%s", definition->attempts,
                          definition->attempts == 1 ? "" : "s");
}

/* Every step that has run out at this moment is told of; the first one that may still be undone
 * turns the saga back, and nothing more is said of the others. True: there was one. */
static bool run_out(struct weir_saga_change *change)
{
    uint64_t steps = 0;
    for (size_t i = 0; i < change->saga->step_count; i++) {
        if (!has_run_out(change, i))
            continue;
        steps |= weir_step_bit(i);
        note_silence(change, i);
    }
    bool forward = change->saga->state == WEIR_SAGA_RUNNING;
    for (size_t i = 0; i < change->saga->step_count; i++) {
        if ((steps & weir_step_bit(i)) == 0)
            continue;
        if (!forward)
            weir_compensation_run_out(change, i);
        else if (change->saga->state != WEIR_SAGA_COMPENSATING)
            weir_forward_run_out(change, i);
    }
    return steps != 0;
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
static int wake(struct weir_saga_change *change)
{
    struct weir_saga *saga = change->saga;
    if (!is_due(next_wake(change->definition, saga), change->now))
        return WEIR_SAGA_STALE;
    if (deadline_counts(change->definition, saga) && is_due(saga->deadline, change->now)) {
        char why[80];
        snprintf(why, sizeof why, "deadline of %lld ms passed",
                 (long long)change->definition->timeout_ms);
        weir_compensation_begin(change, why);
    } else if (!run_out(change)) {
        for (size_t i = 0; i < saga->step_count; i++)
            next_attempt(change, i);
    }
    return WEIR_SAGA_MOVED;
}

/* ---- Replies ----------------------------------------------------------------------------- */

static enum weir_saga_state heading(const struct weir_saga *saga)
{
    return saga->state == WEIR_SAGA_SUSPENDED ? saga->suspended_from : saga->state;
}

/* Whether the reply is to the command that the step stands on now. A late answer to an earlier
 * attempt is: repeated attempts share their number. */
bool weir_saga_awaits(const struct weir_saga *saga, const struct weir_saga_input *reply)
{
    const struct weir_step_record *record;
    if (reply->step >= saga->step_count)
        return false;
    record = &saga->steps[reply->step];
    if (record->unsent || (reply->number != 0 && reply->number != record->number))
        return false;
    if (reply->action == WEIR_STEP_EXECUTE)
        return heading(saga) == WEIR_SAGA_RUNNING && record->state == WEIR_STEP_RUNNING;
    return heading(saga) == WEIR_SAGA_COMPENSATING && record->state == WEIR_STEP_COMPENSATING;
}

/* Whether the input tells of the success of a command that the saga had given up without having
 * heard of it. What may be undone is executed under one number only. */
static bool is_late(const struct weir_saga *saga, const struct weir_saga_input *reply)
{
    if (saga->state == WEIR_SAGA_NONE || reply->kind != WEIR_SAGA_REPLY || !reply->succeeded ||
        reply->action != WEIR_STEP_EXECUTE || reply->number > 1 || reply->step >= saga->step_count)
        return false;
    const struct weir_step_record *record = &saga->steps[reply->step];
    if (record->late_at != 0 || record->attempts == 0)
        return false;
    if (record->result != NULL || record->may_have_effect)
        return false; /* its outcome was heard in time */
    return record->state == WEIR_STEP_TIMED_OUT || record->state == WEIR_STEP_COMPENSATING ||
           record->state == WEIR_STEP_COMPENSATED;
}

static int answer(struct weir_saga_change *change, const struct weir_saga_input *input)
{
    struct weir_saga_input reply = *input;
    if (!weir_saga_awaits(change->saga, &reply))
        return WEIR_SAGA_STALE;
    if (reply.succeeded && reply.unconfirmed != NULL)
        return weir_change_heard(change, reply.step, reply.unconfirmed) ? WEIR_SAGA_MOVED
                                                                        : WEIR_SAGA_STALE;
    if (reply.reason == NULL)
        reply.reason = "no reason given";
    if (reply.action == WEIR_STEP_COMPENSATE)
        weir_compensation_answer(change, &reply);
    else
        weir_forward_answer(change, &reply);
    return WEIR_SAGA_MOVED;
}

/* ---- All of them ------------------------------------------------------------------------- */

static int start(struct weir_saga_change *change)
{
    if (change->saga->state != WEIR_SAGA_NONE)
        return WEIR_SAGA_STALE;
    weir_forward_start(change);
    return WEIR_SAGA_MOVED;
}

static int apply(struct weir_saga_change *change, const struct weir_saga_input *input)
{
    const char *name = input->name != NULL ? input->name : "";
    switch (input->kind) {
    case WEIR_SAGA_START:
        return start(change);
    case WEIR_SAGA_REPLY:
        return answer(change, input);
    case WEIR_SAGA_WAKE:
        return wake(change);
    case WEIR_SAGA_CANCEL:
        return weir_request_cancel(change, input->reason);
    case WEIR_SAGA_RESUME:
        return weir_request_resume(change, name, input->skip);
    case WEIR_SAGA_SIGNAL:
        return weir_request_signal(change, name, input->data);
    }
    return WEIR_SAGA_STALE;
}

/* Whatever has changed, the saga goes on from where it stands now. */
static void settle(struct weir_saga_change *change)
{
    weir_suspension_lift(change);
    if (change->saga->state == WEIR_SAGA_RUNNING)
        weir_forward_go_on(change);
    else if (change->saga->state == WEIR_SAGA_COMPENSATING)
        weir_compensation_go_on(change);
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
    *effects = (struct weir_saga_effects){.wake_before = next_wake(definition, saga)};
    effects->wake_at = effects->wake_before;
    if (is_late(saga, input)) {
        weir_change_late(&change, input->step); /* what undoes it is under way, or done */
    } else {
        int verdict = apply(&change, input);
        if (verdict != WEIR_SAGA_MOVED)
            return verdict;
        settle(&change);
    }
    saga->revision++;
    saga->updated_at = now;
    effects->wake_at = next_wake(definition, saga);
    return change.status == WEIR_OK ? WEIR_SAGA_MOVED : -(int)change.status;
}

int weir_saga_unsendable(const struct weir_saga_definition *definition, struct weir_saga *saga,
                         size_t step, const char *reason, int64_t now, struct weir_random *random,
                         struct weir_saga_effects *effects)
{
    struct weir_saga_change change = {.definition = definition,
                                      .saga = saga,
                                      .effects = effects,
                                      .random = random,
                                      .now = now,
                                      .status = WEIR_OK};
    if (!weir_change_take_back(&change, step))
        return WEIR_SAGA_STALE;
    if (saga->steps[step].state == WEIR_STEP_COMPENSATING)
        weir_compensation_unsendable(&change, step, reason);
    else
        weir_forward_unsendable(&change, step, reason);
    settle(&change);
    effects->wake_at = next_wake(definition, saga);
    return change.status == WEIR_OK ? WEIR_SAGA_MOVED : -(int)change.status;
}
