/* Places in an array, found by a hash: for arrays that may grow too long to be searched. The index
 * knows hashes and places only; whether what lies there is what was looked for, its user says:
 *
 *     size_t probe, place = weir_index_first(&index, hash, &probe);
 *     while (place != WEIR_INDEX_END && !is_it(place))
 *         place = weir_index_next(&index, hash, &probe);
 *
 * Up to WEIR_INDEX_FROM elements a search from end to end is as fast, and needs none. */
#ifndef WEIR_BASE_INDEX_H
#define WEIR_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define WEIR_INDEX_FROM 16
#define WEIR_INDEX_END ((size_t)-1)
#define WEIR_HASH_BEGIN 2166136261u

/* `{0}` is an empty one, of which there may be thousands. */
struct weir_index {
    struct weir_index_table {
        uint32_t count, capacity;
        uint32_t round; /* slots of earlier rounds are free */
        struct weir_index_slot {
            uint32_t hash, place;
            uint32_t round; /* in which it was taken; 0: never */
        } slots[];
    } * table; /* NULL: nothing has been added yet */
};

/* `hash` is WEIR_HASH_BEGIN, or that of the bytes before these. */
uint32_t weir_hash_of(uint32_t hash, const char *bytes, size_t length);

size_t weir_index_count(const struct weir_index *index);
/* Adds a place under its hash. False without memory: then it is not there, and all others are. */
WEIR_CHECKED bool weir_index_add(struct weir_index *index, uint32_t hash, size_t place);
/* The places that were added with this hash, in turn; WEIR_INDEX_END behind the last. */
size_t weir_index_first(const struct weir_index *index, uint32_t hash, size_t *probe);
size_t weir_index_next(const struct weir_index *index, uint32_t hash, size_t *probe);
/* Empties it at once, however large it is, and keeps the memory. */
void weir_index_clear(struct weir_index *index);
void weir_index_close(struct weir_index *index);

#endif
