/* A service's part in a saga. */
#include "service/participant.h"

#include <stdlib.h>
#include <string.h>

static const char *const outcome_words[] = {
    [WEIR_OUTCOME_NONE] = "none",
    [WEIR_OUTCOME_SUCCEEDED] = "succeeded",
    [WEIR_OUTCOME_FAILED] = "failed",
    [WEIR_OUTCOME_UNKNOWN] = "unknown",
};

unsigned weir_command_number(const char *id)
{
    const char *mark = id != NULL ? strrchr(id, '#') : NULL;
    int64_t number;
    if (mark == NULL || !weir_parse_integer(mark + 1, strlen(mark + 1), &number) || number < 1 ||
        number > 1000000)
        return 1;
    return (unsigned)number;
}

struct weir_step_end weir_step_end_parse(const char *field)
{
    struct weir_step_end end = {WEIR_OUTCOME_NONE, 0, {"{}", 2}};
    const char *word, *data;
    int64_t number;
    if (field == NULL || (word = strchr(field, ' ')) == NULL ||
        !weir_parse_integer(field, (size_t)(word - field), &number) || number < 1 ||
        number > 1000000)
        return end;
    word++;
    data = word + strcspn(word, " ");
    for (size_t i = WEIR_OUTCOME_SUCCEEDED; i <= WEIR_OUTCOME_UNKNOWN; i++)
        if (strlen(outcome_words[i]) == (size_t)(data - word) &&
            strncmp(word, outcome_words[i], (size_t)(data - word)) == 0)
            end.outcome = (enum weir_step_outcome)i;
    if (end.outcome == WEIR_OUTCOME_NONE)
        return end;
    end.number = (unsigned)number;
    if (*data == ' ')
        end.data = weir_slice_of(data + 1);
    return end;
}

void weir_step_end_write(struct weir_text *out, const struct weir_step_end *end)
{
    weir_text_format(out, "%u %s ", end->number, outcome_words[end->outcome]);
    weir_text_append(out, end->data.at, end->data.length);
}

/* Whether the recorded end answers command `number`: it is that command's own or a later one's, or
 * a success, which is final whatever is asked afterwards. */
static bool answers(const struct weir_step_end *end, unsigned number)
{
    return end->outcome != WEIR_OUTCOME_NONE &&
           (end->number >= number || end->outcome == WEIR_OUTCOME_SUCCEEDED);
}

struct weir_participant_decision weir_participant_decide(const char *execute,
                                                         const char *compensate, bool compensating,
                                                         unsigned number)
{
    struct weir_step_end executed = weir_step_end_parse(execute);
    struct weir_step_end compensated = weir_step_end_parse(compensate);
    struct weir_participant_decision decision = {WEIR_PARTICIPANT_HANDLE,
                                                 compensating ? compensated : executed};
    if (answers(&decision.answer, number))
        decision.verdict = WEIR_PARTICIPANT_REPEAT;
    else if (!compensating && compensated.outcome != WEIR_OUTCOME_NONE)
        decision.verdict = WEIR_PARTICIPANT_BARRED;
    else if (compensating &&
             (executed.outcome == WEIR_OUTCOME_NONE || executed.outcome == WEIR_OUTCOME_FAILED))
        decision.verdict = WEIR_PARTICIPANT_NULL;
    return decision;
}
