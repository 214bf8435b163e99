/* Escapes what a terminal might take for a command. */
#include "commands/visible.h"

#include <stdbool.h>
#include <stdlib.h>

/* The number of bytes of the character at `at`, 0 where it is not UTF-8. */
static size_t character_length(const char *at, size_t left)
{
    for (size_t length = 1; length <= 4 && length <= left; length++)
        if (weir_utf8_valid(at, length))
            return length;
    return 0;
}

static unsigned code_point(const char *at, size_t length)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = (unsigned char)at[0] & masks[length];
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

static bool disturbs(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static void append_disturbing(struct weir_text *text, unsigned code)
{
    if (code == '\n')
        weir_text_append_string(text, "\\n");
    else if (code == '\t')
        weir_text_append_string(text, "\\t");
    else
        weir_text_format(text, "\\u%04x", code);
}

static void append_visible(struct weir_text *text, struct weir_slice slice, bool keep_line_ends)
{
    for (size_t length; slice.length > 0; slice.at += length, slice.length -= length) {
        length = character_length(slice.at, slice.length);
        unsigned code = length > 0 ? code_point(slice.at, length) : 0;
        if (length == 0) {
            length = 1;
            weir_text_format(text, "\\x%02x", (unsigned char)*slice.at);
        } else if (disturbs(code) && !(keep_line_ends && code == '\n')) {
            append_disturbing(text, code);
        } else {
            weir_text_append(text, slice.at, length);
        }
    }
}

void weir_visible_append(struct weir_text *text, struct weir_slice slice)
{
    append_visible(text, slice, false);
}

void weir_visible_append_json(struct weir_text *text, const json_t *value, size_t indent)
{
    size_t layout = indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT;
    char *dump = json_dumps(value, JSON_ENCODE_ANY | layout);
    if (dump)
        append_visible(text, weir_slice_of(dump), true);
    else
        text->failed = true;
    free(dump);
}
