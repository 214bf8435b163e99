/* JSON when memory may run out. jansson passes over some failed allocations: its reader takes a
 * valid text for malformed, or goes on without a character of a long name, text or number; its
 * writer leaves out a piece, its copies a field. So its allocations are watched. */
#ifndef WEIR_MESSAGE_JSON_MEMORY_H
#define WEIR_MESSAGE_JSON_MEMORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* From now on jansson's allocations go through here, to the functions that it had before. For a
 * process's main, as it holds for all of jansson's users there; a second call does nothing. */
void weir_json_watch(void);
/* How many of this thread's allocations for jansson have failed; 0 where nobody watches. */
unsigned long weir_json_failures(void);

/* As json_loadb. NULL with json_error_out_of_memory where an allocation has failed on the way. */
WEIR_CHECKED json_t *weir_json_load(const char *bytes, size_t length, size_t flags,
                                    json_error_t *error);
/* As json_dumps with JSON_COMPACT, and as json_deep_copy: NULL where an allocation has failed. */
WEIR_CHECKED char *weir_json_text(const json_t *value);
WEIR_CHECKED json_t *weir_json_copy(const json_t *value);
/* Whether memory was the reason why nothing was read. */
bool weir_json_ran_out(const json_error_t *error);

#endif
