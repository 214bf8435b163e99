/* Worlds as bytes, and their events as lines that can be read and written. */
#include <stdio.h>
#include <string.h>

#include "support/saga_world.h"

/* ---- Essence ----------------------------------------------------------------------------- */

struct bytes {
    uint8_t *at;
    size_t count, room;
};

static void put(struct bytes *bytes, uint64_t value)
{
    if (bytes->count < bytes->room)
        bytes->at[bytes->count++] = (uint8_t)value;
}

/* Times matter as distances; they are multiples of 10 here, and short. */
static void put_time(struct bytes *bytes, const struct world *world, int64_t at)
{
    int64_t distance = at == 0 ? -1 : at <= world->now ? 0 : (at - world->now + 9) / 10;
    put(bytes, (uint64_t)(distance + 1));
}

static void put_record(struct bytes *bytes, const struct world *world, size_t step)
{
    const struct weir_step_record *record = &world->saga.steps[step];
    bool back = record->state == WEIR_STEP_COMPENSATING;
    put(bytes, record->state);
    put(bytes, (back ? record->compensation_attempts : record->attempts) - record->forgiven);
    put(bytes, record->number);
    put(bytes, (record->waiting_to_send ? 1u : 0u) | (record->unsent ? 2u : 0u) |
                   (record->may_have_effect ? 4u : 0u) | (record->late_at != 0 ? 8u : 0u) |
                   (record->result != NULL ? 16u : 0u) | (record->signal != NULL ? 32u : 0u) |
                   (record->attempts > 0 ? 64u : 0u) |
                   (record->compensation_attempts > 0 ? 128u : 0u));
    put_time(bytes, world, record->due_at);
}

static void put_service(struct bytes *bytes, const struct world *world, size_t step)
{
    const struct world_service *service = &world->services[step];
    const struct world_seen *seen = &world->seen[step];
    put(bytes, (service->has_effect ? 1u : 0u) | (service->was_unknown ? 2u : 0u) |
                   (seen->cleanly_refused ? 4u : 0u) | (seen->skipped_by_operator ? 8u : 0u) |
                   (service->succeeded[0] ? 16u : 0u) | (service->succeeded[1] ? 32u : 0u));
    for (int action = 0; action < 2; action++) {
        put(bytes, service->handled[action] & 0xff);
        put(bytes, service->handled[action] >> 8);
        put(bytes, service->ends[action].outcome * 16u + service->ends[action].number);
        put(bytes, seen->sent[action]);
        put(bytes, seen->refused[action]);
        for (unsigned number = 1; number <= seen->sent[action]; number++)
            put(bytes, service->answers[action][number]);
    }
}

size_t world_essence(const struct world *world, uint8_t *bytes, size_t room)
{
    struct bytes out = {bytes, 0, room};
    put(&out, world->saga.state * 16u + world->saga.suspended_from);
    put(&out, world->turned_back * 64u + world->resumes_left * 8u + world->unsendables_left);
    put_time(&out, world, world->saga.deadline);
    put_time(&out, world, world->timer_at);
    for (size_t i = 0; i < world->saga.step_count; i++) {
        put_record(&out, world, i);
        put_service(&out, world, i);
    }
    return out.count;
}

/* ---- Events ------------------------------------------------------------------------------ */

static const char *const kind_words[] = {
    [WORLD_START] = "start",   [WORLD_SERVE] = "serve",   [WORLD_REPLY] = "reply",
    [WORLD_WAKE] = "wake",     [WORLD_CANCEL] = "cancel", [WORLD_RESUME] = "resume",
    [WORLD_SIGNAL] = "signal",
};

static const char *const outcome_words[] = {"ok", "refused", "unknown", "unknown-but-done"};

