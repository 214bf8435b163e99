/* The building anew of a read model beside the live one, as far as it needs the handlers.
 *
 *   check that no event is missing ─► fold from the first event on ─► level with the live model ─►
 *   swap key by key (or compare) ─► look for keys that only the old model has ─► clear up
 *
 * What follows the folding is done by the server, piece by piece; whoever has the turn asks for the
 * next piece. Everything that is to survive this process stands on the server. */
#ifndef WEIR_PROJECTION_REBUILD_H
#define WEIR_PROJECTION_REBUILD_H

#include "projection/history.h"
#include "projection/runner.h"
#include "projection/turn.h"

enum weir_rebuild_state {
    WEIR_REBUILD_OFF,
    WEIR_REBUILD_CHECKING, /* whether the events are all there */
    WEIR_REBUILD_BUILDING, /* the runner folds, rests, or is stopped by an event */
    WEIR_REBUILD_STEPPING, /* a piece of the rest is under way */
};

struct weir_rebuild {
    struct weir_projection *projection;
    struct weir_runner runner;
    enum weir_rebuild_state state;
    char id[64], task[16]; /* of the one that is known; "": none */
    struct weir_history history;
    int64_t retry_at; /* monotonic ms: when a stopped one is tried again */
    char retry[24];
    ev_timer again;
    bool told;
    int64_t told_at; /* monotonic ms: when the sources were last told how it is with it */
};

void weir_rebuild_open(struct weir_rebuild *rebuild, struct weir_projection *projection);
/* Does what operators want, where it is this process's turn. */
void weir_rebuild_follow(struct weir_rebuild *rebuild, const struct weir_wishes *wishes, bool mine);
void weir_rebuild_close(struct weir_rebuild *rebuild);

#endif
