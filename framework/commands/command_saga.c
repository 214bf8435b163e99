/* weir saga: shows one saga and its steps. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "commands/command.h"
#include "commands/print.h"
#include "commands/stored_saga.h"
#include "commands/table.h"
#include "commands/timeline.h"
#include "commands/unbegun.h"
#include "commands/values.h"
#include "saga/waiting.h"

static const struct weir_option options[] = {{.name = "full",
                                              .kind = WEIR_OPTION_FLAG,
                                              WEIR_SETTING(full),
                                              .help = "cut nothing on a terminal"},
                                             WEIR_WATCH_OPTION,
                                             WEIR_COMMON_OPTIONS};

typedef json_t *make_json(struct weir_slice slice);

/* The saga's own fields in the order in which they are shown. */
static const struct {
    const char *name;
    make_json *make;
    bool time;
} fields[] = {
    {"definition", weir_slice_json, false},      {"version", weir_slice_json_number, false},
    {"state", weir_slice_json, false},           {"reason", weir_slice_json, false},
    {"startedAt", weir_slice_json_number, true}, {"updatedAt", weir_slice_json_number, true},
    {"endedAt", weir_slice_json_number, true},   {"deadline", weir_slice_json_number, true},
    {"revision", weir_slice_json_number, false}, {"data", weir_slice_json_object, false},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static const struct {
    const char *name;
    make_json *make;
} step_fields[] = {
    {"state", weir_slice_json},         {"attempts", weir_slice_json_number},
    {"sentAt", weir_slice_json_number}, {"endedAt", weir_slice_json_number},
    {"result", weir_slice_json_object}, {"error", weir_slice_json},
    {"late", weir_slice_json_number},   {"compensationAttempts", weir_slice_json_number},
};

static const struct weir_column columns[] = {
    {.heading = "step", .key = "name"},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = "attempts", .key = "attempts"},
    {.heading = "compensations", .key = "compensationAttempts", .optional = true},
    {.heading = "sent", .key = "sentAt", .kind = WEIR_COLUMN_AFTER},
    {.heading = "ended", .key = "endedAt", .kind = WEIR_COLUMN_AFTER},
    {.heading = "late", .key = "late", .kind = WEIR_COLUMN_AFTER, .optional = true},
    {.heading = "error or result", .key = "error", .otherwise = "result"},
    {.heading = NULL},
};

static json_t *make_step(const redisReply *hash, const char *name)
{
    char field[160];
    json_t *step = json_object();
    json_object_set_new(step, "name", json_string(name));
    for (size_t i = 0; i < sizeof(step_fields) / sizeof(step_fields[0]); i++) {
        snprintf(field, sizeof(field), "step:%s:%s", name, step_fields[i].name);
        json_object_set_new(step, step_fields[i].name,
                            step_fields[i].make(weir_value_field(hash, field)));
    }
    return step;
}

/* In the hash's order: each "step:<name>:state". */
static void append_recorded_steps(const redisReply *hash, json_t *steps)
{
    static const char head[] = "step:", tail[] = ":state";
    const size_t around = sizeof(head) + sizeof(tail) - 2;
    for (size_t i = 0; i + 1 < weir_value_count(hash); i += 2) {
        char name[65];
        struct weir_slice field = weir_value_element(hash, i);
        if (field.length <= around || field.length - around >= sizeof(name) ||
            strncmp(field.at, head, sizeof(head) - 1) != 0 ||
            strcmp(field.at + field.length - (sizeof(tail) - 1), tail) != 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(field.length - around),
                 field.at + sizeof(head) - 1);
        if (weir_name_valid(name, strlen(name)))
            json_array_append_new(steps, make_step(hash, name));
    }
}

/* What the definition says of a step, for those who draw it. */
static void add_definition(json_t *step, const struct weir_saga_definition *definition,
                           size_t place)
{
    static const char *const kinds[] = {[WEIR_STEP_COMPENSATABLE] = "compensatable",
                                        [WEIR_STEP_PIVOT] = "pivot",
                                        [WEIR_STEP_RETRIABLE] = "retriable"};
    const struct weir_step_definition *defined = &definition->steps[place];
    json_t *after = json_array();
    for (size_t i = 0; i < definition->step_count; i++)
        if ((defined->after & UINT64_C(1) << i) != 0)
            json_array_append_new(after, json_string(definition->steps[i].name));
    json_object_set_new(step, "after", after);
    json_object_set_new(step, "kind", json_string(kinds[defined->kind]));
    json_object_set_new(step, "service", json_pack("s?", defined->service));
    json_object_set_new(step, "command", json_pack("s?", defined->command));
    json_object_set_new(step, "compensation", json_pack("s?", defined->compensation));
    json_object_set_new(step, "signal", json_pack("s?", defined->signal));
}

