/* An index of places in an array: open addressing, probed slot by slot, at most half full. */
#include "base/index.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_AT_FIRST 64

struct weir_index_slot {
    uint32_t hash, place;
    uint32_t round; /* in which it was taken; 0: never */
};

uint32_t weir_hash_of(uint32_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u; /* FNV-1a */
    return hash;
}

/* The low bits of FNV-1a know nothing of the high bits of what went in. */
static size_t home_of(const struct weir_index *index, uint32_t hash)
{
    hash ^= hash >> 16;
    hash *= 2246822507u;
    hash ^= hash >> 13;
    return hash & (index->capacity - 1);
}

static bool taken(const struct weir_index *index, size_t at)
{
    return index->slots[at].round == index->round + 1;
}

static void put(struct weir_index *index, uint32_t hash, uint32_t place)
{
    size_t at = home_of(index, hash);
    while (taken(index, at))
        at = (at + 1) & (index->capacity - 1);
    index->slots[at] = (struct weir_index_slot){hash, place, index->round + 1};
    index->count++;
}

static bool grow(struct weir_index *index)
{
    struct weir_index grown = {.capacity =
                                   index->capacity ? 2 * index->capacity : CAPACITY_AT_FIRST};
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (size_t i = 0; i < index->capacity; i++)
        if (taken(index, i))
            put(&grown, index->slots[i].hash, index->slots[i].place);
    free(index->slots);
    *index = grown;
    return true;
}

bool weir_index_add(struct weir_index *index, uint32_t hash, size_t place)
{
    if (place >= UINT32_MAX)
        return false;
    if (2 * (index->count + 1) > index->capacity && !grow(index))
        return false;
    put(index, hash, (uint32_t)place);
    return true;
}

/* The next slot from `at` on that has this hash; `probe` is set behind it. */
static size_t search(const struct weir_index *index, uint32_t hash, size_t at, size_t *probe)
{
    for (; taken(index, at); at = (at + 1) & (index->capacity - 1))
        if (index->slots[at].hash == hash) {
            *probe = (at + 1) & (index->capacity - 1);
            return index->slots[at].place;
        }
    *probe = at;
    return WEIR_INDEX_END;
}

size_t weir_index_first(const struct weir_index *index, uint32_t hash, size_t *probe)
{
    *probe = 0;
    return index->count > 0 ? search(index, hash, home_of(index, hash), probe) : WEIR_INDEX_END;
}

size_t weir_index_next(const struct weir_index *index, uint32_t hash, size_t *probe)
{
    return index->count > 0 ? search(index, hash, *probe, probe) : WEIR_INDEX_END;
}

void weir_index_clear(struct weir_index *index)
{
    if (index->count == 0)
        return;
    index->count = 0;
    index->round++;
    if (index->round < UINT32_MAX)
        return;
    memset(index->slots, 0, index->capacity * sizeof *index->slots);
    index->round = 0;
}

void weir_index_close(struct weir_index *index)
{
    free(index->slots);
    memset(index, 0, sizeof *index);
}
