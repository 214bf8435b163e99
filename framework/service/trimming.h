/* Removes the service's events that are old or too many, never past a reader, and says which reader
 * keeps events for longer than that. */
#ifndef WEIR_SERVICE_TRIMMING_H
#define WEIR_SERVICE_TRIMMING_H

#include "service/service.h"
#include "stream/periodic.h"

struct weir_trimming {
    const struct weir_runtime *runtime;
    struct weir_periodic calls;
    char events[512], readers[512]; /* keys */
    char held_by[256];              /* the reader last told of; "": events are not held back */
    int64_t told_ms;                /* server's time when that was said; 0: never */
};

void weir_trimming_init(struct weir_trimming *trimming, const struct weir_runtime *runtime);
void weir_trimming_start(struct weir_trimming *trimming);
void weir_trimming_stop(struct weir_trimming *trimming);

#endif
