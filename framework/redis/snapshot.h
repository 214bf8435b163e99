/* What has been loaded of the service's state before a handler runs. */
#ifndef WEIR_REDIS_SNAPSHOT_H
#define WEIR_REDIS_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/index.h"
#include "base/status.h"
#include "redis/reply.h"

struct weir_loaded {
    char *key;     /* whole key; owned */
    char **values; /* names and values in turn, terminated; one block; NULL: none */
    size_t field_count;
    size_t room; /* bytes of that block */
    bool loaded; /* the answer is here */
};

struct weir_snapshot {
    struct weir_loaded *hashes;
    uint32_t count, capacity;
    struct weir_index index; /* all keys, or, with few of them, none */
};

/* Adds a key to load; the same key twice is one. Returns its place, or -1 without memory. */
WEIR_CHECKED int weir_snapshot_add(struct weir_snapshot *snapshot, const char *key);
/* Takes the fields from the answer of HGETALL. WEIR_INVALID where it cannot be that: nothing is
 * loaded then. */
WEIR_CHECKED enum weir_status weir_snapshot_fill(struct weir_loaded *loaded,
                                                 const redisReply *reply);
/* Forgets the fields: as if nothing had been loaded. */
void weir_loaded_clear(struct weir_loaded *loaded);
/* The same fields, without the key. */
WEIR_CHECKED enum weir_status weir_loaded_copy(struct weir_loaded *to,
                                               const struct weir_loaded *from);
/* NULL where the key was not loaded. */
const struct weir_loaded *weir_snapshot_find(const struct weir_snapshot *snapshot, const char *key);
/* The field's value, borrowed; NULL: not there. */
const char *weir_loaded_value(const struct weir_loaded *loaded, const char *field);
/* Forgets all and keeps the room for keys. */
void weir_snapshot_clear(struct weir_snapshot *snapshot);
void weir_snapshot_close(struct weir_snapshot *snapshot);

#endif
