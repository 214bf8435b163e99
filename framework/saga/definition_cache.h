/* The definitions that a process has read. A version's content is recognised by its checksum,
 * so that a definition put by hand under an old number is not mistaken for the earlier one. */
#ifndef WEIR_SAGA_DEFINITION_CACHE_H
#define WEIR_SAGA_DEFINITION_CACHE_H

#include <stdint.h>

#include "base/text.h"
#include "saga/definition.h"

#define WEIR_DEFINITION_CACHE_MAX 256

struct weir_definition_cache {
    struct weir_cached_definition {
        struct weir_saga_definition *definition;
        uint32_t checksum;
        uint64_t used; /* the least recently used one makes room */
    } entries[WEIR_DEFINITION_CACHE_MAX];
    size_t count;
    uint64_t uses;
};

uint32_t weir_definition_checksum(const char *json, size_t length);
/* NULL where it is not there. Borrowed until the next call that adds. */
const struct weir_saga_definition *weir_definition_cache_find(struct weir_definition_cache *cache,
                                                              const char *name, int64_t version,
                                                              uint32_t checksum);
/* Parses the JSON and keeps it. It has to carry that name and version. NULL with an error. */
WEIR_CHECKED const struct weir_saga_definition *
weir_definition_cache_add(struct weir_definition_cache *cache, const char *name, int64_t version,
                          struct weir_slice json, struct weir_error *error);
void weir_definition_cache_close(struct weir_definition_cache *cache);

#endif
