/* What may follow from what, and what must never be. */
#include "support/saga_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

WEIR_PRINTF(2, 3) static void broken(struct world *world, const char *format, ...)
{
    va_list arguments;
    if (world->violation[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(world->violation, sizeof world->violation, format, arguments);
    va_end(arguments);
}

#define RULE(world, holds, ...)                                                                    \
    do {                                                                                           \
        if (!(holds))                                                                              \
            broken(world, __VA_ARGS__);                                                            \
    } while (0)

static const char *name_of(const struct world *world, size_t step)
{
    return world->definition->steps[step].name;
}

/* ---- Moves ------------------------------------------------------------------------------- */

/* What one input may do to a saga, with the events that go with it, letters as in "RCPUS". States
 * by letter: None, Running, compensating (P), Completed, compensated (U), Suspended. */
static const char *const saga_leaps[] = {
    "NR:R",  "NU:RPU", "NS:RS", "RR:",  "RC:C", "RP:P",  "RU:PU", "RS:S",
    "RS:PS", "PP:",    "PU:U",  "PS:S", "CC:",  "UU:",   "SS:",   "SS:S",
    "SS:PS", "SR:",    "SC:C",  "SP:",  "SP:P", "SU:PU", "SU:U",
};

/* What one input may do to a step; rows from, columns to, in the order of the enum. */
static const char *const step_leaps[] = {
    /* pending      */ "xxxxx..x",
    /* running      */ ".xxxxx.x",
    /* succeeded    */ "..x..x..",
    /* failed       */ "...x.x..",
    /* timed-out    */ "....xx..",
    /* compensating */ ".....xxx",
    /* compensated  */ "......x.",
    /* skipped      */ ".......x",
};

static void check_saga_leap(struct world *world, enum weir_saga_state from)
{
    static const char states[] = "NRPCUS", events[] = "RCPUS";
    char leap[12] = {states[from], states[world->saga.state], ':'};
    for (size_t i = 0; i < world->effects.event_count; i++)
        leap[3 + i] = events[world->effects.events[i]];
    for (size_t i = 0; i < sizeof saga_leaps / sizeof *saga_leaps; i++) {
        if (strcmp(saga_leaps[i], leap) == 0)
            return;
    }
    broken(world, "the saga makes the move %s", leap);
}

static void check_step_leaps(struct world *world, const struct rules_before *before)
{
    for (size_t i = 0; i < world->saga.step_count; i++) {
        const struct weir_step_record *from = &before->steps[i], *to = &world->saga.steps[i];
        RULE(world, step_leaps[from->state][to->state] == 'x', "step %s moves from %s to %s",
             name_of(world, i), weir_step_state_text(from->state), weir_step_state_text(to->state));
        RULE(world,
             memcmp(from, to, sizeof *from) == 0 ||
                 (world->effects.changed_steps & UINT64_C(1) << i),
             "step %s changes and is not marked as changed", name_of(world, i));
    }
}

/* ---- Commands ---------------------------------------------------------------------------- */

/* True where undoing the step is still to come, or is not known to have happened. */
static bool stands(const struct world *world, size_t step)
{
    const struct world_seen *seen = &world->seen[step];
    return seen->sent[WEIR_STEP_EXECUTE] > 0 && !seen->cleanly_refused &&
           world->definition->steps[step].compensation != NULL && !seen->skipped_by_operator &&
           world->saga.steps[step].state != WEIR_STEP_COMPENSATED;
}

static void check_order(struct world *world, const struct weir_saga_send *send)
{
    for (size_t i = 0; i < world->saga.step_count; i++) {
        uint64_t waits_for = weir_saga_definition_ancestors(world->definition, UINT64_C(1) << i);
        enum weir_step_state state = world->saga.steps[i].state;
        if (send->action == WEIR_STEP_COMPENSATE)
            RULE(world, !(waits_for & UINT64_C(1) << send->step) || !stands(world, i),
                 "%s is undone before %s", name_of(world, send->step), name_of(world, i));
        else if (world->definition->steps[send->step].after & UINT64_C(1) << i)
            RULE(world, state == WEIR_STEP_SUCCEEDED || state == WEIR_STEP_SKIPPED,
                 "%s begins before %s is done", name_of(world, send->step), name_of(world, i));
    }
}

static void check_number(struct world *world, const struct weir_saga_send *send)
{
    struct world_seen *seen = &world->seen[send->step];
    unsigned last = seen->sent[send->action];
    bool repeated = send->number == last && last > seen->refused[send->action];
    bool next = send->number == last + 1 && last == seen->refused[send->action];
    RULE(world, repeated || next, "%s #%u of %s goes out behind #%u, #%u was refused",
         weir_step_action_text(send->action), send->number, name_of(world, send->step), last,
         seen->refused[send->action]);
    RULE(world, send->number <= WORLD_NUMBERS_MAX, "too many numbers for this world");
    seen->sent[send->action] = (uint8_t)send->number;
}

static void check_send(struct world *world, const struct weir_saga_send *send)
{
    const struct weir_step_definition *step = &world->definition->steps[send->step];
    const struct weir_step_record *record = &world->saga.steps[send->step];
    bool execute = send->action == WEIR_STEP_EXECUTE;
    /* What goes out beside a command that cannot be made up was decided on before. */
    RULE(world,
         world->saga.state == (execute ? WEIR_SAGA_RUNNING : WEIR_SAGA_COMPENSATING) ||
             (world->saga.state == WEIR_SAGA_SUSPENDED && world->took_back),
         "a command goes out while the saga is %s", weir_saga_state_text(world->saga.state));
    RULE(world, step->signal == NULL, "a command goes out for %s, which waits for a signal",
         step->name);
    RULE(world, execute || step->compensation != NULL, "%s has nothing to undo", step->name);
    RULE(world, execute || stands(world, send->step), "%s is undone without need", step->name);
    RULE(world, send->attempt - record->forgiven <= step->attempts, "%s has no attempts left",
         step->name);
    check_order(world, send);
    check_number(world, send);
}

/* Learns from an answer that was heard; comes before the commands that follow from it. */
static void note_reply(struct world *world, const struct rules_before *before,
                       const struct weir_saga_input *reply)
{
    struct world_seen *seen = &world->seen[reply->step];
    const struct weir_step_record *record = &before->steps[reply->step];
    bool is_late = world->saga.steps[reply->step].late_at != record->late_at;
    RULE(world, is_late || reply->number == 0 || reply->number == record->number,
         "an answer to #%u of %s is heard, which stands on #%u", reply->number,
         name_of(world, reply->step), record->number);
    if (reply->succeeded)
        return;
    RULE(world, record->number > seen->refused[reply->action], "%s #%u is refused twice",
         name_of(world, reply->step), record->number);
    seen->refused[reply->action] = (uint8_t)record->number;
    if (reply->action == WEIR_STEP_EXECUTE && !reply->unknown &&
        world->saga.steps[reply->step].state == WEIR_STEP_FAILED)
        seen->cleanly_refused = true;
}

/* ---- The whole --------------------------------------------------------------------------- */

void rules_note(struct rules_before *before, const struct world *world)
{
    before->saga = world->saga;
    memcpy(before->steps, world->saga.steps, world->saga.step_count * sizeof *before->steps);
}

static bool has_ended(enum weir_saga_state state)
{
    return state == WEIR_SAGA_COMPLETED || state == WEIR_SAGA_COMPENSATED;
}

static void check_moved(struct world *world, const struct rules_before *before,
                        const struct weir_saga_input *input)
{
    RULE(world, world->saga.revision == before->saga.revision + 1, "the revision is wrong");
    RULE(world, world->saga.updated_at == world->now, "the time of the change is wrong");
    check_saga_leap(world, before->saga.state);
    check_step_leaps(world, before);
    if (input->kind == WEIR_SAGA_REPLY)
        note_reply(world, before, input);
    for (size_t i = 0; i < world->effects.send_count; i++)
        check_send(world, &world->effects.sends[i]);
    for (size_t i = 0; i < world->effects.event_count; i++)
        world->turned_back += world->effects.events[i] == WEIR_SAGA_EVENT_COMPENSATING;
    RULE(world, world->turned_back <= 1, "the saga turns back twice");
    RULE(world, !has_ended(before->saga.state) || world->effects.send_count == 0,
         "a command goes out after the end");
}

static void check_unchanged(struct world *world, const struct rules_before *before)
{
    const struct weir_saga_effects *effects = &world->effects;
    RULE(world,
         memcmp(&before->saga, &world->saga, sizeof before->saga) == 0 &&
             memcmp(before->steps, world->saga.steps,
                    world->saga.step_count * sizeof *before->steps) == 0,
         "the input changes the saga and says that it does not");
    RULE(world, effects->send_count + effects->event_count == 0 && effects->changed_steps == 0,
         "the input has effects and says that it has none");
    RULE(world, (world->verdict == WEIR_SAGA_REFUSED) == (effects->refusal[0] != '\0'),
         "a refusal without a sentence");
}

/* A pivot, or without one a retriable step, whose command is out and not refused. */
static bool must_go_forward(const struct world *world)
{
    for (size_t i = 0; i < world->saga.step_count; i++) {
        if (world->definition->steps[i].kind != WEIR_STEP_COMPENSATABLE &&
            world->seen[i].sent[WEIR_STEP_EXECUTE] > 0 && !world->seen[i].cleanly_refused)
            return true;
    }
    return false;
}

static void check_state(struct world *world)
{
    enum weir_saga_state state = world->saga.state;
    bool moving = state == WEIR_SAGA_RUNNING || state == WEIR_SAGA_COMPENSATING;
    bool back = state == WEIR_SAGA_COMPENSATING || state == WEIR_SAGA_COMPENSATED;
    RULE(world, (world->wake_at > 0) == moving, "the timer does not fit the state");
    RULE(world, (world->timer_at > 0) == moving && world->timer_at <= world->wake_at,
         "the timer is set to %lld, and the saga is due at %lld", (long long)world->timer_at,
         (long long)world->wake_at);
    RULE(world, (weir_saga_stuck_steps(&world->saga) != 0) == (state == WEIR_SAGA_SUSPENDED),
         "suspended without a step that is stuck, or the reverse");
    RULE(world, (world->saga.ended_at != 0) == has_ended(state), "the time of the end is wrong");
    RULE(world, (world->saga.reason != NULL) == (back || state == WEIR_SAGA_SUSPENDED),
         "there is no reason, or one too many");
    for (size_t i = 0; i < world->saga.step_count; i++)
        RULE(world,
             world->saga.steps[i].signal == NULL || world->saga.steps[i].state == WEIR_STEP_PENDING,
             "a signal is kept for %s, which is not pending", name_of(world, i));
    RULE(world, !back || !must_go_forward(world), "the saga turns back behind its pivot");
}

void rules_check_input(struct world *world, const struct rules_before *before,
                       const struct weir_saga_input *input, bool forged)
{
    RULE(world, !forged || world->verdict == WEIR_SAGA_STALE, "a forged reply is heard");
    if (world->verdict < 0)
        broken(world, "the engine fails: %s",
               weir_status_text((enum weir_status) - world->verdict));
    else if (world->verdict == WEIR_SAGA_MOVED)
        check_moved(world, before, input);
    else
        check_unchanged(world, before);
    check_state(world);
}

void rules_check_early_wake(struct world *world, const struct rules_before *before,
                            const struct weir_saga_input *wake, int64_t due)
{
    RULE(world, world->verdict == WEIR_SAGA_STALE, "a timer that rings early moves the saga");
    RULE(world, world->effects.wake_at == due, "a timer that rings early is set to another time");
    rules_check_input(world, before, wake, false);
}

void rules_check_handling(struct world *world, const struct world_event *event)
{
    const struct world_service *service = &world->services[event->step];
    const char *action = weir_step_action_text((enum weir_step_action)event->action);
    const char *name = name_of(world, event->step);
    RULE(world, (service->handled[event->action] & 1u << event->number) == 0,
         "%s #%u of %s is handled twice", action, event->number, name);
    RULE(world, !service->succeeded[event->action], "%s of %s is handled behind its success",
         action, name);
    RULE(world, event->action == WEIR_STEP_COMPENSATE || !service->succeeded[WEIR_STEP_COMPENSATE],
         "%s is executed behind its compensation", name);
}

void rules_check_null(struct world *world, const struct world_event *event)
{
    RULE(world, !world->services[event->step].has_effect,
         "the compensation of %s undoes nothing, and it has had its effect",
         name_of(world, event->step));
}

static void check_undone(struct world *world, size_t step)
{
    const struct weir_step_definition *defined = &world->definition->steps[step];
    bool nothing_to_undo =
        defined->kind == WEIR_STEP_COMPENSATABLE && defined->compensation == NULL;
    bool tried_again = defined->kind == WEIR_STEP_PIVOT && world->services[step].was_unknown;
    RULE(world,
         !world->services[step].has_effect || nothing_to_undo || tried_again ||
             world->seen[step].skipped_by_operator,
         "the saga is compensated, and %s has had its effect", defined->name);
}

static void check_done(struct world *world, size_t step)
{
    RULE(world,
         world->services[step].has_effect || world->definition->steps[step].signal != NULL ||
             world->seen[step].skipped_by_operator,
         "the saga is completed, and %s has had no effect", name_of(world, step));
}

void rules_check_world(struct world *world)
{
    for (size_t i = 0; i < world->saga.step_count; i++) {
        if (world->saga.state == WEIR_SAGA_COMPENSATED)
            check_undone(world, i);
        else if (world->saga.state == WEIR_SAGA_COMPLETED)
            check_done(world, i);
    }
}
