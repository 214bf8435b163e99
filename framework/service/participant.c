/* A service's part in a saga. */
#include "service/participant.h"

#include <limits.h>
#include <stdio.h>
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

bool weir_command_id_fits(const char *id, const char *saga, const char *step, const char *action)
{
    char named[320];
    size_t length;
    if (id == NULL)
        return true;
    length = (size_t)snprintf(named, sizeof named, "%s/%s/%s", saga, step, action);
    return strncmp(id, named, length) == 0 && (id[length] == '\0' || id[length] == '#');
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

struct weir_participant_decision weir_participant_decide(const struct weir_step_ends *ends,
                                                         bool compensating, unsigned number)
{
    struct weir_participant_decision decision = {WEIR_PARTICIPANT_HANDLE,
                                                 compensating ? ends->compensate : ends->execute};
    if (answers(&decision.answer, number))
        decision.verdict = WEIR_PARTICIPANT_REPEAT;
    else if (!compensating && ends->compensate.outcome != WEIR_OUTCOME_NONE)
        decision.verdict = WEIR_PARTICIPANT_BARRED;
    else if (compensating && (ends->execute.outcome == WEIR_OUTCOME_NONE ||
                              ends->execute.outcome == WEIR_OUTCOME_FAILED))
        decision.verdict = WEIR_PARTICIPANT_NULL;
    return decision;
}

/* ---- What the saga tells ------------------------------------------------------------------- */

static unsigned stored_number(const struct weir_step_fields *fields)
{
    int64_t number;
    if (fields->number == NULL ||
        !weir_parse_integer(fields->number, strlen(fields->number), &number) || number < 1 ||
        number > 1000000)
        return 1;
    return (unsigned)number;
}

static struct weir_step_end end_with(enum weir_step_outcome outcome, unsigned number,
                                     const char *data)
{
    return (struct weir_step_end){outcome, number, weir_slice_of(data)};
}

static struct weir_step_end refusal_for(const char *reason, unsigned number, bool unknown,
                                        struct weir_text *room)
{
    weir_text_clear(room);
    weir_text_append_string(room, "{\"reason\":");
    weir_text_append_json(room, reason, strlen(reason));
    weir_text_append_string(room, unknown ? ",\"unknown\":true}" : "}");
    return end_with(unknown ? WEIR_OUTCOME_UNKNOWN : WEIR_OUTCOME_FAILED, number,
                    room->failed ? "{}" : room->at);
}

/* Of a refusal the saga keeps the reason alone. */
static struct weir_step_end refusal(const struct weir_step_fields *fields, unsigned number,
                                    bool unknown, struct weir_text *room)
{
    return refusal_for(fields->error != NULL ? fields->error : "refused", number, unknown, room);
}

static bool is(const char *state, const char *word)
{
    return strcmp(state, word) == 0;
}

/* The action that the step is in, or was in when an operator has skipped it. */
static bool is_in(const struct weir_step_fields *fields, bool compensating)
{
    if (is(fields->state, "skipped"))
        return compensating == (fields->compensation_attempts != NULL);
    return is(fields->state, compensating ? "compensating" : "running");
}

/* The saga goes on with a new number only when the one before has been refused. */
static bool has_refused(const struct weir_step_fields *fields, bool compensating, unsigned number)
{
    return is_in(fields, compensating) && stored_number(fields) > number;
}

/* An operator has seen to the step by hand: whoever comes with its command now comes too late. */
static struct weir_step_end skipped(const struct weir_step_fields *fields, struct weir_text *room)
{
    return refusal_for("the step has been skipped", stored_number(fields), false, room);
}

static struct weir_step_end execution(const struct weir_step_fields *fields, unsigned number,
                                      struct weir_text *room)
{
    bool unknown = fields->unknown != NULL;
    bool over = !is(fields->state, "running") && !is(fields->state, "pending");
    if (over && fields->result != NULL)
        return end_with(WEIR_OUTCOME_SUCCEEDED, stored_number(fields), fields->result);
    if (is(fields->state, "failed") || (over && unknown))
        return refusal(fields, stored_number(fields), unknown, room);
    if (has_refused(fields, false, number))
        return refusal(fields, stored_number(fields) - 1, false, room);
    if (is(fields->state, "skipped"))
        return skipped(fields, room);
    return end_with(WEIR_OUTCOME_NONE, 0, "{}");
}

static struct weir_step_end compensation(const struct weir_step_fields *fields, unsigned number,
                                         struct weir_text *room)
{
    if (is(fields->state, "compensated"))
        return end_with(WEIR_OUTCOME_SUCCEEDED, stored_number(fields), "{}");
    if (has_refused(fields, true, number))
        return refusal(fields, stored_number(fields) - 1, false, room);
    if (is(fields->state, "skipped") && is_in(fields, true))
        return skipped(fields, room);
    return end_with(WEIR_OUTCOME_NONE, 0, "{}");
}

/* Of the other action it matters only whether it has ended for good. */
#define NO_NUMBER UINT_MAX

struct weir_step_ends weir_step_ends_of_saga(const struct weir_step_fields *fields,
                                             bool compensating, unsigned number,
                                             struct weir_text *room)
{
    struct weir_step_ends ends = {{WEIR_OUTCOME_NONE, 0, {"{}", 2}},
                                  {WEIR_OUTCOME_NONE, 0, {"{}", 2}}};
    if (fields->state == NULL)
        return ends;
    if (compensating) {
        ends.execute = execution(fields, NO_NUMBER, room);
        ends.execute.data = weir_slice_of("{}");
        ends.compensate = compensation(fields, number, room);
    } else {
        ends.compensate = compensation(fields, NO_NUMBER, room);
        ends.compensate.data = weir_slice_of("{}");
        ends.execute = execution(fields, number, room);
    }
    return ends;
}

struct weir_step_end weir_step_end_of_both(struct weir_step_end recorded, struct weir_step_end told)
{
    if (recorded.outcome == WEIR_OUTCOME_SUCCEEDED)
        return recorded;
    return told.outcome == WEIR_OUTCOME_SUCCEEDED || told.number > recorded.number ? told
                                                                                   : recorded;
}
