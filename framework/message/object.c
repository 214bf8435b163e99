/* JSON objects from outside, read strictly. */
#include "message/envelope.h"

#include <string.h>

#include "message/json_memory.h"
#include "message/plain_json.h"

/* How deep arrays and objects nest, without parsing: a document that nests deeply would cost the
 * parser its stack. Brackets within texts do not count. */
static size_t nesting(const char *bytes, size_t length)
{
    size_t depth = 0, deepest = 0;
    bool in_text = false;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '{' || c == '['))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!in_text && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return deepest;
}

/* The parser quotes what it has read last, which may end within a character. */
static void make_printable(char *text)
{
    bool whole = weir_utf8_valid(text, strlen(text));
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < ' ' || byte == 0x7f || (byte >= 0x80 && !whole))
            *text = '?';
    }
}

/* jansson quotes what it met; sentences about a message go to logs, and its data does not. */
static void leave_out_data(char *text)
{
    char *quoted = strstr(text, " near ");
    if (quoted != NULL)
        *quoted = '\0';
}

json_t *weir_object_parse(const char *bytes, size_t length, size_t depth_max,
                          struct weir_error *error)
{
    json_error_t parse_error;
    json_t *object = weir_plain_json(bytes, length, depth_max);
    if (object != NULL)
        return object;
    if (nesting(bytes, length) > depth_max) {
        weir_error_set(error, WEIR_INVALID, "nested more than %zu deep", depth_max);
        return NULL;
    }
    object = weir_json_load(bytes, length, JSON_REJECT_DUPLICATES, &parse_error);
    if (object == NULL && weir_json_ran_out(&parse_error)) {
        weir_error_set(error, WEIR_NO_MEMORY, "no memory to read it");
        return NULL;
    }
    if (object == NULL) {
        leave_out_data(parse_error.text);
        make_printable(parse_error.text);
        weir_error_set(error, WEIR_INVALID, "not valid JSON: %s (line %d, column %d)",
                       parse_error.text, parse_error.line, parse_error.column);
        return NULL;
    }
    if (!json_is_object(object)) {
        weir_error_set(error, WEIR_INVALID, "not a JSON object");
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *weir_text_json(struct weir_slice text)
{
    struct weir_text escaped = {0};
    json_error_t error;
    json_t *value;
    if (weir_utf8_valid(text.at, text.length))
        return json_stringn(text.at, text.length);
    weir_text_append_json(&escaped, text.at, text.length);
    value = escaped.failed ? NULL
                           : weir_json_load(escaped.at, escaped.length,
                                            JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    weir_text_close(&escaped);
    return value;
}
