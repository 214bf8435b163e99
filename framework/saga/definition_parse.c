/* Reads saga definitions from JSON and refuses whatever is not exactly right. */
#include "saga/definition.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define DURATION_MAX_MS INT64_C(315360000000) /* 10 years */
#define VALUE_SHOWN 48                        /* bytes of a wrong value in an error's sentence */
#define QUOTED(number) #number
#define DIGITS(number) QUOTED(number)
#define NAME_GRAMMAR "a letter and then letters, digits, \"_\" or \"-\", 64 bytes at most"
#define TYPE_GRAMMAR "a letter and then letters, digits, \".\", \"_\" or \"-\", 128 bytes at most"

enum field_rule { OPTIONAL, REQUIRED, NOT_YET };

struct field {
    const char *name;
    enum field_rule rule;
};

struct range {
    int64_t minimum, maximum;
};

static const struct field saga_fields[] = {
    {"name", REQUIRED},      {"version", REQUIRED}, {"steps", REQUIRED},
    {"timeoutMs", OPTIONAL}, {NULL, OPTIONAL},
};

static const struct field step_fields[] = {
    {"name", REQUIRED},      {"service", REQUIRED},  {"command", REQUIRED},
    {"after", OPTIONAL},     {"kind", OPTIONAL},     {"compensation", OPTIONAL},
    {"timeoutMs", OPTIONAL}, {"attempts", OPTIONAL}, {"backoffMs", OPTIONAL},
    {"input", NOT_YET},      {"signal", NOT_YET},    {NULL, OPTIONAL},
};

static const struct range version_range = {1, INT64_C(1) << 53}; /* what every JSON reader keeps */
static const struct range timeout_range = {1, DURATION_MAX_MS};
static const struct range attempts_range = {1, 1000};
static const struct range backoff_range = {0, INT64_C(24) * 60 * 60 * 1000};

static uint64_t bit(size_t step)
{
    return UINT64_C(1) << step;
}

static bool out_of_memory(struct weir_error *error)
{
    weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    return false;
}

/* Sets "<problem> <value>" with the value as ASCII JSON, cut; returns false. */
static bool refuse(struct weir_error *error, const char *problem, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
    if (text == NULL)
        return out_of_memory(error);
    bool cut = strlen(text) > VALUE_SHOWN;
    weir_error_set(error, WEIR_INVALID, "%s %.*s%s", problem, VALUE_SHOWN, text, cut ? "…" : "");
    free(text);
    return false;
}

static bool refuse_value(struct weir_error *error, const char *field, const char *allowed,
                         const json_t *value)
{
    char problem[160];
    snprintf(problem, sizeof problem, "%s: must be %s, not", field, allowed);
    return refuse(error, problem, value);
}

static bool refuse_unknown_field(struct weir_error *error, const char *name)
{
    json_t *text = json_string(name);
    if (text == NULL)
        return out_of_memory(error);
    refuse(error, "unknown field", text);
    json_decref(text);
    return false;
}

static bool check_field(const struct field *fields, const char *name, struct weir_error *error)
{
    for (; fields->name != NULL; fields++) {
        if (strcmp(fields->name, name) != 0)
            continue;
        if (fields->rule != NOT_YET)
            return true;
        weir_error_set(error, WEIR_INVALID, "%s: is not supported in this version", name);
        return false;
    }
    return refuse_unknown_field(error, name);
}

/* That there is no field too many and none too few. */
static bool check_fields(json_t *object, const struct field *fields, struct weir_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (!check_field(fields, name, error))
            return false;
    }
    for (; fields->name != NULL; fields++) {
        if (fields->rule == REQUIRED && json_object_get(object, fields->name) == NULL) {
            weir_error_set(error, WEIR_INVALID, "%s: is missing", fields->name);
            return false;
        }
    }
    return true;
}

/* A field that is left out leaves `out` as it is: the default. */
static bool read_integer(const json_t *object, const char *field, struct range range, int64_t *out,
                         struct weir_error *error)
{
    const json_t *value = json_object_get(object, field);
    if (value == NULL)
        return true;
    /* -1 lies in no range. */
    int64_t number = json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
    if (number >= range.minimum && number <= range.maximum) {
        *out = number;
        return true;
    }
    char allowed[80];
    snprintf(allowed, sizeof allowed, "a whole number from %lld to %lld", (long long)range.minimum,
             (long long)range.maximum);
    return refuse_value(error, field, allowed, value);
}

static bool is_text(const json_t *value, bool (*valid)(const char *, size_t))
{
    return json_is_string(value) && valid(json_string_value(value), json_string_length(value));
}

static bool copy_text(const json_t *value, char **out, struct weir_error *error)
{
    *out = strdup(json_string_value(value));
    return *out != NULL || out_of_memory(error);
}