void world_event_write(const struct world *world, const struct world_event *event,
                       struct weir_text *out)
{
    const char *step = world->definition->steps[event->step].name;
    weir_text_append_string(out, kind_words[event->kind]);
    if (event->kind == WORLD_SERVE || event->kind == WORLD_REPLY)
        weir_text_format(out, " %s %s #%u %s", step,
                         weir_step_action_text((enum weir_step_action)event->action), event->number,
                         outcome_words[event->outcome]);
    else if (event->kind == WORLD_RESUME)
        weir_text_format(out, " %s %s", step, event->skip ? "skip" : "retry");
    else if (event->kind == WORLD_SIGNAL)
        weir_text_format(out, " %s", step);
    if (event->unnumbered)
        weir_text_append_string(out, " unnumbered");
    if (event->forged)
        weir_text_append_string(out, " forged");
    if (event->unsendable)
        weir_text_append_string(out, " unsendable");
    if (event->moves)
        weir_text_append_string(out, " moves");
    if (event->recorded)
        weir_text_append_string(out, " recorded");
}

static int find(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0)
            return i;
    }
    return -1;
}

/* One word behind the kind: each can be told from the others, so their order is free. */
static bool take_word(const struct weir_saga_definition *definition, const char *word,
                      struct world_event *event)
{
    enum weir_step_action action;
    unsigned number;
    int outcome = find(outcome_words, 4, word);
    int step = weir_saga_definition_step(definition, word, strlen(word));
    if (outcome >= 0)
        event->outcome = (uint8_t)outcome;
    else if (weir_step_action_parse(word, strlen(word), &action))
        event->action = (uint8_t)action;
    else if (sscanf(word, "#%u", &number) == 1 && number <= WORLD_NUMBERS_MAX)
        event->number = (uint8_t)number;
    else if (strcmp(word, "skip") == 0)
        event->skip = true;
    else if (strcmp(word, "unnumbered") == 0)
        event->unnumbered = true;
    else if (strcmp(word, "forged") == 0)
        event->forged = true;
    else if (strcmp(word, "unsendable") == 0)
        event->unsendable = true;
    else if (strcmp(word, "moves") == 0)
        event->moves = true;
    else if (strcmp(word, "recorded") == 0)
        event->recorded = true;
    else if (step >= 0)
        event->step = (uint8_t)step;
    else
        return strcmp(word, "retry") == 0;
    return true;
}

bool world_event_parse(const struct weir_saga_definition *definition, const char *line,
                       struct world_event *event)
{
    char copy[200], *rest = copy;
    memset(event, 0, sizeof *event);
    snprintf(copy, sizeof copy, "%s", line);
    const char *word = strtok_r(copy, " \n", &rest);
    int kind = word == NULL ? -1 : find(kind_words, 7, word);
    if (kind < 0)
        return false;
    event->kind = (uint8_t)kind;
    while ((word = strtok_r(NULL, " \n", &rest)) != NULL) {
        if (!take_word(definition, word, event))
            return false;
    }
    return true;
}

void world_put_into_words(const struct world *world, struct weir_text *out)
{
    const struct weir_saga_effects *effects = &world->effects;
    if (world->verdict == WEIR_SAGA_STALE)
        weir_text_append_string(out, "stale");
    if (world->verdict == WEIR_SAGA_REFUSED)
        weir_text_format(out, "refused: %s", effects->refusal);
    if (world->verdict != WEIR_SAGA_MOVED)
        return;
    weir_text_format(out, "%s:", weir_saga_state_text(world->saga.state));
    for (size_t i = 0; i < world->saga.step_count; i++)
        weir_text_format(out, " %s %s%s", world->definition->steps[i].name,
                         weir_step_state_text(world->saga.steps[i].state),
                         world->saga.steps[i].late_at != 0 ? " (late)" : "");
    for (size_t i = 0; i < effects->send_count; i++)
        weir_text_format(out, "; %s %s#%u/%u", weir_step_action_text(effects->sends[i].action),
                         world->definition->steps[effects->sends[i].step].name,
                         effects->sends[i].number, effects->sends[i].attempt);
    for (size_t i = 0; i < effects->event_count; i++)
        weir_text_format(out, "; %s", weir_saga_event_text(effects->events[i]));
}
