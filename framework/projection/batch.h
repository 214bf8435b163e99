/* The events that a runner has in hand. */
#ifndef WEIR_PROJECTION_BATCH_H
#define WEIR_PROJECTION_BATCH_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "redis/entry_id.h"
#include "message/envelope.h"
#include "projection/source.h"
#include "service/event_version.h"

/* Where a runner stands in one source. "": nothing applied yet. */
struct weir_position {
    char at[WEIR_ENTRY_ID_MAX];       /* last entry applied */
    char next[WEIR_ENTRY_ID_MAX];     /* the same after the batch in hand */
    char bound[WEIR_ENTRY_ID_MAX];    /* not to be passed, where the runner is bounded */
    char reported[WEIR_ENTRY_ID_MAX]; /* as last told to the source */
};

struct weir_folded {
    weir_message *message;
    size_t source;
    char *problem;                     /* why it cannot be understood; NULL: it is */
    bool discarded;                    /* the handler says that it cannot be */
    enum weir_version_verdict version; /* FITS unless the program is too old, or too new, for it */
};

struct weir_batch {
    struct weir_folded *events;
    size_t count, capacity;
    bool full; /* a source gave as many as were asked for: there may be more */
};

/* Takes the entries from the answer of XREAD with `limit` for each stream; with `bounds`, those up
 * to each source's bound. False: no memory. */
bool weir_batch_take(struct weir_batch *batch, const struct weir_sources *sources,
                     const redisReply *reply, size_t limit, const struct weir_position *bounds);
/* Lets go of events from the end on until `count` are left. */
void weir_batch_cut(struct weir_batch *batch, size_t count);
void weir_batch_close(struct weir_batch *batch);

#endif