static bool read_name(const json_t *object, const char *field, char **out, struct weir_error *error)
{
    const json_t *value = json_object_get(object, field);
    if (value == NULL)
        return true;
    if (!is_text(value, weir_name_valid))
        return refuse_value(error, field, NAME_GRAMMAR, value);
    return copy_text(value, out, error);
}

static bool read_type(const json_t *object, const char *field, char **out, struct weir_error *error)
{
    const json_t *value = json_object_get(object, field);
    if (value == NULL)
        return true;
    if (!is_text(value, weir_type_name_valid))
        return refuse_value(error, field, TYPE_GRAMMAR, value);
    return copy_text(value, out, error);
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
    return refuse_value(error, "kind", "\"compensatable\", \"pivot\" or \"retriable\"", value);
}

static bool check_kind(enum weir_step_kind kind, struct weir_error *error)
{
    if (kind == WEIR_STEP_COMPENSATABLE)
        return true;
    weir_error_set(error, WEIR_INVALID, "kind: only compensatable is supported in this version");
    return false;
}

static bool read_limits(struct weir_step_definition *step, const json_t *object,
                        struct weir_error *error)
{
    int64_t attempts = 5;
    step->timeout_ms = 30000;
    step->backoff_ms = 200;
    if (!read_integer(object, "timeoutMs", timeout_range, &step->timeout_ms, error) ||
        !read_integer(object, "attempts", attempts_range, &attempts, error) ||
        !read_integer(object, "backoffMs", backoff_range, &step->backoff_ms, error))
        return false;
    step->attempts = (unsigned)attempts;
    return true;
}

/* The name comes first, so that every other complaint can tell it. */
static bool read_step(struct weir_step_definition *step, json_t *object, struct weir_error *error)
{
    if (!json_is_object(object))
        return refuse(error, "must be an object, not", object);
    return read_name(object, "name", &step->name, error) &&
           check_fields(object, step_fields, error) && read_kind(object, &step->kind, error) &&
           check_kind(step->kind, error) && read_name(object, "service", &step->service, error) &&
           read_type(object, "command", &step->command, error) &&
           read_type(object, "compensation", &step->compensation, error) &&
           read_limits(step, object, error);
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
        return refuse_value(error, "after", "names of steps of this saga", name);
    if ((size_t)other == step)
        return refuse(error, "after: must not hold the step's own name,", name);
    if (definition->steps[step].after & bit((size_t)other))
        return refuse(error, "after: must hold each name once, not twice", name);
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
        return refuse_value(error, "after", "an array of step names", after);
    for (size_t i = 0; i < json_array_size(after); i++) {
        if (!read_waited(definition, step, json_array_get(after, i), error))
            return false;
    }
    return true;
}

static bool check_cycle(const struct weir_saga_definition *definition, size_t step,
                        struct weir_error *error)
{
    if ((weir_saga_definition_ancestors(definition, bit(step)) & bit(step)) == 0)
        return true;
    weir_error_set(error, WEIR_INVALID, "after: the step waits for itself through other steps");
    return false;
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

static void fill_before(struct weir_saga_definition *definition)
{
    for (size_t step = 0; step < definition->step_count; step++) {
        for (size_t other = 0; other < definition->step_count; other++) {
            if (definition->steps[other].after & bit(step))
                definition->steps[step].before |= bit(other);
        }
    }
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
    for (size_t i = 0; i < count; i++) {
        if (!check_cycle(definition, i, error))
            return blame_step(definition, i, error);
    }
    fill_before(definition);
    return true;
}

static bool read_saga(struct weir_saga_definition *definition, json_t *object,
                      struct weir_error *error)
{
    if (!json_is_object(object))
        return refuse(error, "must be an object, not", object);
    if (!check_fields(object, saga_fields, error) ||
        !read_name(object, "name", &definition->name, error) ||
        !read_integer(object, "version", version_range, &definition->version, error) ||
        !read_integer(object, "timeoutMs", timeout_range, &definition->timeout_ms, error))
        return false;
    const json_t *array = json_object_get(object, "steps");
    size_t count = json_array_size(array);
    if (count < 1 || count > WEIR_SAGA_STEPS_MAX)
        return refuse_value(error, "steps",
                            "an array of 1 to " DIGITS(WEIR_SAGA_STEPS_MAX) " steps", array);
    definition->steps = calloc(count, sizeof *definition->steps);
    if (definition->steps == NULL)
        return out_of_memory(error);
    return read_steps(definition, array, error);
}

/* The parser quotes the document in its complaint, newlines included. */
static void report_syntax(json_error_t *problem, struct weir_error *error)
{
    for (char *at = problem->text; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at))
            *at = ' ';
    }
    if (json_error_code(problem) == json_error_out_of_memory)
        out_of_memory(error);
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
    json_t *document = json_loadb(json, length, JSON_REJECT_DUPLICATES, &problem);
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
        out_of_memory(error);
    else if (!read_saga(definition, document, error)) {
        weir_saga_definition_free(definition);
        definition = NULL;
    }
    json_decref(document);
    return definition;
}
