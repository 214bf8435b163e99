/* Ids of stream entries, "<ms>-<sequence>", compared as numbers. */
#ifndef WEIR_REDIS_ENTRY_ID_H
#define WEIR_REDIS_ENTRY_ID_H

#include "base/text.h"

#define WEIR_ENTRY_ID_MAX 48 /* bytes of its text with the final NUL */

struct weir_entry_id {
    uint64_t ms, sequence;
};

/* False where it is not two decimal numbers within 64 bits, without leading zeros, with a '-'
 * between them. */
WEIR_CHECKED bool weir_entry_id_read(struct weir_slice text, struct weir_entry_id *id);
bool weir_entry_id_less(const struct weir_entry_id *one, const struct weir_entry_id *other);

/* How a stream's newest id stands to the server's clock: later ids are never smaller. */
enum weir_stream_ids { WEIR_IDS_FINE, WEIR_IDS_AHEAD, WEIR_IDS_EXHAUSTED };
/* Ahead is more than a minute: clocks of servers that take over from each other differ by less.
 * `now_ms` is 0 where it is not known: then only the end counts. */
enum weir_stream_ids weir_entry_id_judge(const struct weir_entry_id *last, int64_t now_ms);

#endif
