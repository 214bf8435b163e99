/* What has been loaded of the service's state before a handler runs. */
#include "redis/snapshot.h"

#include <stdlib.h>
#include <string.h>

#define NONE ((size_t)-1)

static uint32_t hash_of(const char *key)
{
    return weir_hash_of(WEIR_HASH_BEGIN, key, strlen(key));
}

static size_t search(const struct weir_snapshot *snapshot, const char *key)
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (strcmp(snapshot->hashes[i].key, key) == 0)
            return i;
    return NONE;
}

static size_t look_up(const struct weir_snapshot *snapshot, const char *key)
{
    uint32_t hash = hash_of(key);
    size_t probe, place = weir_index_first(&snapshot->index, hash, &probe);
    while (place != WEIR_INDEX_END && strcmp(snapshot->hashes[place].key, key) != 0)
        place = weir_index_next(&snapshot->index, hash, &probe);
    return place != WEIR_INDEX_END ? place : NONE;
}

static size_t find(const struct weir_snapshot *snapshot, const char *key)
{
    return weir_index_count(&snapshot->index) == snapshot->count ? look_up(snapshot, key)
                                                                 : search(snapshot, key);
}

/* Without memory the index stays behind, and keys are searched for until it has caught up. */
static void index_keys(struct weir_snapshot *snapshot)
{
    struct weir_index *index = &snapshot->index;
    while (snapshot->count > WEIR_INDEX_FROM && weir_index_count(index) < snapshot->count &&
           weir_index_add(index, hash_of(snapshot->hashes[weir_index_count(index)].key),
                          weir_index_count(index)))
        continue;
}

int weir_snapshot_add(struct weir_snapshot *snapshot, const char *key)
{
    struct weir_loaded *loaded;
    size_t place = find(snapshot, key);
    if (place != NONE)
        return (int)place;
    if (snapshot->count == snapshot->capacity) {
        uint32_t capacity = snapshot->capacity ? snapshot->capacity * 2 : 4;
        void *grown = realloc(snapshot->hashes, capacity * sizeof *snapshot->hashes);
        if (grown == NULL)
            return -1;
        snapshot->hashes = grown;
        snapshot->capacity = capacity;
    }
    loaded = &snapshot->hashes[snapshot->count];
    memset(loaded, 0, sizeof *loaded);
    loaded->key = strdup(key);
    if (loaded->key == NULL)
        return -1;
    snapshot->count++;
    index_keys(snapshot);
    return (int)(snapshot->count - 1);
}

/* Whether all are texts; the room that they take, with pointers to them. */
static bool texts_room(const redisReply *reply, size_t *room)
{
    struct weir_slice text;
    *room = reply->elements * sizeof(char *);
    for (size_t i = 0; i < reply->elements; i++) {
        if (!weir_reply_text(reply->element[i], &text))
            return false;
        *room += text.length + 1;
    }
    return true;
}

void weir_loaded_clear(struct weir_loaded *loaded)
{
    free(loaded->values);
    loaded->values = NULL;
    loaded->field_count = loaded->room = 0;
    loaded->loaded = false;
}

enum weir_status weir_snapshot_fill(struct weir_loaded *loaded, const redisReply *reply)
{
    char *at;
    size_t room;
    weir_loaded_clear(loaded);
    if (!weir_reply_array(reply, 0) || reply->elements % 2 != 0 || !texts_room(reply, &room))
        return WEIR_INVALID;
    if (reply->elements > 0 && (loaded->values = malloc(room)) == NULL)
        return WEIR_NO_MEMORY;
    loaded->loaded = true;
    if (reply->elements == 0)
        return WEIR_OK;
    at = (char *)(loaded->values + reply->elements); /* pointers first, then the texts */
    for (size_t i = 0; i < reply->elements; i++) {
        struct weir_slice text = {"", 0};
        (void)weir_reply_text(reply->element[i], &text);
        memcpy(at, text.at, text.length);
        at[text.length] = '\0';
        loaded->values[i] = at;
        at += text.length + 1;
    }
    loaded->field_count = reply->elements / 2;
    loaded->room = room;
    return WEIR_OK;
}

enum weir_status weir_loaded_copy(struct weir_loaded *to, const struct weir_loaded *from)
{
    char **values = from->field_count > 0 ? malloc(from->room) : NULL;
    if (from->field_count > 0 && values == NULL)
        return WEIR_NO_MEMORY;
    free(to->values);
    to->values = values;
    to->field_count = from->field_count;
    to->room = from->room;
    to->loaded = from->loaded;
    if (values == NULL)
        return WEIR_OK;
    memcpy(values, from->values, from->room);
    for (size_t i = 0; i < 2 * from->field_count; i++) /* they point into the block */
        values[i] = (char *)values + (from->values[i] - (char *)from->values);
    return WEIR_OK;
}

const struct weir_loaded *weir_snapshot_find(const struct weir_snapshot *snapshot, const char *key)
{
    size_t place = find(snapshot, key);
    return place != NONE ? &snapshot->hashes[place] : NULL;
}

const char *weir_loaded_value(const struct weir_loaded *loaded, const char *field)
{
    for (size_t i = 0; i < loaded->field_count; i++)
        if (strcmp(loaded->values[2 * i], field) == 0)
            return loaded->values[2 * i + 1];
    return NULL;
}

void weir_snapshot_clear(struct weir_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        free(snapshot->hashes[i].key);
        free(snapshot->hashes[i].values);
    }
    snapshot->count = 0;
    weir_index_clear(&snapshot->index);
}

void weir_snapshot_close(struct weir_snapshot *snapshot)
{
    weir_snapshot_clear(snapshot);
    free(snapshot->hashes);
    weir_index_close(&snapshot->index);
    memset(snapshot, 0, sizeof *snapshot);
}
