/* Checks the namespace. */
#include "call/prefix.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Keys of "x{y}" would lie in the slot of y. */
enum weir_status weir_prefix_take(const char *prefix, char *room, struct weir_error *error)
{
    const char *given = prefix != NULL ? prefix : "";
    if (strlen(given) > WEIR_PREFIX_MAX || strpbrk(given, "{} \t\r\n") != NULL ||
        !weir_utf8_valid(given, strlen(given)))
        return weir_error_set(error, WEIR_INVALID,
                              "prefix: must be at most %d bytes without blanks and braces",
                              WEIR_PREFIX_MAX);
    snprintf(room, WEIR_PREFIX_MAX + 1, "%s", given);
    return WEIR_OK;
}
