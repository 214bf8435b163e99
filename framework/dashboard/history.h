/* The last hour: how much was done, and how much waited, every ten seconds, in memory. */
#ifndef WEIR_DASHBOARD_HISTORY_H
#define WEIR_DASHBOARD_HISTORY_H

#include <stdint.h>

#include "base/text.h"
#include "dashboard/board.h"

#define WEIR_HISTORY_EVERY_MS 10000
#define WEIR_HISTORY_KEPT 361 /* an hour with both its ends */

struct weir_history;

/* Asks the board for the overview every ten seconds. NULL without memory. */
struct weir_history *weir_history_open(struct ev_loop *loop, struct weir_board *board);
void weir_history_close(struct weir_history *history);

/* One sample from the JSON of `weir top`; what holds no overview adds none. */
void weir_history_add(struct weir_history *history, const char *json, size_t length);

/* {"every": 10000, "since": ms or null, "fields": [names], "samples": [[at, …], …]}, oldest first;
 * times by the server's clock; null for what was not known. */
void weir_history_append(const struct weir_history *history, struct weir_text *text);
/* The JSON that the last sample is of, valid until the next; `at` NULL: there is none yet. */
struct weir_slice weir_history_overview(const struct weir_history *history, int64_t *at_ms);
/* Grows with each sample. */
uint64_t weir_history_version(const struct weir_history *history);

#endif
