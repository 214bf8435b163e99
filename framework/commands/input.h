/* Data that the user hands over: on the command line, in a file, on standard input. */
#ifndef WEIR_COMMANDS_INPUT_H
#define WEIR_COMMANDS_INPUT_H

#include <stddef.h>

#include "base/status.h"
#include "base/text.h"

/* Reads a whole file, "-" being standard input, into `out`, which the caller closes in any case.
 * WEIR_INVALID where it cannot be read, WEIR_TOO_LARGE over `limit` bytes. */
WEIR_CHECKED enum weir_status weir_input_read(const char *path, size_t limit, struct weir_text *out,
                                              struct weir_error *error);

/* Reads what --data says (JSON, @FILE or -; NULL: "{}") and checks that it is a JSON object of the
 * size that a message may have. `out` gets the bytes as they are; the caller closes it in any
 * case. */
WEIR_CHECKED enum weir_status weir_input_data(const char *argument, struct weir_text *out,
                                              struct weir_error *error);

#endif
