/* Reads saga definitions from JSON and refuses whatever is not exactly right. */
#include "saga/definition.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "message/json_memory.h"
#include "saga/definition_fields.h"
#include "saga/definition_rules.h"
#include "saga/input_map.h"

#define DURATION_MAX_MS INT64_C(315360000000) /* 10 years */
#define QUOTED(number) #number
#define DIGITS(number) QUOTED(number)

static const struct weir_field_rule saga_fields[] = {
    {"name", true}, {"version", true}, {"steps", true}, {"timeoutMs", false}, {NULL, false},
};

static const struct weir_field_rule step_fields[] = {
    {"name", true},       {"service", true},       {"command", true},     {"after", false},
    {"kind", false},      {"compensation", false}, {"timeoutMs", false},  {"attempts", false},
    {"backoffMs", false}, {"input", false},        {"durability", false}, {NULL, false},
};

static const struct weir_field_rule durability_fields[] = {
    {"replicas", false},
    {"disk", false},
    {NULL, false},
};

/* Those of a command as well: they get a complaint of their own. */
static const struct weir_field_rule signal_step_fields[] = {
    {"name", true},       {"signal", true},        {"service", false},   {"command", false},
    {"after", false},     {"kind", false},         {"timeoutMs", false}, {"attempts", false},
    {"backoffMs", false}, {"compensation", false}, {"input", false},     {"durability", false},
    {NULL, false},
};

static const struct weir_field_range version_range = {1, INT64_C(1) << 53}; /* exact in any JSON */
static const struct weir_field_range timeout_range = {1, DURATION_MAX_MS};
static const struct weir_field_range attempts_range = {1, 1000};
static const struct weir_field_range replicas_range = {0, WEIR_REPLICAS_MAX};
static const struct weir_field_range backoff_range = {0, INT64_C(24) * 60 * 60 * 1000};

static uint64_t bit(size_t step)
{
    return UINT64_C(1) << step;
}

static bool read_kind(const json_t *object, enum weir_step_kind *out, struct weir_error *error)
{
    static const char *const words[] = {"compensatable", "pivot", "retriable"};
    const json_t *value = json_object_get(object, "kind");
    const char *word = value == NULL ? words[0] : json_string_value(value);
    for (int kind = WEIR_STEP_COMPENSATABLE; kind <= WEIR_STEP_RETRIABLE; kind++) {
        if (word != NULL && strcmp(word, words[kind]) == 0) {
            *out = (enum weir_step_kind)kind;
            return true;
        }
    }
    return weir_field_refuse_value(error, "kind", "\"compensatable\", \"pivot\" or \"retriable\"",
                                   value);
}

static bool read_limits(struct weir_step_definition *step, const json_t *object,
                        struct weir_error *error)
{
    int64_t attempts = 5;
    step->timeout_ms = 30000;
    step->backoff_ms = 200;
    if (!weir_field_integer(object, "timeoutMs", timeout_range, &step->timeout_ms, error) ||
        !weir_field_integer(object, "attempts", attempts_range, &attempts, error) ||
        !weir_field_integer(object, "backoffMs", backoff_range, &step->backoff_ms, error))
        return false;
    step->attempts = (unsigned)attempts;
    return true;
}

/* Of a step that waits for a signal nothing is sent, so nothing about sending is allowed. */
static bool check_signal_alone(const json_t *object, struct weir_error *error)
{
    static const char *const others[] = {"service",      "command", "attempts",  "backoffMs",
                                         "compensation", "input",   "durability"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (json_object_get(object, others[i]) == NULL)
            continue;
        weir_error_set(error, WEIR_INVALID, "%s: has no place in a step that waits for a signal",
                       others[i]);
        return false;
    }
    return true;
}

static bool read_signal(struct weir_step_definition *step, const json_t *object,
                        struct weir_error *error)
{
    step->timeout_ms = 30000;
    step->attempts = 1;
    return check_signal_alone(object, error) &&
           weir_field_name(object, "signal", &step->signal, error) &&
           weir_field_integer(object, "timeoutMs", timeout_range, &step->timeout_ms, error);
}

