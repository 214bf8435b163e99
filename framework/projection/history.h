/* Whether the events of a projection's sources are all still there, from the first one on. */
#ifndef WEIR_PROJECTION_HISTORY_H
#define WEIR_PROJECTION_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "projection/source.h"

struct weir_projection;

struct weir_history {
    struct weir_projection *projection;
    bool under_way;
    size_t answers_owed;
    bool lost;              /* an answer was; nothing is known */
    int64_t total, missing; /* events that are there, and that were there and are gone */
    char missing_in[WEIR_KEY_MAX];
    struct weir_history_look {
        struct weir_history *history;
        size_t source;
    } looks[WEIR_PROJECTION_SOURCES_MAX];
    void *user;
    void (*known)(void *user); /* once for each look, unless the connection was lost */
};

/* Looks; WEIR_UNAVAILABLE where there is no connection. Does nothing while a look is under way. */
WEIR_CHECKED enum weir_status weir_history_look(struct weir_history *history,
                                                struct weir_projection *projection);

#endif