static json_t *make_steps(const struct weir_stored_saga *stored)
{
    json_t *steps = json_array();
    if (!stored->definition)
        append_recorded_steps(stored->hash, steps);
    for (size_t i = 0; stored->definition && i < stored->definition->step_count; i++) {
        json_t *step = make_step(stored->hash, stored->definition->steps[i].name);
        add_definition(step, stored->definition, i);
        json_array_append_new(steps, step);
    }
    return steps;
}

/* What the saga waits for, null where it has ended. */
static json_t *make_waiting(const struct weir_stored_saga *stored, int64_t now_ms)
{
    struct weir_text line = {0};
    if (stored->unreadable.status == WEIR_OK)
        weir_saga_waiting(stored->definition, &stored->saga, now_ms, &line);
    else if (!weir_value_field(stored->hash, "endedAt").at)
        weir_text_append_string(&line, stored->unreadable.text);
    json_t *waiting = weir_slice_json((struct weir_slice){line.at, line.length});
    weir_text_close(&line);
    return waiting;
}

static json_t *make_saga(const struct weir_stored_saga *stored, const char *id, int64_t now_ms)
{
    json_t *saga = json_object();
    json_object_set_new(saga, "saga", json_string(id));
    for (size_t i = 0; i < FIELD_COUNT; i++)
        json_object_set_new(saga, fields[i].name,
                            fields[i].make(weir_value_field(stored->hash, fields[i].name)));
    json_object_set_new(saga, "waiting", make_waiting(stored, now_ms));
    json_object_set_new(saga, "steps", make_steps(stored));
    return saga;
}

/* ---- As text ----------------------------------------------------------------------------- */

#define LABEL_WIDTH 12

struct printing {
    const json_t *saga;
    int64_t now_ms;
    bool terminal, full, utf8, cut;
    size_t width;
};

static void print_field(struct printing *printing, const char *label, const json_t *value,
                        bool time)
{
    struct weir_text line = {0}, text = {0};
    enum weir_colour colour = WEIR_PLAIN;
    size_t room = printing->width > LABEL_WIDTH ? printing->width - LABEL_WIDTH : 1;
    if (strcmp(label, "state") == 0 && json_is_string(value))
        colour = weir_state_colour(json_string_value(value));
    if (time && json_is_integer(value))
        weir_time_append(&text, json_integer_value(value));
    else
        weir_value_append(&text, value);
    weir_text_format(&line, "%-*s%s", LABEL_WIDTH, label, weir_colour_begin(colour));
    if (!printing->terminal || printing->full)
        weir_text_append_string(&line, text.at ? text.at : "");
    else if (!weir_timeline_fit(&line, text.at ? text.at : "", room, printing->utf8))
        printing->cut = true;
    weir_text_append_string(&line, weir_colour_end(colour));
    fprintf(weir_output(), "%s\n", line.at ? line.at : ""); /* --full: on one line */
    weir_text_close(&text);
    weir_text_close(&line);
}

/* Never cut: what a saga waits for is what its reader came for. */
static void print_sentence(const char *label, const json_t *sentence)
{
    struct weir_text line = {0};
    weir_text_format(&line, "%-*s", LABEL_WIDTH, label);
    weir_value_append(&line, sentence);
    weir_print_wrapped(&line, LABEL_WIDTH);
    weir_text_close(&line);
}

static void draw_steps(struct printing *printing)
{
    const json_t *saga = printing->saga;
    int64_t started = json_integer_value(json_object_get(saga, "startedAt"));
    int64_t ended = json_integer_value(json_object_get(saga, "endedAt"));
    if (weir_timeline_print(json_object_get(saga, "steps"), started,
                            ended > 0 ? ended : printing->now_ms, printing->width, printing->utf8,
                            printing->full))
        printing->cut = true;
}

