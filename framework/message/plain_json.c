/* JSON objects of the usual kind, read and written in one pass. */
#include "message/plain_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

#define NAME_MAX_LENGTH 255
#define DIGITS_MAX 18
#define DEPTH_WRITTEN 64 /* what is deeper may be a circle, which jansson knows to find */

/* ---- Reading ----------------------------------------------------------------------------- */

struct reader {
    const char *at, *end;
    size_t depth_left;
};

static json_t *read_value(struct reader *reader);

/* The next byte that is no blank, not taken yet; NUL: there is none. */
static char peek(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\t' || *reader->at == '\r'))
        reader->at++;
    return reader->at < reader->end ? *reader->at : '\0';
}

static bool take(struct reader *reader, char wanted)
{
    if (peek(reader) != wanted)
        return false;
    reader->at++;
    return true;
}

static bool read_text(struct reader *reader, struct weir_slice *text)
{
    const char *begin, *c;
    unsigned char all = 0;
    if (!take(reader, '"'))
        return false;
    begin = reader->at;
    for (c = begin; c < reader->end && *c != '"'; c++) {
        if ((unsigned char)*c < ' ' || *c == '\\')
            return false;
        all |= (unsigned char)*c;
    }
    if (c == reader->end)
        return false;
    reader->at = c + 1;
    *text = (struct weir_slice){begin, (size_t)(c - begin)};
    return all < 0x80 || weir_utf8_valid(text->at, text->length);
}

/* What stands behind it is looked at by whoever goes on: a fraction or a further digit fits
 * nowhere. */
static json_t *read_integer(struct reader *reader)
{
    bool negative = take(reader, '-');
    const char *begin = reader->at;
    json_int_t number = 0;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' &&
           reader->at - begin < DIGITS_MAX && !(reader->at > begin && *begin == '0'))
        number = number * 10 + (*reader->at++ - '0');
    return reader->at > begin ? json_integer(negative ? -number : number) : NULL;
}

static json_t *read_word(struct reader *reader, const char *word, json_t *value)
{
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
        return NULL;
    reader->at += length;
    return value;
}

/* A second field of the same name leaves the object as large as it was. */
static bool put(json_t *object, struct weir_slice name, json_t *value)
{
    char text[NAME_MAX_LENGTH + 1];
    size_t before = json_object_size(object);
    if (value == NULL || name.length > NAME_MAX_LENGTH) {
        json_decref(value);
        return false;
    }
    memcpy(text, name.at, name.length);
    text[name.length] = '\0';
    return json_object_set_new_nocheck(object, text, value) == 0 &&
           json_object_size(object) > before;
}

static bool read_field(struct reader *reader, json_t *object)
{
    struct weir_slice name;
    return read_text(reader, &name) && take(reader, ':') && put(object, name, read_value(reader));
}

static bool read_element(struct reader *reader, json_t *array)
{
    json_t *value = read_value(reader);
    return value != NULL && json_array_append_new(array, value) == 0;
}

/* Behind the opening bracket, up to and with the closing one. */
static json_t *read_inside(struct reader *reader, json_t *whole, char closing,
                           bool (*read_one)(struct reader *reader, json_t *whole))
{
    bool fine = whole != NULL && reader->depth_left > 0;
    reader->at++;
    if (fine && take(reader, closing))
        return whole;
    reader->depth_left--;
    do
        fine = fine && read_one(reader, whole);
    while (fine && take(reader, ','));
    reader->depth_left++;
    if (fine && take(reader, closing))
        return whole;
    json_decref(whole);
    return NULL;
}

static json_t *read_value(struct reader *reader)
{
    struct weir_slice text;
    switch (peek(reader)) {
    case '"':
        return read_text(reader, &text) ? json_stringn_nocheck(text.at, text.length) : NULL;
    case '{':
        return read_inside(reader, json_object(), '}', read_field);
    case '[':
        return read_inside(reader, json_array(), ']', read_element);
    case 't':
        return read_word(reader, "true", json_true());
    case 'f':
        return read_word(reader, "false", json_false());
    case 'n':
        return read_word(reader, "null", json_null());
    default:
        return read_integer(reader);
    }
}

json_t *weir_plain_json(const char *bytes, size_t length, size_t depth_max)
{
    struct reader reader = {bytes, bytes + length, depth_max};
    json_t *object = peek(&reader) == '{' ? read_value(&reader) : NULL;
    if (object == NULL || (peek(&reader) == '\0' && reader.at == reader.end))
        return object;
    json_decref(object);
    return NULL;
}

/* ---- Writing ----------------------------------------------------------------------------- */

static bool write_value(struct weir_text *out, const json_t *value, size_t depth_left);

static bool write_text(struct weir_text *out, const char *bytes, size_t length)
{
    unsigned char all = 0;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)bytes[i] < ' ' || bytes[i] == '"' || bytes[i] == '\\')
            return false;
        all |= (unsigned char)bytes[i];
    }
    weir_text_append(out, "\"", 1);
    weir_text_append(out, bytes, length);
    weir_text_append(out, "\"", 1);
    return all < 0x80 || weir_utf8_valid(bytes, length);
}

static bool write_integer(struct weir_text *out, json_int_t number)
{
    char digits[WEIR_DIGITS_MAX];
    weir_text_append(out, digits, weir_digits(number, digits));
    return true;
}

static bool write_object(struct weir_text *out, json_t *object, size_t depth_left)
{
    bool first = true;
    const char *name;
    json_t *value;
    weir_text_append(out, "{", 1);
    json_object_foreach(object, name, value)
    {
        if (!first)
            weir_text_append(out, ",", 1);
        first = false;
        if (!write_text(out, name, strlen(name)))
            return false;
        weir_text_append(out, ":", 1);
        if (!write_value(out, value, depth_left))
            return false;
    }
    weir_text_append(out, "}", 1);
    return true;
}

static bool write_array(struct weir_text *out, const json_t *array, size_t depth_left)
{
    weir_text_append(out, "[", 1);
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            weir_text_append(out, ",", 1);
        if (!write_value(out, json_array_get(array, i), depth_left))
            return false;
    }
    weir_text_append(out, "]", 1);
    return true;
}

static bool write_value(struct weir_text *out, const json_t *value, size_t depth_left)
{
    if (depth_left == 0 || value == NULL)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(out, (json_t *)(uintptr_t)value, depth_left - 1);
    case JSON_ARRAY:
        return write_array(out, value, depth_left - 1);
    case JSON_STRING:
        return write_text(out, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return write_integer(out, json_integer_value(value));
    case JSON_TRUE:
        weir_text_append_string(out, "true");
        return true;
    case JSON_FALSE:
        weir_text_append_string(out, "false");
        return true;
    case JSON_NULL:
        weir_text_append_string(out, "null");
        return true;
    case JSON_REAL:
    default:
        return false;
    }
}

char *weir_plain_json_text(const json_t *value)
{
    struct weir_text out = {0};
    bool whole = json_is_object(value) || json_is_array(value);
    if (whole && write_value(&out, value, DEPTH_WRITTEN) && !out.failed)
        return out.at;
    weir_text_close(&out);
    return NULL;
}
