/* A saga drawn on a terminal: its steps over time, side by side where they run so. */
#ifndef WEIR_COMMANDS_TIMELINE_H
#define WEIR_COMMANDS_TIMELINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* The array of steps with name, state, attempts, compensationAttempts, sentAt, endedAt, error,
 * result and after (an array of names; null: not known), between `from_ms` and `to_ms`. Each step
 * has a line: a mark, what joins those that stand side by side, its name, its state, how often it
 * was tried and how often undone, and a bar for the last attempt of what it did last: full where it
 * has ended, half where it was undone, light where it goes on. Below it the error, or the result.
 *
 * All lines fit into `width` columns; what is longer is cut unless `full`. `utf8`: blocks and
 * lines; else ASCII. Returns whether something was cut. */
bool weir_timeline_print(const json_t *steps, int64_t from_ms, int64_t to_ms, size_t width,
                         bool utf8, bool full);
/* Appends what fits into `width` columns; false where it was cut, which an ellipsis shows. */
bool weir_timeline_fit(struct weir_text *line, const char *text, size_t width, bool utf8);
/* Whether the terminal's locale says that it takes UTF-8. */
bool weir_timeline_utf8(void);

#endif
