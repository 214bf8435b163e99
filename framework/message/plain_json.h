/* JSON objects of the usual kind, read and written in one pass. jansson's own parser takes a byte
 * at a time through several calls; that was over half of what a small message costs a worker. */
#ifndef WEIR_MESSAGE_PLAIN_JSON_H
#define WEIR_MESSAGE_PLAIN_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"

/* What json_loadb with JSON_REJECT_DUPLICATES would make of it, nested at most so deep. NULL says
 * nothing about the text: it may be malformed, or hold what is left to the parser (escapes, numbers
 * that are not whole or have over 18 digits, names of over 255 bytes), or there was no memory. */
WEIR_CHECKED json_t *weir_plain_json(const char *bytes, size_t length, size_t depth_max);
/* What json_dumps with JSON_COMPACT would make of it; to be freed. NULL: there is something in it
 * that is left to jansson (texts that need escapes, numbers that are not whole), or no memory. */
WEIR_CHECKED char *weir_plain_json_text(const json_t *value);

#endif
