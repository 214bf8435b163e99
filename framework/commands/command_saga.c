/* weir saga: shows one saga and its steps. */
#include <stdio.h>
#include <string.h>

#include "commands/command.h"
#include "commands/print.h"
#include "commands/stored_saga.h"
#include "commands/table.h"
#include "commands/unbegun.h"
#include "commands/values.h"
#include "saga/waiting.h"

static const struct weir_option options[] = {WEIR_WATCH_OPTION, WEIR_COMMON_OPTIONS};

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

static json_t *make_steps(const struct weir_stored_saga *stored)
{
    json_t *steps = json_array();
    if (!stored->definition)
        append_recorded_steps(stored->hash, steps);
    for (size_t i = 0; stored->definition && i < stored->definition->step_count; i++)
        json_array_append_new(steps, make_step(stored->hash, stored->definition->steps[i].name));
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

static void print_field(const char *name, const json_t *value, bool time)
{
    struct weir_text line = {0};
    enum weir_colour colour = WEIR_PLAIN;
    if (strcmp(name, "state") == 0 && json_is_string(value))
        colour = weir_state_colour(json_string_value(value));
    weir_text_format(&line, "%-12s%s", name, weir_colour_begin(colour));
    if (time && json_is_integer(value))
        weir_time_append(&line, json_integer_value(value));
    else
        weir_value_append(&line, value);
    weir_text_append_string(&line, weir_colour_end(colour));
    weir_print_line(&line);
    weir_text_close(&line);
}

static int print_saga(const json_t *saga)
{
    print_field("saga", json_object_get(saga, "saga"), false);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        print_field(fields[i].name, json_object_get(saga, fields[i].name), fields[i].time);
    print_field("waits", json_object_get(saga, "waiting"), false);
    fputc('\n', weir_output());
    json_int_t started = json_integer_value(json_object_get(saga, "startedAt"));
    return weir_table_print(columns, json_object_get(saga, "steps"), started > 0 ? started : 0);
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
        code = weir_fail(WEIR_EXIT_FAILED, "%s%s", why->text,
                         found.all_looked_at ? ""
                                             : "; of the starts that wait not all were looked at");
    } else {
        json_t *saga = make_unbegun(&found, id, now_ms);
        code = session->settings.json ? weir_print_json(json_incref(saga)) : print_saga(saga);
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
        code = session->settings.json ? weir_print_json(json_incref(saga)) : print_saga(saga);
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
        "Times of steps count from the saga's start; late is when a command's success was heard\n"
        "after the saga had given it up.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1,
    .run = run,
};
