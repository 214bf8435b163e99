/* How far a projection is behind, for the metrics: by the age of the oldest event that it has not
 * applied, because that is what readers of the model wait, and the server tells it exactly and at
 * once; how many events those are would have to be counted one by one. */
#ifndef WEIR_PROJECTION_LAG_H
#define WEIR_PROJECTION_LAG_H

#include "service/collection.h"

struct weir_gauge;
struct weir_metrics;

/* Of one source. */
struct weir_lag_source {
    struct weir_collection *collection;
    struct weir_gauge *gauge;
};

/* A component's `measure`. */
void weir_lag_measure(void *projection, struct weir_metrics *metrics,
                      struct weir_collection *collection);

#endif
