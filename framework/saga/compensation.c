/* Which compensations go out when, and what follows from their answers. */
#include "saga/compensation.h"

#include "saga/suspension.h"

static bool needs_compensation(const struct weir_saga_change *change, size_t step)
{
    const struct weir_step_record *record = &change->saga->steps[step];
    if (change->definition->steps[step].compensation == NULL)
        return false;
    switch (record->state) {
    case WEIR_STEP_SUCCEEDED:
    case WEIR_STEP_TIMED_OUT:
        return true;
    case WEIR_STEP_FAILED:
        return record->may_have_effect;
    default:
        return false;
    }
}

/* A compensation goes out once nothing that comes after its step is still to be undone: this
 * gives reverse order along a chain, and branches side by side. */
void weir_compensation_go_on(struct weir_saga_change *change)
{
    uint64_t needed = 0, under_way = 0;
    for (size_t i = 0; i < change->saga->step_count; i++) {
        if (needs_compensation(change, i))
            needed |= weir_step_bit(i);
        else if (change->saga->steps[i].state == WEIR_STEP_COMPENSATING)
            under_way |= weir_step_bit(i);
    }
    if ((needed | under_way) == 0) {
        weir_change_saga_move(change, WEIR_SAGA_COMPENSATED);
        return;
    }
    uint64_t held = weir_saga_definition_ancestors(change->definition, needed | under_way);
    for (size_t i = 0; i < change->saga->step_count; i++) {
        if (needed & ~held & weir_step_bit(i))
            weir_change_begin(change, i, WEIR_STEP_COMPENSATE);
    }
}

/* A command that the present transition was about to send and that has become senseless never
 * goes out; a step that was to begin with it has not begun. */
static void cut_off(struct weir_saga_change *change, size_t step)
{
    bool is_first = weir_change_take_back(change, step) && change->saga->steps[step].attempts == 0;
    weir_change_step_move(change, step, is_first ? WEIR_STEP_SKIPPED : WEIR_STEP_TIMED_OUT);
}

void weir_compensation_begin(struct weir_saga_change *change, const char *reason)
{
    struct weir_saga *saga = change->saga;
    if (saga->state == WEIR_SAGA_SUSPENDED)
        weir_change_saga_move(change, saga->suspended_from);
    weir_change_reason(change, "%s", reason);
    weir_change_saga_move(change, WEIR_SAGA_COMPENSATING);
    for (size_t i = 0; i < saga->step_count; i++) {
        if (saga->steps[i].state == WEIR_STEP_RUNNING)
            cut_off(change, i);
        else if (saga->steps[i].state == WEIR_STEP_PENDING)
            weir_change_step_move(change, i, WEIR_STEP_SKIPPED);
        if (saga->steps[i].signal != NULL)
            weir_change_keep_signal(change, i, NULL);
    }
}

static void give_up(struct weir_saga_change *change, size_t step, const char *why)
{
    weir_suspension_begin(change, step, "compensation of %s: %s",
                          change->definition->steps[step].name, why);
}

/* The outcome of an id is final, so whatever is sent next for this step needs a new number: the
 * next attempt, or an operator's. */
static void refused(struct weir_saga_change *change, size_t step, const char *reason)
{
    bool was_stuck = weir_step_is_stuck(&change->saga->steps[step]);
    weir_change_error(change, step, "%s", reason);
    weir_change_renumber(change, step);
    if (!was_stuck && weir_change_attempts_left(change, step))
        weir_change_wait(change, step);
    else
        give_up(change, step, reason);
}

void weir_compensation_answer(struct weir_saga_change *change, const struct weir_saga_input *reply)
{
    if (reply->succeeded)
        weir_change_step_move(change, reply->step, WEIR_STEP_COMPENSATED);
    else
        refused(change, reply->step, reply->reason);
}

void weir_compensation_run_out(struct weir_saga_change *change, size_t step)
{
    const struct weir_step_definition *definition = &change->definition->steps[step];
    weir_suspension_begin(change, step, "compensation of %s: no answer in %u attempt%s of %lld ms",
                          definition->name, definition->attempts,
                          definition->attempts == 1 ? "" : "s", (long long)definition->timeout_ms);
}

void weir_compensation_unsendable(struct weir_saga_change *change, size_t step, const char *reason)
{
    weir_change_error(change, step, "%s", reason);
    give_up(change, step, reason);
}
