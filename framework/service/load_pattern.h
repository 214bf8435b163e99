/* Which hashes a handler wants loaded: "account:{customerId} payment:{orderId}". */
#ifndef WEIR_SERVICE_LOAD_PATTERN_H
#define WEIR_SERVICE_LOAD_PATTERN_H

#include <stddef.h>

#include "message/envelope.h"

#define WEIR_LOAD_KEYS_MAX 4

/* Checks a pattern when the handler is registered. */
WEIR_CHECKED enum weir_status weir_load_pattern_check(const char *pattern,
                                                      struct weir_error *error);

/* Writes the `index`th key of the pattern, without tag, into `rest` (room bytes), its "{field}"s
 * taken from the message's data. Returns its length; 0: there is no such key; -1: a field is
 * missing, not a text or whole number, or not fit for a key, so this one is not loaded. */
int weir_load_pattern_key(const char *pattern, size_t index, const weir_message *message,
                          char *rest, size_t room);

#endif
