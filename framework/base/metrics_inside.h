/* How the registry lies in memory, for the files that keep and write it. */
#ifndef WEIR_BASE_METRICS_INSIDE_H
#define WEIR_BASE_METRICS_INSIDE_H

#include "base/index.h"
#include "base/metrics.h"

enum weir_family_kind { WEIR_FAMILY_COUNTERS, WEIR_FAMILY_GAUGES, WEIR_FAMILY_HISTOGRAMS };

struct weir_series {
    char *values; /* one behind the other, each with its NUL */
    union {
        struct weir_counter counter;
        struct weir_gauge gauge;
        struct weir_histogram
            histogram; /* by far the largest: the others are cut short before it */
    };
};

static inline size_t weir_series_size(enum weir_family_kind kind)
{
    return kind == WEIR_FAMILY_HISTOGRAMS
               ? sizeof(struct weir_series)
               : offsetof(struct weir_series, gauge) + sizeof(struct weir_gauge);
}

struct weir_family {
    struct weir_family_about about;
    enum weir_family_kind kind;
    unsigned label_count;
    struct weir_series **series; /* in the order in which they were first asked for */
    size_t count, capacity;
    struct weir_index index; /* of them, by their values */
    struct weir_series lost; /* what could not be kept apart */
    struct weir_family *next;
};

struct weir_metrics {
    struct weir_family *first;
    /* One of each kind, for those that memory could not hold or whose name is another's already;
     * they have no series. */
    struct weir_family nowhere[WEIR_FAMILY_HISTOGRAMS + 1];
};

#endif