static bool read_input(struct weir_step_definition *step, const json_t *object,
                       struct weir_error *error)
{
    const json_t *input = json_object_get(object, "input");
    if (input == NULL)
        return true;
    step->input = weir_input_map_parse(input, error);
    return step->input != NULL;
}

static bool read_durability_fields(struct weir_durability *out, json_t *object,
                                   struct weir_error *error)
{
    const json_t *disk = json_object_get(object, "disk");
    int64_t replicas = 0;
    if (!weir_field_check_all(object, durability_fields, error) ||
        !weir_field_integer(object, "replicas", replicas_range, &replicas, error))
        return false;
    if (disk != NULL && !json_is_boolean(disk))
        return weir_field_refuse_value(error, "disk", "true or false", disk);
    *out = (struct weir_durability){(unsigned)replicas, json_is_true(disk)};
    if (weir_durability_wanted(*out))
        return true;
    weir_error_set(error, WEIR_INVALID, "must ask for one replica or the disk at least");
    return false;
}

static bool read_durability(struct weir_step_definition *step, const json_t *object,
                            struct weir_error *error)
{
    struct weir_error inner = {0};
    json_t *durability = json_object_get(object, "durability");
    if (durability == NULL)
        return true;
    if (!json_is_object(durability))
        return weir_field_refuse_value(error, "durability",
                                       "an object with \"replicas\", \"disk\" or both", durability);
    if (read_durability_fields(&step->durability, durability, &inner))
        return true;
    weir_error_set(error, inner.status, "durability: %s", inner.text);
    return false;
}

/* Nobody would carry out a command there. */
static bool service_is_free(const struct weir_step_definition *step, struct weir_error *error)
{
    bool own = strcmp(step->service, "weir") == 0 || strcmp(step->service, "sagas") == 0;
    if (own)
        weir_error_set(error, WEIR_INVALID, "service: %s is weir's own", step->service);
    return !own;
}

static bool read_command(struct weir_step_definition *step, const json_t *object,
                         struct weir_error *error)
{
    return weir_field_name(object, "service", &step->service, error) &&
           service_is_free(step, error) &&
           weir_field_type(object, "command", &step->command, error) &&
           weir_field_type(object, "compensation", &step->compensation, error) &&
           read_limits(step, object, error) && read_input(step, object, error) &&
           read_durability(step, object, error);
}

/* The name comes first, so that every other complaint can tell it. */
static bool read_step(struct weir_step_definition *step, json_t *object, struct weir_error *error)
{
    if (!json_is_object(object))
        return weir_field_refuse(error, "must be an object, not", object);
    bool waits = json_object_get(object, "signal") != NULL;
    if (!weir_field_name(object, "name", &step->name, error) ||
        !weir_field_check_all(object, waits ? signal_step_fields : step_fields, error) ||
        !read_kind(object, &step->kind, error))
        return false;
    return waits ? read_signal(step, object, error) : read_command(step, object, error);
}

static bool check_unique(const struct weir_saga_definition *definition, size_t step,
                         struct weir_error *error)
{
    const char *name = definition->steps[step].name;
    int first = weir_saga_definition_step(definition, name, strlen(name));
    if (first == (int)step)
        return true;
    weir_error_set(error, WEIR_INVALID, "name: is already that of step %d", first + 1);
    return false;
}

static bool read_waited(struct weir_saga_definition *definition, size_t step, const json_t *name,
                        struct weir_error *error)
{
    int other = json_is_string(name)
                    ? weir_saga_definition_step(definition, json_string_value(name),
                                                json_string_length(name))
                    : -1;
    if (other < 0)
        return weir_field_refuse_value(error, "after", "names of steps of this saga", name);
    if ((size_t)other == step)
        return weir_field_refuse(error, "after: must not hold the step's own name,", name);
    if (definition->steps[step].after & bit((size_t)other))
        return weir_field_refuse(error, "after: must hold each name once, not twice", name);
    definition->steps[step].after |= bit((size_t)other);
    return true;
}

