/* How many sagas of which definition are in which state, for the metrics.
 *
 * The server counts states, not definitions, and a count of those in every transition would cost
 * all sagas something. So the totals of the states are exact, and what part of them each
 * definition has is exact up to WEIR_CENSUS_SAMPLE sagas in a state, beyond that by a sample of so
 * many, drawn by chance. */
#ifndef WEIR_COORDINATOR_CENSUS_H
#define WEIR_COORDINATOR_CENSUS_H

#include "base/metrics.h"
#include "redis/key_names.h"
#include "saga/transition.h"
#include "service/collection.h"

#define WEIR_CENSUS_SAMPLE 1000
#define WEIR_CENSUS_DEFINITIONS_MAX 100
#define WEIR_CENSUS_STATES 5

struct weir_census_share {
    char definition[65]; /* "other" for what has no place here, or no hash */
    size_t sampled;
};

/* One state in one census. */
struct weir_census_state {
    struct weir_census *census;
    enum weir_saga_state state;
    char key[WEIR_KEY_MAX];
    int64_t total;
    size_t drawn, answered;
    bool torn; /* some answers are missing: nothing is told */
    struct weir_census_share shares[WEIR_CENSUS_DEFINITIONS_MAX + 1];
    size_t share_count;
};

struct weir_census {
    const char *prefix;                 /* borrowed */
    struct weir_collection *collection; /* borrowed */
    struct weir_family *family;         /* NULL: not asked for yet */
    int64_t taken_ms;                   /* monotonic */
    struct weir_census_state states[WEIR_CENSUS_STATES];
};

/* Takes a census where the last one is not recent; a component's `measure`. */
void weir_census_measure(struct weir_census *census, const char *prefix,
                         struct weir_metrics *metrics, struct weir_collection *collection);

#endif
