/* Asking again and again, with growing pauses, until a deadline. */
#ifndef WEIR_CALL_PATIENCE_H
#define WEIR_CALL_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "redis/client.h"

#define WEIR_PATIENCE_MAX_MS INT64_C(86400000)
#define WEIR_ANSWER_LIMIT_MS 5000 /* for an answer of the server, and for a connection */

struct weir_patience {
    int64_t deadline; /* monotonic ms */
    int64_t pause_ms;
};

/* Begins to wait for limit_ms, WEIR_PATIENCE_MAX_MS at the most. */
void weir_patience_begin(struct weir_patience *patience, int64_t limit_ms);
/* Pauses; false, at once, where the deadline is over. Once more is looked just before it. */
bool weir_patience_pause(struct weir_patience *patience);
/* Has the client wait for each answer until the deadline, but 200 ms at the least. */
void weir_patience_bind(const struct weir_patience *patience, struct weir_client *client);

#endif
