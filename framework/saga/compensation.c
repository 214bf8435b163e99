/* Which compensations go out when, and what follows from their answers. */
#include "saga/compensation.h"

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
static void go_on(struct weir_saga_change *change)
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

void weir_compensation_begin(struct weir_saga_change *change)
{
    weir_change_saga_move(change, WEIR_SAGA_COMPENSATING);
    for (size_t i = 0; i < change->saga->step_count; i++) {
        enum weir_step_state state = change->saga->steps[i].state;
        if (state == WEIR_STEP_RUNNING)
            weir_change_step_move(change, i, WEIR_STEP_TIMED_OUT);
        else if (state == WEIR_STEP_PENDING)
            weir_change_step_move(change, i, WEIR_STEP_SKIPPED);
    }
    go_on(change);
}

/* The outcome of an id is final, so whatever is sent next for this step needs a new number: the
 * next attempt, or an operator's. */
static void refused(struct weir_saga_change *change, size_t step, const char *reason)
{
    weir_change_error(change, step, "%s", reason);
    weir_change_renumber(change, step);
    if (weir_change_attempts_left(change, step))
        weir_change_wait(change, step);
    else
        weir_compensation_give_up(change, step, reason);
}

void weir_compensation_answer(struct weir_saga_change *change, const struct weir_saga_input *reply)
{
    if (!reply->succeeded) {
        refused(change, reply->step, reply->reason);
        return;
    }
    weir_change_step_move(change, reply->step, WEIR_STEP_COMPENSATED);
    if (change->saga->state == WEIR_SAGA_COMPENSATING)
        go_on(change);
}

void weir_compensation_give_up(struct weir_saga_change *change, size_t step, const char *why)
{
    weir_change_rest(change, step);
    if (change->saga->state == WEIR_SAGA_SUSPENDED)
        return; /* the reason is why it was suspended first */
    weir_change_reason(change, "compensation of %s: %s", change->definition->steps[step].name, why);
    weir_change_saga_move(change, WEIR_SAGA_SUSPENDED);
}
