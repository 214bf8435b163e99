/* JSON objects of the usual kind, read and written in one pass. jansson's own parser takes a byte
 * at a time through several calls; that was over half of what a small message costs a worker. */
#ifndef WEIR_MESSAGE_PLAIN_JSON_H
#define WEIR_MESSAGE_PLAIN_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* What json_loadb with JSON_REJECT_DUPLICATES would make of it, nested at most so deep. NULL says
 * nothing about the text: it may be malformed, or hold what is left to the parser (escapes, numbers
 * that are not whole or have over 18 digits, names of over 255 bytes), or there was no memory. */
WEIR_CHECKED json_t *weir_plain_json(const char *bytes, size_t length, size_t depth_max);

/* ---- Fields of a text, without making the object -------------------------------------------- */

enum weir_value_kind { WEIR_VALUE_ABSENT, WEIR_VALUE_TEXT, WEIR_VALUE_INTEGER, WEIR_VALUE_OTHER };

struct weir_value {
    enum weir_value_kind kind;
    struct weir_slice text; /* of a TEXT; terminated, borrowed */
    int64_t integer;        /* of an INTEGER */
};

/* Whether weir_plain_json would make an object of it, were there memory; false also for one with
 * very many fields. It takes no memory. */
WEIR_CHECKED bool weir_plain_json_fits(const char *bytes, size_t length, size_t depth_max);
/* A field of a text that fits. The closing quote of a text that is lent becomes its NUL; the text
 * itself can hold none, so that it is understood all the same, here and below. */
struct weir_value weir_plain_json_lend(char *bytes, size_t length, const char *name);
/* The object, of which texts may have been lent; they stay so. */
WEIR_CHECKED json_t *weir_plain_json_lent(const char *bytes, size_t length);
/* Makes the text again what it was. Lent texts are no longer terminated. */
void weir_plain_json_mend(char *bytes, size_t length);

/* What json_dumps with JSON_COMPACT would make of it; to be freed. NULL: there is something in it
 * that is left to jansson (texts that need escapes, numbers that are not whole), or no memory. */
WEIR_CHECKED char *weir_plain_json_text(const json_t *value);

#endif
