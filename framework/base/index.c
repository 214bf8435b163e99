/* An index of places in an array: open addressing, probed slot by slot, at most half full. */
#include "base/index.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_AT_FIRST 64

uint32_t weir_hash_of(uint32_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u; /* FNV-1a */
    return hash;
}

size_t weir_index_count(const struct weir_index *index)
{
    return index->table != NULL ? index->table->count : 0;
}

/* The low bits of FNV-1a know nothing of the high bits of what went in. */
static size_t home_of(const struct weir_index_table *table, uint32_t hash)
{
    hash ^= hash >> 16;
    hash *= 2246822507u;
    hash ^= hash >> 13;
    return hash & (table->capacity - 1);
}

static bool taken(const struct weir_index_table *table, size_t at)
{
    return table->slots[at].round == table->round + 1;
}

static void put(struct weir_index_table *table, uint32_t hash, uint32_t place)
{
    size_t at = home_of(table, hash);
    while (taken(table, at))
        at = (at + 1) & (table->capacity - 1);
    table->slots[at] = (struct weir_index_slot){hash, place, table->round + 1};
    table->count++;
}

static bool grow(struct weir_index *index)
{
    struct weir_index_table *before = index->table, *grown;
    uint32_t capacity = before != NULL ? 2 * before->capacity : CAPACITY_AT_FIRST;
    grown = calloc(1, sizeof *grown + capacity * sizeof grown->slots[0]);
    if (grown == NULL)
        return false;
    grown->capacity = capacity;
    for (size_t i = 0; before != NULL && i < before->capacity; i++)
        if (taken(before, i))
            put(grown, before->slots[i].hash, before->slots[i].place);
    free(before);
    index->table = grown;
    return true;
}

bool weir_index_add(struct weir_index *index, uint32_t hash, size_t place)
{
    const struct weir_index_table *table = index->table;
    if (place >= UINT32_MAX)
        return false;
    if ((table == NULL || 2 * (table->count + 1) > table->capacity) && !grow(index))
        return false;
    put(index->table, hash, (uint32_t)place);
    return true;
}

/* The next slot from `at` on that has this hash; `probe` is set behind it. */
static size_t search(const struct weir_index_table *table, uint32_t hash, size_t at, size_t *probe)
{
    for (; taken(table, at); at = (at + 1) & (table->capacity - 1))
        if (table->slots[at].hash == hash) {
            *probe = (at + 1) & (table->capacity - 1);
            return table->slots[at].place;
        }
    *probe = at;
    return WEIR_INDEX_END;
}

size_t weir_index_first(const struct weir_index *index, uint32_t hash, size_t *probe)
{
    const struct weir_index_table *table = index->table;
    *probe = 0;
    return weir_index_count(index) > 0 ? search(table, hash, home_of(table, hash), probe)
                                       : WEIR_INDEX_END;
}

size_t weir_index_next(const struct weir_index *index, uint32_t hash, size_t *probe)
{
    return weir_index_count(index) > 0 ? search(index->table, hash, *probe, probe) : WEIR_INDEX_END;
}

void weir_index_clear(struct weir_index *index)
{
    struct weir_index_table *table = index->table;
    if (weir_index_count(index) == 0)
        return;
    table->count = 0;
    table->round++;
    if (table->round < UINT32_MAX)
        return;
    memset(table->slots, 0, table->capacity * sizeof table->slots[0]);
    table->round = 0;
}

void weir_index_close(struct weir_index *index)
{
    free(index->table);
    index->table = NULL;
}
