/* Reads the fields of a definition's JSON and words what is wrong with them. */
#include "saga/definition_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define VALUE_SHOWN 48 /* bytes of a wrong value in an error's sentence */
#define NAME_GRAMMAR "a letter and then letters, digits, \"_\" or \"-\", 64 bytes at most"
#define TYPE_GRAMMAR "a letter and then letters, digits, \".\", \"_\" or \"-\", 128 bytes at most"

bool weir_field_no_memory(struct weir_error *error)
{
    weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    return false;
}

bool weir_field_refuse(struct weir_error *error, const char *problem, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
    if (text == NULL)
        return weir_field_no_memory(error);
    bool cut = strlen(text) > VALUE_SHOWN;
    weir_error_set(error, WEIR_INVALID, "%s %.*s%s", problem, VALUE_SHOWN, text, cut ? "…" : "");
    free(text);
    return false;
}

bool weir_field_refuse_value(struct weir_error *error, const char *field, const char *allowed,
                             const json_t *value)
{
    char problem[240];
    snprintf(problem, sizeof problem, "%s: must be %s, not", field, allowed);
    return weir_field_refuse(error, problem, value);
}

static bool refuse_unknown_field(struct weir_error *error, const char *name)
{
    json_t *text = json_string(name);
    if (text == NULL)
        return weir_field_no_memory(error);
    weir_field_refuse(error, "unknown field", text);
    json_decref(text);
    return false;
}

static bool check_field(const struct weir_field_rule *fields, const char *name,
                        struct weir_error *error)
{
    for (; fields->name != NULL; fields++) {
        if (strcmp(fields->name, name) == 0)
            return true;
    }
    return refuse_unknown_field(error, name);
}

bool weir_field_check_all(json_t *object, const struct weir_field_rule *fields,
                          struct weir_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (!check_field(fields, name, error))
            return false;
    }
    for (; fields->name != NULL; fields++) {
        if (fields->required && json_object_get(object, fields->name) == NULL) {
            weir_error_set(error, WEIR_INVALID, "%s: is missing", fields->name);
            return false;
        }
    }
    return true;
}

bool weir_field_integer(const json_t *object, const char *field, struct weir_field_range range,
                        int64_t *out, struct weir_error *error)
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
    return weir_field_refuse_value(error, field, allowed, value);
}

static bool is_text(const json_t *value, bool (*valid)(const char *, size_t))
{
    return json_is_string(value) && valid(json_string_value(value), json_string_length(value));
}

static bool copy_text(const json_t *value, char **out, struct weir_error *error)
{
    *out = strdup(json_string_value(value));
    return *out != NULL || weir_field_no_memory(error);
}

bool weir_field_name(const json_t *object, const char *field, char **out, struct weir_error *error)
{
    const json_t *value = json_object_get(object, field);
    if (value == NULL)
        return true;
    if (!is_text(value, weir_name_valid))
        return weir_field_refuse_value(error, field, NAME_GRAMMAR, value);
    return copy_text(value, out, error);
}

bool weir_field_type(const json_t *object, const char *field, char **out, struct weir_error *error)
{
    const json_t *value = json_object_get(object, field);
    if (value == NULL)
        return true;
    if (!is_text(value, weir_type_name_valid))
        return weir_field_refuse_value(error, field, TYPE_GRAMMAR, value);
    return copy_text(value, out, error);
}
