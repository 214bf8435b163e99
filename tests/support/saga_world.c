/* The world's events: what each does to the services and to the saga. */
#include "support/saga_world.h"

#include <stdlib.h>
#include <string.h>

#include "saga/carry_out.h"
#include "support/saga_rules.h"
#include "support/saga_services.h"

#define WORLD_BEGINS 1000

/* ---- Lifetime ---------------------------------------------------------------------------- */

void world_open(struct world *world, const struct weir_saga_definition *definition,
                unsigned resumes, unsigned unsendables)
{
    memset(world, 0, sizeof *world);
    world->definition = definition;
    world->now = WORLD_BEGINS;
    world->resumes_left = (uint8_t)resumes;
    world->unsendables_left = (uint8_t)unsendables;
    weir_random_init(&world->random, 1);
    if (weir_saga_init(&world->saga, definition) != WEIR_OK)
        abort();
}

void world_close(struct world *world)
{
    weir_saga_close(&world->saga);
}

static void own(char **text)
{
    if (*text != NULL && (*text = strdup(*text)) == NULL)
        abort();
}

void world_copy(struct world *to, const struct world *from)
{
    size_t count = from->saga.step_count;
    *to = *from;
    to->saga.steps = calloc(count, sizeof *to->saga.steps);
    if (to->saga.steps == NULL)
        abort();
    memcpy(to->saga.steps, from->saga.steps, count * sizeof *to->saga.steps);
    own(&to->saga.reason);
    own(&to->saga.reason_before);
    for (size_t i = 0; i < count; i++) {
        own(&to->saga.steps[i].result);
        own(&to->saga.steps[i].error);
        own(&to->saga.steps[i].signal);
    }
}

/* ---- Inputs of the saga ------------------------------------------------------------------ */

static bool can_be_served(const struct world *world, const struct world_event *event)
{
    return event->number >= 1 && event->number <= world->seen[event->step].sent[event->action];
}

/* Nobody can have sent it. */
static bool is_forged(const struct world *world, const struct world_event *event)
{
    return event->forged && event->number == world->seen[event->step].sent[event->action] + 1 &&
           !event->unnumbered;
}

static bool has_answer(const struct world *world, const struct world_event *event)
{
    return event->number <= WORLD_NUMBERS_MAX &&
           world->services[event->step].answers[event->action][event->number] &
               1u << event->outcome;
}

static struct weir_saga_input answer_of(const struct world_event *event, enum world_outcome outcome)
{
    return (struct weir_saga_input){.kind = WEIR_SAGA_REPLY,
                                    .step = event->step,
                                    .action = (enum weir_step_action)event->action,
                                    .number = event->unnumbered ? 0 : event->number,
                                    .succeeded = outcome == WORLD_OK,
                                    .unknown = outcome == WORLD_UNKNOWN,
                                    .reason = outcome == WORLD_OK ? NULL : "no"};
}

/* The input that the event is; false: it has no meaning now. */
static bool make_input(const struct world *world, const struct world_event *event,
                       struct weir_saga_input *input)
{
    const struct weir_step_definition *step = &world->definition->steps[event->step];
    *input = (struct weir_saga_input){.step = event->step};
    switch ((enum world_event_kind)event->kind) {
    case WORLD_SERVE:
        return false;
    case WORLD_START:
        input->kind = WEIR_SAGA_START;
        return true;
    case WORLD_REPLY:
        *input = answer_of(event, (enum world_outcome)event->outcome);
        return is_forged(world, event) || (!event->forged && has_answer(world, event));
    case WORLD_WAKE:
        input->kind = WEIR_SAGA_WAKE;
        return world->wake_at != 0;
    case WORLD_CANCEL:
        input->kind = WEIR_SAGA_CANCEL;
        return true;
    case WORLD_RESUME:
        input->kind = WEIR_SAGA_RESUME;
        input->name = step->name;
        input->skip = event->skip;
        return world->resumes_left > 0;
    case WORLD_SIGNAL:
        input->kind = WEIR_SAGA_SIGNAL;
        input->name = step->signal;
        return step->signal != NULL;
    }
    return false;
}

static void fail_to_send(struct world *world)
{
    if (world->effects.send_count == 0)
        return;
    world->unsendables_left--;
    world->took_back = true;
    int verdict =
        weir_saga_unsendable(world->definition, &world->saga, world->effects.sends[0].step,
                             "nothing to send", world->now, &world->random, &world->effects);
    if (verdict != WEIR_SAGA_MOVED)
        world->verdict = verdict < 0 ? verdict : -(int)WEIR_INVALID;
}

/* Sets the timer as the effects ask. */
static void set_timer(struct world *world, bool rang)
{
    struct weir_saga_case one = {.timer_consumed = rang};
    if (rang && world->verdict != WEIR_SAGA_MOVED)
        world->timer_at = world->effects.wake_at; /* rung early */
    else if (world->verdict == WEIR_SAGA_MOVED && weir_saga_timer_changes(&one, &world->effects))
        world->timer_at = world->effects.wake_at;
}

static void advance(struct world *world, const struct world_event *event,
                    const struct weir_saga_input *input)
{
    world->verdict = weir_saga_advance(world->definition, &world->saga, input, world->now,
                                       &world->random, &world->effects);
    if (world->verdict == WEIR_SAGA_MOVED && event->unsendable && world->unsendables_left > 0)
        fail_to_send(world);
    world->wake_at = world->effects.wake_at;
}

