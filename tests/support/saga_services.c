/* What the services of a world do with the commands that they get. */
#include "support/saga_services.h"

#include <stdio.h>
#include <string.h>

#include "support/saga_rules.h"

static const enum weir_step_outcome kept_outcomes[] = {
    [WORLD_OK] = WEIR_OUTCOME_SUCCEEDED,
    [WORLD_REFUSED] = WEIR_OUTCOME_FAILED,
    [WORLD_UNKNOWN] = WEIR_OUTCOME_UNKNOWN,
    [WORLD_UNKNOWN_BUT_DONE] = WEIR_OUTCOME_UNKNOWN,
};

static enum world_outcome answered(enum weir_step_outcome kept)
{
    return kept == WEIR_OUTCOME_SUCCEEDED ? WORLD_OK
           : kept == WEIR_OUTCOME_FAILED  ? WORLD_REFUSED
                                          : WORLD_UNKNOWN;
}

/* As it stands in the step's record; NULL: not there. */
static const char *field_of(const struct world_end *end, char *room)
{
    static const char *const words[] = {"", "succeeded", "failed", "unknown"};
    char *at = room;
    if (end->outcome == WEIR_OUTCOME_NONE)
        return NULL;
    if (end->number >= 10)
        *at++ = (char)('0' + end->number / 10);
    *at++ = (char)('0' + end->number % 10);
    *at++ = ' ';
    strcpy(at, words[end->outcome]);
    strcat(at, " {}");
    return room;
}

/* As the saga's hash tells of the step; a number of 1 is left out there. */
static struct weir_step_fields fields_of(const struct world *world, size_t step, char *number)
{
    const struct weir_step_record *record = &world->saga.steps[step];
    struct weir_step_fields fields = {0};
    if (world->saga.state == WEIR_SAGA_NONE || world->deaf)
        return fields;
    snprintf(number, 12, "%u", record->number);
    fields.state = weir_step_state_text(record->state);
    fields.number = record->number == 1 ? NULL : number;
    fields.unknown = record->may_have_effect ? "1" : NULL;
    fields.result = record->result;
    fields.error = record->error;
    fields.compensation_attempts = record->compensation_attempts > 0 ? "1" : NULL;
    return fields;
}

enum weir_participant_verdict world_decide(const struct world *world,
                                           const struct world_event *event,
                                           enum weir_step_outcome *known)
{
    const struct world_service *service = &world->services[event->step];
    bool compensating = event->action == WEIR_STEP_COMPENSATE;
    char execute[24], compensate[24], number[12];
    struct weir_step_fields fields = fields_of(world, event->step, number);
    struct weir_text room = {0};
    struct weir_step_ends ends =
        weir_step_ends_of_saga(&fields, compensating, event->number, &room);
    ends.execute = weir_step_end_of_both(
        weir_step_end_parse(field_of(&service->ends[WEIR_STEP_EXECUTE], execute)), ends.execute);
    ends.compensate = weir_step_end_of_both(
        weir_step_end_parse(field_of(&service->ends[WEIR_STEP_COMPENSATE], compensate)),
        ends.compensate);
    struct weir_participant_decision decision =
        weir_participant_decide(&ends, compensating, event->number);
    *known = decision.answer.outcome;
    weir_text_close(&room);
    return decision.verdict;
}

static void record(struct world_service *service, const struct world_event *event,
                   enum weir_step_outcome outcome)
{
    service->ends[event->action] = (struct world_end){(uint8_t)outcome, event->number};
}

/* What the handler does, and what is true of it from then on. */
static void handle(struct world_service *service, const struct world_event *event)
{
    bool done = event->outcome == WORLD_OK || event->outcome == WORLD_UNKNOWN_BUT_DONE;
    if (done)
        service->has_effect = event->action == WEIR_STEP_EXECUTE;
    if (event->action == WEIR_STEP_EXECUTE && event->outcome >= WORLD_UNKNOWN)
        service->was_unknown = true;
    service->handled[event->action] |= (uint16_t)(1u << event->number);
    service->succeeded[event->action] |= event->outcome == WORLD_OK;
}

/* The end of the step becomes known: by a move of the saga or by an answer, with a record where it
 * is an answer, at least. */
static void end_step(struct world *world, const struct world_event *event,
                     enum weir_step_outcome outcome)
{
    struct world_service *service = &world->services[event->step];
    bool moved = event->moves && world_move(world, event, answered(outcome));
    if (!moved || event->recorded)
        record(service, event, outcome);
    if (!moved)
        service->answers[event->action][event->number] |= (uint8_t)(1u << answered(outcome));
}

void world_serve(struct world *world, const struct world_event *event)
{
    struct world_service *service = &world->services[event->step];
    enum weir_step_outcome known;
    switch (world_decide(world, event, &known)) {
    case WEIR_PARTICIPANT_HANDLE:
        rules_check_handling(world, event);
        handle(service, event);
        end_step(world, event, kept_outcomes[event->outcome]);
        break;
    case WEIR_PARTICIPANT_REPEAT:
        service->answers[event->action][event->number] |= (uint8_t)(1u << answered(known));
        break;
    case WEIR_PARTICIPANT_NULL:
        rules_check_null(world, event);
        service->succeeded[WEIR_STEP_COMPENSATE] = true;
        end_step(world, event, WEIR_OUTCOME_SUCCEEDED);
        break;
    case WEIR_PARTICIPANT_BARRED:
        service->answers[event->action][event->number] |= 1u << WORLD_REFUSED;
        if (world->bar_is_broken) {
            handle(service, event);
            record(service, event, kept_outcomes[event->outcome]);
        }
        break;
    }
}