static int print_saga(const struct weir_session *session, const json_t *saga, int64_t now_ms)
{
    struct printing printing = {.saga = saga,
                                .now_ms = now_ms,
                                .terminal = weir_on_terminal(),
                                .full = session->settings.full,
                                .utf8 = weir_timeline_utf8(),
                                .width = weir_terminal_width()};
    int code = WEIR_EXIT_FINE;
    json_int_t started = json_integer_value(json_object_get(saga, "startedAt"));
    print_field(&printing, "saga", json_object_get(saga, "saga"), false);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const json_t *value = json_object_get(saga, fields[i].name);
        if (strcmp(fields[i].name, "reason") == 0 && json_is_string(value))
            print_sentence(fields[i].name, value);
        else if (!printing.terminal || !json_is_null(value))
            print_field(&printing, fields[i].name, value, fields[i].time);
    }
    print_sentence("waits", json_object_get(saga, "waiting"));
    fputc('\n', weir_output());
    if (printing.terminal)
        draw_steps(&printing);
    else
        code = weir_table_print(columns, json_object_get(saga, "steps"), started > 0 ? started : 0);
    if (printing.cut)
        weir_remark("cut to fit; --full shows all");
    return code;
}

/* One that has been started and has not begun, in the shape of the others. */
static json_t *make_unbegun(const struct weir_unbegun *found, const char *id, int64_t now_ms)
{
    struct weir_text line = {0};
    json_t *saga = json_object();
    weir_unbegun_append(&line, found, now_ms);
    json_object_set_new(saga, "saga", json_string(id));
    for (size_t i = 0; i < FIELD_COUNT; i++)
        json_object_set_new(saga, fields[i].name, json_null());
    json_object_set(saga, "definition", found->definition);
    json_object_set(saga, "data", found->data);
    json_object_set_new(saga, "waiting",
                        weir_slice_json((struct weir_slice){line.at, line.length}));
    json_object_set_new(saga, "steps", json_array());
    weir_text_close(&line);
    return saga;
}

static int show_unbegun(struct weir_session *session, const char *id, const struct weir_error *why)
{
    struct weir_unbegun found;
    struct weir_error error = {0};
    int64_t now_ms = 0;
    int code = WEIR_EXIT_FINE;
    if (weir_unbegun_find(session, id, &found, &error) != WEIR_OK ||
        weir_session_now(session, &now_ms, &error) != WEIR_OK) {
        code = weir_fail_by(&error);
    } else if (found.kind == WEIR_UNBEGUN_NOT) {
        code = weir_fail_missing(
            "%s%s", why->text,
            found.all_looked_at ? "" : "; of the starts that wait not all were looked at");
    } else {
        json_t *saga = make_unbegun(&found, id, now_ms);
        code = session->settings.json ? weir_print_json(json_incref(saga))
                                      : print_saga(session, saga, now_ms);
        if (found.kind == WEIR_UNBEGUN_REFUSED)
            code = weir_fail(WEIR_EXIT_FAILED, "saga %s %s", id,
                             json_string_value(json_object_get(saga, "waiting")));
        json_decref(saga);
    }
    weir_unbegun_close(&found);
    return code;
}

static int show(struct weir_session *session, const char *id)
{
    struct weir_stored_saga stored;
    struct weir_error error = {0};
    int64_t now_ms = 0;
    int code;
    if (weir_stored_saga_read(session, id, &stored, &error) == WEIR_NOT_FOUND) {
        code = show_unbegun(session, id, &error);
    } else if (error.status != WEIR_OK || weir_session_now(session, &now_ms, &error) != WEIR_OK) {
        code = weir_fail_by(&error);
    } else {
        json_t *saga = make_saga(&stored, id, now_ms);
        code = session->settings.json ? weir_print_json(json_incref(saga))
                                      : print_saga(session, saga, now_ms);
        json_decref(saga);
    }
    weir_stored_saga_close(&stored);
    return code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count;
    int code = weir_saga_id_check(operands[0]);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    return code == WEIR_EXIT_FINE ? show(session, operands[0]) : code;
}

const struct weir_command weir_command_saga = {
    .name = "saga",
    .operands = "<id>",
    .summary = "Shows one saga, its steps and what it waits for",
    .notes =
        "On a terminal the steps are drawn over time, those that run side by side joined at their\n"
        "left: a bar is the last attempt of what a step did last, half filled where that has "
        "undone\n"
        "it, light where it goes on; tries 3/2 are three attempts and two to undo it. Elsewhere a\n"
        "table tells times from the saga's start; late is when a command's success was heard "
        "after\n"
        "the saga had given it up. A saga that has not begun has no state, and waits.\n"
        "--json: {saga, definition, version, state, reason, startedAt, updatedAt, endedAt,\n"
        "deadline, revision, data, waiting, steps: [{name, state, attempts, sentAt, endedAt,\n"
        "result, error, late, compensationAttempts, after, kind, service, command, compensation,\n"
        "signal}]}, the last six where the definition is there.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1,
    .run = run,
};
