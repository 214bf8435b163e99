/* Reading the server's answers without trusting their shape. */
#ifndef WEIR_COMMANDS_VALUES_H
#define WEIR_COMMANDS_VALUES_H

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Slices are borrowed from the reply; `at` is NULL where there is no text. */
struct weir_slice weir_value_text(const redisReply *reply);
struct weir_slice weir_value_element(const redisReply *array, size_t place);
/* The number of elements of an array; 0 of anything else. */
size_t weir_value_count(const redisReply *array);
/* The value behind a name in an array of names and values. The last one counts: the server's own
 * fields of a dead letter stand behind those of the message. */
struct weir_slice weir_value_field(const redisReply *pairs, const char *name);

/* False where there is no text or it is no whole number. */
WEIR_CHECKED bool weir_slice_integer(struct weir_slice slice, int64_t *out);

/* New JSON of a text: null where there is none; bytes that are not UTF-8 replaced. */
json_t *weir_slice_json(struct weir_slice slice);
/* The same, as a number where it is a whole one. */
json_t *weir_slice_json_number(struct weir_slice slice);
/* The same, as an object where it is a JSON object. */
json_t *weir_slice_json_object(struct weir_slice slice);
/* The fields of a message as an object, its data as an object of its own where it is one. Of
 * fields with the same name the last one counts. */
json_t *weir_fields_json(const redisReply *pairs);

#endif
