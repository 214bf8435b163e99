/* Printing for people and for machines: nothing from the server reaches a terminal unescaped. */
#ifndef WEIR_COMMANDS_PRINT_H
#define WEIR_COMMANDS_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/text.h"
#include "commands/output.h"

enum weir_colour { WEIR_PLAIN, WEIR_BOLD, WEIR_GREEN, WEIR_YELLOW, WEIR_RED };

/* The escape sequences around a coloured text; "" for WEIR_PLAIN, and where results are for no
 * terminal that wants colours (NO_COLOR, TERM=dumb). */
const char *weir_colour_begin(enum weir_colour colour);
const char *weir_colour_end(enum weir_colour colour);
/* The colour of the state of a saga, a step, a reader or a projection. */
enum weir_colour weir_state_colour(const char *state);

/* Any JSON value as a cell or the right side of a list: a text without quotes, "-" for null. */
void weir_value_append(struct weir_text *text, const json_t *value);

/* Prints a text and a newline. Visible already. On a terminal what is too long for a line goes on
 * in the next, at a blank if it can. */
void weir_print_line(const struct weir_text *line);
/* The same; what goes on is indented. */
void weir_print_wrapped(const struct weir_text *line, size_t indent);
/* Prints the value on one line, and frees it. Returns the exit code: 1 where `value` is NULL, as
 * memory has run out while it was made. */
int weir_print_json(json_t *value_take);

/* "850ms", "12.3s", "3m12s", "2h05m", "3d4h". */
void weir_span_append(struct weir_text *text, int64_t ms);
/* "2026-01-31T12:00:00.123+0100", by the local clock's zone. */
void weir_time_append(struct weir_text *text, int64_t ms);

#endif
