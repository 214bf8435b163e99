/* Which hashes a handler wants loaded. */
#include "service/load_pattern.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum weir_status weir_load_pattern_check(const char *pattern, struct weir_error *error)
{
    size_t keys = 0;
    bool open = false, in_key = false;
    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c == '{' || *c == ' ' ? open : *c == '}' ? !open : false)
            return weir_error_set(error, WEIR_INVALID, "\"%s\": braces do not match", pattern);
        if (*c == '{' || *c == '}')
            open = *c == '{';
        keys += *c != ' ' && !in_key;
        in_key = *c != ' ';
    }
    if (open)
        return weir_error_set(error, WEIR_INVALID, "\"%s\": braces do not match", pattern);
    if (keys == 0 || keys > WEIR_LOAD_KEYS_MAX)
        return weir_error_set(error, WEIR_INVALID, "\"%s\": 1 to %d keys are allowed", pattern,
                              WEIR_LOAD_KEYS_MAX);
    return WEIR_OK;
}

/* The field's value as it stands in a key; false where it is not fit for one. */
static bool field_text(const weir_message *message, const char *name, size_t length, char *text,
                       size_t room)
{
    char field[128];
    struct weir_value value;
    if (length >= sizeof field)
        return false;
    memcpy(field, name, length);
    field[length] = '\0';
    value = weir_message_value(message, field);
    if (value.kind == WEIR_VALUE_INTEGER)
        snprintf(text, room, "%lld", (long long)value.integer);
    else if (value.kind == WEIR_VALUE_TEXT && value.text.length < room &&
             weir_id_valid(value.text.at, value.text.length))
        weir_copy(text, room, value.text.at);
    else
        return false;
    return true;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " ");
}

int weir_load_pattern_key(const char *pattern, size_t index, const weir_message *message,
                          char *rest, size_t room)
{
    const char *at = skip_blanks(pattern);
    size_t length = 0;
    while (index-- > 0)
        at = skip_blanks(at + strcspn(at, " "));
    while (*at != '\0' && *at != ' ') {
        char value[160] = {at[0], '\0'};
        size_t taken = 1, value_length;
        if (*at == '{') {
            taken = strcspn(at, "}") + 1;
            if (!field_text(message, at + 1, taken - 2, value, sizeof value))
                return -1;
        }
        value_length = strlen(value);
        if (length + value_length >= room)
            return -1;
        memcpy(rest + length, value, value_length);
        length += value_length;
        at += taken;
    }
    rest[length] = '\0';
    return (int)length;
}
