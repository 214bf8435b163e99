/* Reads and compares ids of stream entries. */
#include "redis/entry_id.h"

#define AHEAD_MS 60000

#include <string.h>

static bool read_number(const char *at, size_t length, uint64_t *out)
{
    *out = 0;
    if (length == 0 || (length > 1 && at[0] == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (at[i] < '0' || at[i] > '9' || __builtin_mul_overflow(*out, UINT64_C(10), out) ||
            __builtin_add_overflow(*out, (uint64_t)(at[i] - '0'), out))
            return false;
    }
    return true;
}

bool weir_entry_id_read(struct weir_slice text, struct weir_entry_id *id)
{
    const char *dash = text.length > 0 ? memchr(text.at, '-', text.length) : NULL;
    size_t head = dash ? (size_t)(dash - text.at) : 0;
    return dash && read_number(text.at, head, &id->ms) &&
           read_number(dash + 1, text.length - head - 1, &id->sequence);
}

bool weir_entry_id_less(const struct weir_entry_id *one, const struct weir_entry_id *other)
{
    return one->ms < other->ms || (one->ms == other->ms && one->sequence < other->sequence);
}

enum weir_stream_ids weir_entry_id_judge(const struct weir_entry_id *last, int64_t now_ms)
{
    if (last->ms == UINT64_MAX)
        return WEIR_IDS_EXHAUSTED;
    return now_ms > 0 && last->ms > (uint64_t)now_ms + AHEAD_MS ? WEIR_IDS_AHEAD : WEIR_IDS_FINE;
}
