/* Checks bodies against tables of fields. */
#include "fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "route.h"

#define TEXT_MAX 1024

static bool at_fault(struct fault *fault, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool at_fault(struct fault *fault, const char *field, const char *format, ...)
{
    va_list arguments;
    snprintf(fault->field, sizeof fault->field, "%s", field);
    va_start(arguments, format);
    vsnprintf(fault->detail, sizeof fault->detail, format, arguments);
    va_end(arguments);
    return false;
}

json_t *fields_parse(const char *bytes, size_t length, struct fault *fault)
{
    json_error_t error;
    json_t *body;
    if (length == 0) {
        at_fault(fault, "", "the body is empty; it must be a JSON object");
        return NULL;
    }
    body = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &error);
    if (body == NULL)
        at_fault(fault, "", "line %d, column %d: %s", error.line, error.column,
                 json_error_code(&error) == json_error_null_character
                     ? "a text may not contain \\u0000"
                     : error.text);
    else if (!json_is_object(body))
        at_fault(fault, "", "the body must be a JSON object");
    if (json_is_object(body))
        return body;
    json_decref(body);
    return NULL;
}

static bool check_number(const json_t *value, const struct field *field, struct fault *fault)
{
    if (!json_is_integer(value))
        return at_fault(fault, field->name, "must be a whole number");
    if (json_integer_value(value) < field->minimum || json_integer_value(value) > field->maximum)
        return at_fault(fault, field->name, "must be from %lld to %lld", (long long)field->minimum,
                        (long long)field->maximum);
    return true;
}

static bool check_value(const json_t *value, const struct field *field, struct fault *fault)
{
    switch (field->kind) {
    case FIELD_ID:
        if (!json_is_string(value) || !route_id_valid(json_string_value(value)))
            return at_fault(fault, field->name,
                            "must be a text of 1 to 128 bytes without blanks, control characters, "
                            "'{', '}', '/', '\"' and '\\'");
        return true;
    case FIELD_NUMBER:
        return check_number(value, field, fault);
    case FIELD_TEXT:
        if (!json_is_string(value) || json_string_length(value) == 0 ||
            json_string_length(value) > TEXT_MAX)
            return at_fault(fault, field->name, "must be a text of 1 to %d bytes", TEXT_MAX);
        return true;
    default:
        return json_is_object(value) || at_fault(fault, field->name, "must be an object");
    }
}

static const struct field *find(const struct field *fields, const char *name)
{
    while (fields->name != NULL && strcmp(fields->name, name) != 0)
        fields++;
    return fields->name != NULL ? fields : NULL;
}

bool fields_check(const json_t *body, const struct field *fields, struct fault *fault)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)body, name, value)
    {
        const struct field *field = find(fields, name);
        if (field == NULL)
            return at_fault(fault, name, "is not known here");
        if (!check_value(value, field, fault))
            return false;
    }
    for (; fields->name != NULL; fields++)
        if (fields->needed && json_object_get(body, fields->name) == NULL)
            return at_fault(fault, fields->name, "is missing");
    return true;
}
