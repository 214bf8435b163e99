/* The words for a saga's states and the memory of its records. */
#include "saga/transition.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const saga_words[] = {
    [WEIR_SAGA_NONE] = "none",
    [WEIR_SAGA_RUNNING] = "running",
    [WEIR_SAGA_COMPENSATING] = "compensating",
    [WEIR_SAGA_COMPLETED] = "completed",
    [WEIR_SAGA_COMPENSATED] = "compensated",
    [WEIR_SAGA_SUSPENDED] = "suspended",
};

static const char *const step_words[] = {
    [WEIR_STEP_PENDING] = "pending",         [WEIR_STEP_RUNNING] = "running",
    [WEIR_STEP_SUCCEEDED] = "succeeded",     [WEIR_STEP_FAILED] = "failed",
    [WEIR_STEP_TIMED_OUT] = "timed-out",     [WEIR_STEP_COMPENSATING] = "compensating",
    [WEIR_STEP_COMPENSATED] = "compensated", [WEIR_STEP_SKIPPED] = "skipped",
};

static const char *const action_words[] = {
    [WEIR_STEP_EXECUTE] = "execute",
    [WEIR_STEP_COMPENSATE] = "compensate",
};

static const char *const event_words[] = {
    [WEIR_SAGA_STARTED] = "SagaStarted",
    [WEIR_SAGA_EVENT_COMPLETED] = "SagaCompleted",
    [WEIR_SAGA_EVENT_COMPENSATING] = "SagaCompensating",
    [WEIR_SAGA_EVENT_COMPENSATED] = "SagaCompensated",
    [WEIR_SAGA_EVENT_SUSPENDED] = "SagaSuspended",
};

static const char *word(const char *const *words, size_t count, unsigned at)
{
    return at < count ? words[at] : "unknown";
}

/* The place of a word, or `count`. */
static size_t find(const char *const *words, size_t count, const char *text, size_t length)
{
    struct weir_slice wanted = {text, length};
    size_t at = 0;
    while (at < count && !weir_slice_equals(wanted, words[at]))
        at++;
    return at;
}

const char *weir_saga_state_text(enum weir_saga_state state)
{
    return word(saga_words, COUNT(saga_words), (unsigned)state);
}

const char *weir_step_state_text(enum weir_step_state state)
{
    return word(step_words, COUNT(step_words), (unsigned)state);
}

const char *weir_step_action_text(enum weir_step_action action)
{
    return word(action_words, COUNT(action_words), (unsigned)action);
}

const char *weir_saga_event_text(enum weir_saga_event event)
{
    return word(event_words, COUNT(event_words), (unsigned)event);
}

/* "none" is no word of the contract: a saga that has not started is not stored. */
bool weir_saga_state_parse(const char *text, size_t length, enum weir_saga_state *out)
{
    size_t at = find(saga_words, COUNT(saga_words), text, length);
    if (at == COUNT(saga_words) || at == WEIR_SAGA_NONE)
        return false;
    *out = (enum weir_saga_state)at;
    return true;
}

bool weir_step_state_parse(const char *text, size_t length, enum weir_step_state *out)
{
    size_t at = find(step_words, COUNT(step_words), text, length);
    if (at == COUNT(step_words))
        return false;
    *out = (enum weir_step_state)at;
    return true;
}

bool weir_step_action_parse(const char *text, size_t length, enum weir_step_action *out)
{
    size_t at = find(action_words, COUNT(action_words), text, length);
    if (at == COUNT(action_words))
        return false;
    *out = (enum weir_step_action)at;
    return true;
}

static bool is_active(enum weir_step_state state)
{
    return state == WEIR_STEP_RUNNING || state == WEIR_STEP_COMPENSATING;
}

bool weir_step_is_stuck(const struct weir_step_record *record)
{
    return is_active(record->state) && record->due_at == 0;
}

uint64_t weir_saga_stuck_steps(const struct weir_saga *saga)
{
    uint64_t stuck = 0;
    for (size_t i = 0; i < saga->step_count; i++) {
        if (weir_step_is_stuck(&saga->steps[i]))
            stuck |= UINT64_C(1) << i;
    }
    return stuck;
}

/* A command that was sent and not refused, or a step behind that. */
static bool commits(const struct weir_step_definition *definition,
                    const struct weir_step_record *record)
{
    return definition->kind != WEIR_STEP_COMPENSATABLE && record->state != WEIR_STEP_PENDING &&
           record->state != WEIR_STEP_FAILED;
}

/* Retriable steps begin only when the pivot, if there is one, has been passed. */
bool weir_saga_is_committed(const struct weir_saga_definition *definition,
                            const struct weir_saga *saga)
{
    if (saga->state != WEIR_SAGA_RUNNING &&
        (saga->state != WEIR_SAGA_SUSPENDED || saga->suspended_from != WEIR_SAGA_RUNNING))
        return false;
    for (size_t i = 0; i < saga->step_count; i++) {
        if (commits(&definition->steps[i], &saga->steps[i]))
            return true;
    }
    return false;
}

enum weir_status weir_saga_init(struct weir_saga *saga,
                                const struct weir_saga_definition *definition)
{
    *saga = (struct weir_saga){0};
    saga->steps = calloc(definition->step_count, sizeof *saga->steps);
    if (saga->steps == NULL)
        return WEIR_NO_MEMORY;
    saga->step_count = definition->step_count;
    return WEIR_OK;
}

void weir_saga_close(struct weir_saga *saga)
{
    for (size_t i = 0; i < saga->step_count; i++) {
        free(saga->steps[i].result);
        free(saga->steps[i].error);
        free(saga->steps[i].signal);
        free(saga->steps[i].awaits);
    }
    free(saga->steps);
    free(saga->reason);
    free(saga->reason_before);
    *saga = (struct weir_saga){0};
}