/* A timer may ring early: that changes nothing, and it rings again. */
static void await_timer(struct world *world, const struct weir_saga_input *wake)
{
    while (world->timer_at < world->wake_at && world->violation[0] == '\0') {
        struct rules_before before;
        int64_t due = world->wake_at;
        if (world->timer_at > world->now)
            world->now = world->timer_at;
        if (world->now >= due)
            break; /* it rings late, and something is due */
        rules_note(&before, world);
        advance(world, &(struct world_event){0}, wake);
        rules_check_early_wake(world, &before, wake, due);
        set_timer(world, true);
    }
    if (world->timer_at > world->now)
        world->now = world->timer_at;
}

static void put_in(struct world *world, const struct world_event *event,
                   const struct weir_saga_input *input)
{
    struct rules_before before;
    bool rings = event->kind == WORLD_WAKE;
    if (rings)
        await_timer(world, input);
    world->took_back = false;
    rules_note(&before, world);
    advance(world, event, input);
    if (event->kind == WORLD_RESUME && world->verdict == WEIR_SAGA_MOVED) {
        world->resumes_left--;
        world->seen[event->step].skipped_by_operator |= event->skip;
    }
    set_timer(world, rings);
    rules_check_input(world, &before, input, event->forged);
}

/* The service that has ended the step moves the saga, as it may where the saga waits for that
 * answer, all commands can be made up and the timer does not have to ring earlier. */
bool world_move(struct world *world, const struct world_event *event, enum world_outcome outcome)
{
    struct weir_saga_input input = answer_of(event, outcome);
    struct weir_saga_case one = {.timer_consumed = false};
    struct rules_before before;
    struct world as_it_was;
    if (!weir_saga_awaits(&world->saga, &input))
        return false;
    world_copy(&as_it_was, world);
    world->took_back = false;
    rules_note(&before, world);
    advance(world, &(struct world_event){0}, &input);
    if (world->verdict != WEIR_SAGA_MOVED ||
        (world->effects.wake_at != 0 && weir_saga_timer_changes(&one, &world->effects))) {
        world_close(world);
        *world = as_it_was;
        world->verdict = -1;
        return false;
    }
    if (!world->late_timer)
        set_timer(world, false);
    rules_check_input(world, &before, &input, false);
    world_close(&as_it_was);
    return true;
}

bool world_apply(struct world *world, const struct world_event *event)
{
    struct weir_saga_input input;
    world->verdict = -1;
    if (event->step >= world->saga.step_count)
        return false;
    if (event->kind == WORLD_SERVE) {
        if (!can_be_served(world, event))
            return false;
        world_serve(world, event);
    } else {
        if (!make_input(world, event, &input))
            return false;
        put_in(world, event, &input);
    }
    if (world->violation[0] == '\0')
        rules_check_world(world);
    return true;
}

/* ---- All events -------------------------------------------------------------------------- */

struct list {
    struct world_event *events;
    size_t count, room;
};

static void add(struct list *list, struct world_event event)
{
    if (list->count < list->room)
        list->events[list->count++] = event;
}

/* With each input that sends, its first command may turn out to be unsendable. */
static void add_input(const struct world *world, struct list *list, struct world_event event)
{
    add(list, event);
    if (world->unsendables_left > 0) {
        event.unsendable = true;
        add(list, event);
    }
}

static void add_service(const struct world *world, struct list *list, struct world_event event)
{
    event.kind = WORLD_SERVE;
    enum weir_step_outcome known;
    enum weir_participant_verdict verdict = world_decide(world, &event, &known);
    bool asks = verdict == WEIR_PARTICIPANT_HANDLE;
    bool ends = asks || verdict == WEIR_PARTICIPANT_NULL;
    for (uint8_t outcome = WORLD_OK; outcome <= (asks ? WORLD_UNKNOWN_BUT_DONE : 0); outcome++) {
        event.outcome = outcome;
        event.moves = false;
        add(list, event);
        event.moves = true;
        if (world->services_move && ends)
            add(list, event);
    }
}

static void add_message(const struct world *world, struct list *list, struct world_event event)
{
    add_service(world, list, event);
    event.kind = WORLD_REPLY;
    for (uint8_t outcome = WORLD_OK; outcome <= WORLD_UNKNOWN; outcome++) {
        event.outcome = outcome;
        if (has_answer(world, &event))
            add_input(world, list, event);
    }
}

static void add_messages(const struct world *world, struct list *list, uint8_t step)
{
    for (uint8_t action = WEIR_STEP_EXECUTE; action <= WEIR_STEP_COMPENSATE; action++) {
        uint8_t last = world->seen[step].sent[action];
        for (uint8_t number = 1; number <= last; number++)
            add_message(world, list,
                        (struct world_event){.step = step, .action = action, .number = number});
    }
}

size_t world_events(const struct world *world, struct world_event *events, size_t room)
{
    struct list list = {events, 0, room};
    if (world->saga.state == WEIR_SAGA_NONE) {
        add_input(world, &list, (struct world_event){.kind = WORLD_START});
        return list.count;
    }
    for (uint8_t i = 0; i < world->saga.step_count; i++) {
        add_messages(world, &list, i);
        if (world->definition->steps[i].signal != NULL)
            add_input(world, &list, (struct world_event){.kind = WORLD_SIGNAL, .step = i});
        if (world->resumes_left > 0 && weir_step_is_stuck(&world->saga.steps[i])) {
            struct world_event resume = {.kind = WORLD_RESUME, .step = i};
            add_input(world, &list, resume);
            resume.skip = true;
            add_input(world, &list, resume);
        }
    }
    if (world->wake_at != 0)
        add_input(world, &list, (struct world_event){.kind = WORLD_WAKE});
    add_input(world, &list, (struct world_event){.kind = WORLD_CANCEL});
    return list.count;
}
