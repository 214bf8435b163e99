/* The definitions of the sagas whose commands come to this worker. One that is not at hand is
 * fetched beside; who asks does without it until it is there. */
#ifndef WEIR_SERVICE_DEFINITIONS_H
#define WEIR_SERVICE_DEFINITIONS_H

#include "saga/definition_cache.h"
#include "service/service.h"

struct weir_definitions {
    const struct weir_runtime *runtime; /* borrowed */
    struct weir_definition_cache cache;
    /* The last one fetched, or being fetched. */
    char name[80];
    int64_t version, asked_at; /* monotonic ms; 0: never */
    uint32_t checksum;
    bool fetching;
};

void weir_definitions_init(struct weir_definitions *definitions,
                           const struct weir_runtime *runtime);
/* NULL where it is not at hand: it is fetched then, unless that has failed just now. Borrowed until
 * the loop turns. */
const struct weir_saga_definition *weir_definitions_find(struct weir_definitions *definitions,
                                                         const char *name, int64_t version,
                                                         uint32_t checksum);
void weir_definitions_close(struct weir_definitions *definitions);

#endif
