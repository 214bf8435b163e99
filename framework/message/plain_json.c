/* JSON objects of the usual kind, read and written in one pass. */
#include "message/plain_json.h"

#include <string.h>

#define NAME_MAX_LENGTH 255
#define DIGITS_MAX 18
#define NAMES_MAX 16     /* that are kept to look for one that stands twice */
#define DEPTH_WRITTEN 64 /* what is deeper may be a circle, which jansson knows to find */

/* ---- Reading ----------------------------------------------------------------------------- */

struct reader {
    const char *at, *end;
    size_t depth_left;
    bool lent; /* a text may end in a NUL */
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
    for (c = begin; c < reader->end && *c != '"' && !(reader->lent && *c == '\0'); c++) {
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
static bool take_integer(struct reader *reader, json_int_t *out)
{
    bool negative = take(reader, '-');
    const char *begin = reader->at;
    json_int_t number = 0;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' &&
           reader->at - begin < DIGITS_MAX && !(reader->at > begin && *begin == '0'))
        number = number * 10 + (*reader->at++ - '0');
    *out = negative ? -number : number;
    return reader->at > begin;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
        return false;
    reader->at += length;
    return true;
}

static json_t *read_integer(struct reader *reader)
{
    json_int_t number;
    return take_integer(reader, &number) ? json_integer(number) : NULL;
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
        return take_word(reader, "true") ? json_true() : NULL;
    case 'f':
        return take_word(reader, "false") ? json_false() : NULL;
    case 'n':
        return take_word(reader, "null") ? json_null() : NULL;
    default:
        return read_integer(reader);
    }
}

static bool at_end(struct reader *reader)
{
    return peek(reader) == '\0' && reader->at == reader->end;
}

static json_t *read_whole(struct reader *reader)
{
    json_t *object = peek(reader) == '{' ? read_value(reader) : NULL;
    if (object == NULL || at_end(reader))
        return object;
    json_decref(object);
    return NULL;
}

json_t *weir_plain_json(const char *bytes, size_t length, size_t depth_max)
{
    struct reader reader = {bytes, bytes + length, depth_max, false};
    return read_whole(&reader);
}

json_t *weir_plain_json_lent(const char *bytes, size_t length)
{
    struct reader reader = {bytes, bytes + length, SIZE_MAX, true};
    return read_whole(&reader);
}

/* ---- Looking, without making it -------------------------------------------------------------- */

static bool skip_value(struct reader *reader);

/* The name of a field, its colon, and that none of those before it is the same. */
static bool skip_name(struct reader *reader, struct weir_slice *names, size_t *count)
{
    struct weir_slice *name = &names[*count];
    if (*count == NAMES_MAX || !read_text(reader, name) || name->length > NAME_MAX_LENGTH)
        return false;
    for (size_t i = 0; i < *count; i++)
        if (names[i].length == name->length && memcmp(names[i].at, name->at, name->length) == 0)
            return false;
    (*count)++;
    return take(reader, ':');
}

static bool skip_fields(struct reader *reader)
{
    struct weir_slice names[NAMES_MAX];
    size_t count = 0;
    do
        if (!skip_name(reader, names, &count) || !skip_value(reader))
            return false;
    while (take(reader, ','));
    return true;
}

static bool skip_elements(struct reader *reader)
{
    do
        if (!skip_value(reader))
            return false;
    while (take(reader, ','));
    return true;
}

static bool skip_inside(struct reader *reader, char closing,
                        bool (*skip_all)(struct reader *reader))
{
    bool fine = reader->depth_left > 0;
    reader->at++;
    if (fine && take(reader, closing))
        return true;
    reader->depth_left--;
    fine = fine && skip_all(reader);
    reader->depth_left++;
    return fine && take(reader, closing);
}

static bool skip_value(struct reader *reader)
{
    struct weir_slice text;
    json_int_t number;
    switch (peek(reader)) {
    case '"':
        return read_text(reader, &text);
    case '{':
        return skip_inside(reader, '}', skip_fields);
    case '[':
        return skip_inside(reader, ']', skip_elements);
    case 't':
        return take_word(reader, "true");
    case 'f':
        return take_word(reader, "false");
    case 'n':
        return take_word(reader, "null");
    default:
        return take_integer(reader, &number);
    }
}

bool weir_plain_json_fits(const char *bytes, size_t length, size_t depth_max)
{
    struct reader reader = {bytes, bytes + length, depth_max, false};
    return peek(&reader) == '{' && skip_value(&reader) && at_end(&reader);
}

/* The value that stands there; `bytes` are those that are read. */
static struct weir_value lend_value(struct reader *reader, char *bytes)
{
    struct weir_value value = {.kind = WEIR_VALUE_OTHER};
    json_int_t number = 0;
    if (peek(reader) == '"' && read_text(reader, &value.text)) {
        value.kind = WEIR_VALUE_TEXT;
        bytes[value.text.at + value.text.length - bytes] = '\0';
    } else if (take_integer(reader, &number)) {
        value.kind = WEIR_VALUE_INTEGER;
        value.integer = number;
    }
    return value;
}

struct weir_value weir_plain_json_lend(char *bytes, size_t length, const char *name)
{
    struct reader reader = {bytes, bytes + length, SIZE_MAX, true};
    struct weir_slice found;
    bool more = take(&reader, '{');
    while (more && read_text(&reader, &found) && take(&reader, ':')) {
        if (weir_slice_equals(found, name))
            return lend_value(&reader, bytes);
        more = skip_value(&reader) && take(&reader, ',');
    }
    return (struct weir_value){.kind = WEIR_VALUE_ABSENT};
}

void weir_plain_json_mend(char *bytes, size_t length)
{
    char *end = bytes + length, *at = bytes;
    while ((at = memchr(at, '\0', (size_t)(end - at))) != NULL)
        *at++ = '"';
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
