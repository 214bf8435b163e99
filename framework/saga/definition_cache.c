/* The definitions that a process has read. */
#include "saga/definition_cache.h"

#include <string.h>

uint32_t weir_definition_checksum(const char *json, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a; against mix-ups, not against forgers */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)json[i]) * 16777619u;
    return hash ? hash : 1;
}

const struct weir_saga_definition *weir_definition_cache_find(struct weir_definition_cache *cache,
                                                              const char *name, int64_t version,
                                                              uint32_t checksum)
{
    for (size_t i = 0; i < cache->count; i++) {
        struct weir_cached_definition *entry = &cache->entries[i];
        if (entry->checksum == checksum && entry->definition->version == version &&
            strcmp(entry->definition->name, name) == 0) {
            entry->used = ++cache->uses;
            return entry->definition;
        }
    }
    return NULL;
}

static struct weir_cached_definition *make_room(struct weir_definition_cache *cache)
{
    struct weir_cached_definition *oldest = &cache->entries[0];
    if (cache->count < WEIR_DEFINITION_CACHE_MAX)
        return &cache->entries[cache->count++];
    for (size_t i = 1; i < cache->count; i++)
        if (cache->entries[i].used < oldest->used)
            oldest = &cache->entries[i];
    weir_saga_definition_free(oldest->definition);
    return oldest;
}

const struct weir_saga_definition *weir_definition_cache_add(struct weir_definition_cache *cache,
                                                             const char *name, int64_t version,
                                                             struct weir_slice json,
                                                             struct weir_error *error)
{
    struct weir_saga_definition *definition;
    struct weir_cached_definition *entry;
    uint32_t checksum = weir_definition_checksum(json.at, json.length);
    const struct weir_saga_definition *known =
        weir_definition_cache_find(cache, name, version, checksum);
    if (known != NULL)
        return known;
    definition = weir_saga_definition_parse(json.at, json.length, error);
    if (definition == NULL)
        return NULL;
    if (strcmp(definition->name, name) != 0 || definition->version != version) {
        weir_error_set(error, WEIR_INVALID, "it calls itself %s version %lld", definition->name,
                       (long long)definition->version);
        weir_saga_definition_free(definition);
        return NULL;
    }
    entry = make_room(cache);
    *entry = (struct weir_cached_definition){definition, checksum, ++cache->uses};
    return definition;
}

void weir_definition_cache_close(struct weir_definition_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        weir_saga_definition_free(cache->entries[i].definition);
    cache->count = 0;
}
