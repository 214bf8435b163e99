/* Bytes and numbers from outside: a growing text, strict parsing, the grammar of names and ids. */
#ifndef WEIR_BASE_TEXT_H
#define WEIR_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Bytes that somebody else owns; not terminated, may hold NUL bytes. */
struct weir_slice {
    const char *at;
    size_t length;
};

struct weir_slice weir_slice_of(const char *text);
bool weir_slice_equals(struct weir_slice slice, const char *text);

/* A growing text. `{0}` is an empty one. After a failed append `failed` stays set and later
 * appends do nothing, so that a run of appends is checked once, at its end. */
struct weir_text {
    char *at; /* terminated by a NUL that `length` does not count; NULL while empty */
    size_t length;
    size_t capacity;
    bool failed; /* memory ran out */
};

void weir_text_append(struct weir_text *text, const char *bytes, size_t length);
void weir_text_append_string(struct weir_text *text, const char *string);
void weir_text_format(struct weir_text *text, const char *format, ...) WEIR_PRINTF(2, 3);
/* Appends `bytes` as a JSON string with its quotes; bytes that are not valid UTF-8 become \ufffd.
 */
void weir_text_append_json(struct weir_text *text, const char *bytes, size_t length);
/* Empties the text and keeps its memory. */
void weir_text_clear(struct weir_text *text);
void weir_text_close(struct weir_text *text);

/* Where in a text a server's URL has its user and password: behind "redis://" and the like. NULL:
 * there is none. */
const char *weir_find_login(const char *text);
/* Takes them out of a sentence that quotes words from outside: of each URL all up to the last '@'
 * of its word, or, where it stands in quotes, of what is quoted. `cut`: the sentence has lost its
 * end, and with it perhaps that '@'; then a URL at its end goes. */
void weir_hide_login(char *sentence, bool cut);

/* Copies as much of a text as fits, terminated. */
void weir_copy(char *room, size_t size, const char *text);

/* Writes a number in decimal, terminated, and returns its length. */
#define WEIR_DIGITS_MAX 21
size_t weir_digits(int64_t number, char *room);

/* A whole decimal number in the range of int64_t: an optional '-', no '+', no leading zeros, no
 * blanks, nothing behind it. This is the form that HINCRBY accepts. */
WEIR_CHECKED bool weir_parse_integer(const char *bytes, size_t length, int64_t *out);

/* A length of time: a number with ms, s, m, h or d behind it, or a bare number of ms. From 0 to
 * 10 years. */
WEIR_CHECKED bool weir_parse_duration_ms(const char *text, int64_t *out);

/* Type names: [A-Za-z][A-Za-z0-9._-]*, 128 bytes at most. */
bool weir_type_name_valid(const char *bytes, size_t length);
/* Names of services, steps, definitions, entities: [A-Za-z][A-Za-z0-9_-]*, 64 bytes at most. */
bool weir_name_valid(const char *bytes, size_t length);
/* Ids that stand in a key: 1 to 128 bytes, without blanks, control characters, '{', '}', '/',
 * '"' or '\\'. */
bool weir_id_valid(const char *bytes, size_t length);
/* The same in a sentence. */
#define WEIR_ID_FORM                                                                               \
    "1 to 128 bytes without blanks, control characters, '{', '}', '/', '\"' and '\\'"
/* Well-formed UTF-8 (no surrogates, no overlong forms, nothing over U+10FFFF). */
bool weir_utf8_valid(const char *bytes, size_t length);

#endif
