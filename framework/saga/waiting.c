/* One line about what holds a saga up. */
#include "saga/waiting.h"

#include <time.h>

#define DAY_MS INT64_C(86400000)

struct line {
    const struct weir_saga_definition *definition;
    const struct weir_saga *saga;
    int64_t now;
    struct weir_text *out;
};

/* ---- Times ------------------------------------------------------------------------------- */

static void append_time(struct line *line, int64_t at)
{
    struct tm parts;
    time_t seconds = (time_t)(at / 1000);
    gmtime_r(&seconds, &parts);
    if (at / DAY_MS != line->now / DAY_MS)
        weir_text_format(line->out, "%04d-%02d-%02d ", parts.tm_year + 1900, parts.tm_mon + 1,
                         parts.tm_mday);
    weir_text_format(line->out, "%02d:%02d:%02d.%03d", parts.tm_hour, parts.tm_min, parts.tm_sec,
                     (int)(at % 1000));
}

static void append_duration(struct line *line, int64_t ms)
{
    static const struct {
        int64_t below, unit;
        const char *name;
    } units[] = {
        {INT64_C(120000), 1000, "s"},
        {INT64_C(7200000), 60000, "min"},
        {2 * DAY_MS, 3600000, "h"},
        {INT64_MAX, DAY_MS, "d"},
    };
    size_t at = 0;
    if (ms < 1000) {
        weir_text_format(line->out, "%lld ms", (long long)ms);
        return;
    }
    while (ms >= units[at].below)
        at++;
    weir_text_format(line->out, "%lld.%lld %s", (long long)(ms / units[at].unit),
                     (long long)(ms % units[at].unit * 10 / units[at].unit), units[at].name);
}

static void append_since(struct line *line, int64_t at)
{
    if (at == 0)
        return;
    weir_text_append_string(line->out, ", since ");
    append_time(line, at);
    weir_text_append_string(line->out, " (");
    append_duration(line, line->now > at ? line->now - at : 0);
    weir_text_append_string(line->out, ")");
}

/* A time that has passed hints at a coordinator that does not run. */
static void append_until(struct line *line, int64_t at)
{
    weir_text_append_string(line->out, ", until ");
    append_time(line, at);
    if (at >= line->now)
        return;
    weir_text_append_string(line->out, " (overdue by ");
    append_duration(line, line->now - at);
    weir_text_append_string(line->out, ")");
}

/* ---- Steps ------------------------------------------------------------------------------- */

static unsigned attempts_spent(const struct weir_step_record *record)
{
    unsigned attempts =
        record->state == WEIR_STEP_COMPENSATING ? record->compensation_attempts : record->attempts;
    return attempts > record->forgiven ? attempts - record->forgiven : 0;
}

static const char *what_then(const struct line *line, size_t step)
{
    const struct weir_step_definition *definition = &line->definition->steps[step];
    const struct weir_step_record *record = &line->saga->steps[step];
    if (definition->signal == NULL && attempts_spent(record) < definition->attempts)
        return "it is tried again";
    if (record->state == WEIR_STEP_RUNNING && definition->kind == WEIR_STEP_COMPENSATABLE)
        return "the saga compensates";
    return "the saga is suspended";
}

static void append_stuck(struct line *line, size_t step)
{
    const struct weir_step_definition *definition = &line->definition->steps[step];
    const struct weir_step_record *record = &line->saga->steps[step];
    if (definition->signal != NULL)
        weir_text_format(line->out, "is stuck without the signal %s", definition->signal);
    else
        weir_text_format(line->out, "is stuck after attempt %u of %u%s", attempts_spent(record),
                         definition->attempts,
                         record->state == WEIR_STEP_COMPENSATING ? " of its compensation" : "");
    if (record->error != NULL)
        weir_text_format(line->out, " (%s)", record->error);
    append_since(line, record->sent_at);
    weir_text_append_string(line->out, ", until an operator resumes it with retry or skip");
}

/* Its time limit is renewed for as long as it takes, so none is named. */
static void append_heard(struct line *line, size_t step)
{
    const struct weir_step_record *record = &line->saga->steps[step];
    weir_text_format(line->out, "%s has succeeded in %s, but that has not reached %s yet",
                     record->state == WEIR_STEP_COMPENSATING ? "its compensation" : "it",
                     line->definition->steps[step].service, record->awaits);
    append_since(line, record->heard_at);
    weir_text_append_string(line->out, "; it counts as soon as it has");
}

static void append_backing_off(struct line *line, size_t step)
{
    const struct weir_step_definition *definition = &line->definition->steps[step];
    const struct weir_step_record *record = &line->saga->steps[step];
    weir_text_format(line->out, "waits before attempt %u of %u%s", attempts_spent(record) + 1,
                     definition->attempts,
                     record->state == WEIR_STEP_COMPENSATING ? " of its compensation" : "");
    append_since(line, record->sent_at);
    append_until(line, record->due_at);
    weir_text_format(line->out, "; then it is sent to %s", definition->service);
}

static void append_waiting(struct line *line, size_t step)
{
    const struct weir_step_definition *definition = &line->definition->steps[step];
    const struct weir_step_record *record = &line->saga->steps[step];
    if (definition->signal != NULL) {
        weir_text_format(line->out, "waits for the signal %s", definition->signal);
        append_since(line, record->due_at - definition->timeout_ms);
    } else {
        weir_text_format(line->out, "waits for an answer from %s to attempt %u of %u%s",
                         definition->service, attempts_spent(record), definition->attempts,
                         record->state == WEIR_STEP_COMPENSATING ? " of its compensation" : "");
        append_since(line, record->sent_at);
    }
    append_until(line, record->due_at);
    weir_text_format(line->out, "; then %s", what_then(line, step));
}

static bool is_under_way(const struct weir_step_record *record)
{
    return record->state == WEIR_STEP_RUNNING || record->state == WEIR_STEP_COMPENSATING;
}

static void append_step(struct line *line, size_t step)
{
    const struct weir_step_record *record = &line->saga->steps[step];
    weir_text_format(line->out, "%s: ", line->definition->steps[step].name);
    if (weir_step_is_stuck(record) && record->awaits == NULL) {
        append_stuck(line, step);
        return;
    }
    if (record->awaits != NULL)
        append_heard(line, step);
    else if (record->waiting_to_send)
        append_backing_off(line, step);
    else
        append_waiting(line, step);
    if (line->saga->state == WEIR_SAGA_SUSPENDED)
        weir_text_append_string(line->out, ", once the saga is no longer suspended");
}

static void append_deadline(struct line *line)
{
    if (line->saga->state != WEIR_SAGA_RUNNING || line->saga->deadline == 0 ||
        weir_saga_is_committed(line->definition, line->saga))
        return;
    weir_text_append_string(line->out, "; the whole saga");
    append_until(line, line->saga->deadline);
    weir_text_append_string(line->out, "; then it compensates");
}

void weir_saga_waiting(const struct weir_saga_definition *definition, const struct weir_saga *saga,
                       int64_t now, struct weir_text *out)
{
    struct line line = {definition, saga, now, out};
    const char *joint = "";
    if (saga->ended_at != 0 || saga->state == WEIR_SAGA_NONE)
        return;
    for (size_t i = 0; i < saga->step_count; i++) {
        if (!is_under_way(&saga->steps[i]))
            continue;
        weir_text_append_string(out, joint);
        append_step(&line, i);
        joint = "; ";
    }
    append_deadline(&line);
}
