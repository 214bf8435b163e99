/* A command as it goes over the wire. */
#ifndef WEIR_REDIS_COMMAND_BYTES_H
#define WEIR_REDIS_COMMAND_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Used again from command to command. `{0}` is an empty one. */
struct weir_command_bytes {
    char *at;
    size_t length, capacity;
};

/* Lays out an argument vector; `lengths` NULL: the arguments are terminated texts. False without
 * memory. */
WEIR_CHECKED bool weir_command_lay(struct weir_command_bytes *bytes, int count,
                                   const char *const *arguments, const size_t *lengths);
/* Does not keep what one large command took. */
void weir_command_shrink(struct weir_command_bytes *bytes);
void weir_command_close(struct weir_command_bytes *bytes);

#endif
