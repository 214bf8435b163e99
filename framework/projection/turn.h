/* Whose turn it is: of several processes with one projection one runs it, the others stand by. */
#ifndef WEIR_PROJECTION_TURN_H
#define WEIR_PROJECTION_TURN_H

#include <stdbool.h>

#include "redis/entry_id.h"
#include "redis/key_names.h"
#include "stream/periodic.h"

struct weir_projection;

/* What operators want, as the server holds it. */
struct weir_wishes {
    char rebuild[64], task[16], phase[16]; /* "": none */
    bool paused;
    bool incomplete; /* although events are missing */
    bool counted;    /* how many events there are has been noted */
    char skip[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX];
    char retry[24];
    int64_t deaths; /* of those who have had the turn, since it last ran well */
    int64_t trying_deaths, trying_anew_deaths;     /* the last ones, in a row, at the same event */
    char trying[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX]; /* "<stream> <entry>", in announced folding */
    char trying_anew[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX]; /* the same of the rebuild */
};

struct weir_turn {
    struct weir_projection *projection;
    struct weir_periodic periodic;
    char life[24]; /* how long the turn lasts without being said again, in ms */
    bool mine, leaving;
    bool answered;         /* the server has said once whose turn it is */
    bool stood_back;       /* the last call did not ask for the turn */
    bool yielded;          /* nor did the one before it: what comes back is nobody's death */
    int64_t entered_at;    /* monotonic ms: in the register, and with the sources */
    int64_t stopped_until; /* monotonic ms: till then somebody else may try; 0: not stopped */
    struct weir_wishes wishes;
};

void weir_turn_open(struct weir_turn *turn, struct weir_projection *projection);
/* The runner's state has changed: says so at once. */
void weir_turn_report(struct weir_turn *turn);
/* Gives the turn to whoever stands by; `mine` is false when that is done. */
void weir_turn_leave(struct weir_turn *turn);
void weir_turn_close(struct weir_turn *turn);

#endif
