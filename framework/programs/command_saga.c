/* weir saga: shows one saga and its steps. */
#include <stdio.h>
#include <string.h>

#include "programs/command.h"
#include "programs/print.h"
#include "programs/values.h"
#include "programs/table.h"
#include "redis/key_names.h"
#include "saga/definition.h"

static const struct weir_option options[] = {WEIR_COMMON_OPTIONS};

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
};

static const struct weir_column columns[] = {
    {.heading = "step", .key = "name"},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = "attempts", .key = "attempts"},
    {.heading = "sent", .key = "sentAt", .kind = WEIR_COLUMN_AFTER},
    {.heading = "ended", .key = "endedAt", .kind = WEIR_COLUMN_AFTER},
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

/* In the definition's order. False where there is no such definition, or a malformed one. */
static bool append_defined_steps(struct weir_session *session, const redisReply *hash,
                                 json_t *steps)
{
    char key[WEIR_KEY_MAX];
    struct weir_slice name = weir_value_field(hash, "definition");
    struct weir_slice version = weir_value_field(hash, "version");
    if (!name.at || !version.at || !weir_name_valid(name.at, name.length))
        return false;
    weir_key_definition(key, session->settings.prefix, name.at);
    redisReply *reply = weir_client_ask(&session->client, NULL, "HGET", key, version.at, NULL);
    struct weir_slice json = weir_value_text(reply);
    struct weir_saga_definition *definition =
        json.at ? weir_saga_definition_parse(json.at, json.length, NULL) : NULL;
    for (size_t i = 0; definition && i < definition->step_count; i++)
        json_array_append_new(steps, make_step(hash, definition->steps[i].name));
    bool found = definition != NULL;
    weir_saga_definition_free(definition);
    if (reply)
        freeReplyObject(reply);
    return found;
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

static json_t *make_saga(struct weir_session *session, const char *id, const redisReply *hash)
{
    json_t *saga = json_object(), *steps = json_array();
    json_object_set_new(saga, "saga", json_string(id));
    for (size_t i = 0; i < FIELD_COUNT; i++)
        json_object_set_new(saga, fields[i].name,
                            fields[i].make(weir_value_field(hash, fields[i].name)));
    if (!append_defined_steps(session, hash, steps))
        append_recorded_steps(hash, steps);
    json_object_set_new(saga, "steps", steps);
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
    putchar('\n');
    json_int_t started = json_integer_value(json_object_get(saga, "startedAt"));
    return weir_table_print(columns, json_object_get(saga, "steps"), started > 0 ? started : 0);
}

static int show(struct weir_session *session, const char *id)
{
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    weir_key_saga(key, session->settings.prefix, id);
    redisReply *hash = weir_client_ask(&session->client, &error, "HGETALL", key, NULL);
    if (!hash)
        return weir_fail_by(&error);
    int code;
    if (weir_value_count(hash) == 0) {
        code = weir_fail(WEIR_EXIT_FAILED, "no saga %s (%s); weir sagas lists them", id, key);
    } else {
        json_t *saga = make_saga(session, id, hash);
        code = session->settings.json ? weir_print_json(json_incref(saga)) : print_saga(saga);
        json_decref(saga);
    }
    freeReplyObject(hash);
    return code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count;
    const char *id = operands[0];
    if (!weir_id_valid(id, strlen(id)) || !weir_utf8_valid(id, strlen(id)))
        return weir_fail(WEIR_EXIT_USAGE,
                         "<id>: '%s' is no id of a saga; it must be 1 to 128 bytes without blanks, "
                         "control characters, '{', '}', '/', '\"' and '\\'",
                         id);
    int code = weir_session_connect(session);
    return code == WEIR_EXIT_FINE ? show(session, id) : code;
}

const struct weir_command weir_command_saga = {
    .name = "saga",
    .operands = "<id>",
    .summary = "Shows one saga and its steps",
    .notes = "Times of steps count from the saga's start.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1,
    .run = run,
};