static bool read_after(struct weir_saga_definition *definition, size_t step, const json_t *object,
                       struct weir_error *error)
{
    const json_t *after = json_object_get(object, "after");
    if (after == NULL) {
        definition->steps[step].after = step == 0 ? 0 : bit(step - 1);
        return true;
    }
    if (!json_is_array(after))
        return weir_field_refuse_value(error, "after", "an array of step names", after);
    for (size_t i = 0; i < json_array_size(after); i++) {
        if (!read_waited(definition, step, json_array_get(after, i), error))
            return false;
    }
    return true;
}

/* Puts the step's name, or its place while it has none, before a complaint about it. */
static bool blame_step(const struct weir_saga_definition *definition, size_t step,
                       struct weir_error *error)
{
    if (definition->steps[step].name != NULL)
        weir_error_prefix(error, "step \"%s\"", definition->steps[step].name);
    else
        weir_error_prefix(error, "step %zu", step + 1);
    return false;
}

/* In rounds, because `after` may name a step that comes later in the document. */
static bool read_steps(struct weir_saga_definition *definition, const json_t *array,
                       struct weir_error *error)
{
    size_t count = json_array_size(array);
    for (size_t i = 0; i < count; i++) {
        definition->step_count = i + 1;
        if (!read_step(&definition->steps[i], json_array_get(array, i), error) ||
            !check_unique(definition, i, error))
            return blame_step(definition, i, error);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_after(definition, i, json_array_get(array, i), error))
            return blame_step(definition, i, error);
    }
    size_t blamed = weir_definition_check(definition, error);
    return blamed == count || blame_step(definition, blamed, error);
}

static bool read_saga(struct weir_saga_definition *definition, json_t *object,
                      struct weir_error *error)
{
    if (!json_is_object(object))
        return weir_field_refuse(error, "must be an object, not", object);
    if (!weir_field_check_all(object, saga_fields, error) ||
        !weir_field_name(object, "name", &definition->name, error) ||
        !weir_field_integer(object, "version", version_range, &definition->version, error) ||
        !weir_field_integer(object, "timeoutMs", timeout_range, &definition->timeout_ms, error))
        return false;
    const json_t *array = json_object_get(object, "steps");
    size_t count = json_array_size(array);
    if (count < 1 || count > WEIR_SAGA_STEPS_MAX)
        return weir_field_refuse_value(
            error, "steps", "an array of 1 to " DIGITS(WEIR_SAGA_STEPS_MAX) " steps", array);
    definition->steps = calloc(count, sizeof *definition->steps);
    if (definition->steps == NULL)
        return weir_field_no_memory(error);
    return read_steps(definition, array, error);
}

/* The parser quotes the document in its complaint, newlines included. */
static void report_syntax(json_error_t *problem, struct weir_error *error)
{
    for (char *at = problem->text; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at))
            *at = ' ';
    }
    if (weir_json_ran_out(problem))
        weir_field_no_memory(error);
    else
        weir_error_set(error, WEIR_INVALID, "not valid JSON: line %d, column %d: %s", problem->line,
                       problem->column, problem->text);
}

static json_t *load(const char *json, size_t length, struct weir_error *error)
{
    if (length > WEIR_SAGA_DEFINITION_MAX) {
        weir_error_set(error, WEIR_TOO_LARGE, "must be %d bytes at most, not %zu",
                       WEIR_SAGA_DEFINITION_MAX, length);
        return NULL;
    }
    json_error_t problem;
    json_t *document = weir_json_load(json, length, JSON_REJECT_DUPLICATES, &problem);
    if (document == NULL)
        report_syntax(&problem, error);
    return document;
}

struct weir_saga_definition *weir_saga_definition_parse(const char *json, size_t length,
                                                        struct weir_error *error)
{
    json_t *document = load(json, length, error);
    if (document == NULL)
        return NULL;
    struct weir_saga_definition *definition = calloc(1, sizeof *definition);
    if (definition == NULL)
        weir_field_no_memory(error);
    else if (!read_saga(definition, document, error)) {
        weir_saga_definition_free(definition);
        definition = NULL;
    }
    json_decref(document);
    return definition;
}
