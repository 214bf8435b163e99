/* What a projection is about: the streams that it reads, the kinds of keys that it writes. */
#ifndef WEIR_PROJECTION_SOURCE_H
#define WEIR_PROJECTION_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "redis/key_names.h"

#define WEIR_PROJECTION_SOURCES_MAX 16
#define WEIR_PROJECTION_KINDS_MAX 1000

struct weir_sources {
    size_t count;
    struct weir_source {
        const char *service; /* borrowed */
        char *stream;        /* key of its events; owned */
    } at[WEIR_PROJECTION_SOURCES_MAX];
};

/* Adds a service once. False: too many. */
bool weir_sources_add(struct weir_sources *sources, const char *service);
/* Spells the streams' keys. False: no memory. */
bool weir_sources_name(struct weir_sources *sources, const char *prefix);
void weir_sources_close(struct weir_sources *sources);

/* The kinds of keys that a projection has written: what stands before the first ':'. The server
 * keeps them so that a rebuild finds keys of the old model that the new one has not. */
struct weir_kinds {
    size_t count, fresh; /* those from `fresh` on have not been told to the server */
    char *at[WEIR_PROJECTION_KINDS_MAX];
};

/* Notes the kind of a key's name. WEIR_TOO_LARGE or WEIR_NO_MEMORY. */
WEIR_CHECKED enum weir_status weir_kinds_add(struct weir_kinds *kinds, const char *name,
                                             size_t length);
/* All have been told; or those that have not are to be forgotten. */
void weir_kinds_told(struct weir_kinds *kinds);
void weir_kinds_drop_fresh(struct weir_kinds *kinds);
void weir_kinds_close(struct weir_kinds *kinds);

#endif
