/* What is counted and measured, and how Prometheus reads it.
 *
 * A family is a metric's name; its series differ by the values of its labels. Whoever counts looks
 * his series up once, by those values, and counts by the handle that he was given: a number in
 * memory, without locks, for one thread. How many series a family may have is bounded: values from
 * outside that come beyond that are counted together, under the value "other".
 *
 * Families and handles are never NULL: without memory for one what is counted there is lost, and
 * nothing else. */
#ifndef WEIR_BASE_METRICS_H
#define WEIR_BASE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define WEIR_METRIC_LABELS_MAX 4
#define WEIR_METRIC_BOUNDS_MAX 24
#define WEIR_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct weir_metrics;
struct weir_family;

/* Only ever grows. */
struct weir_counter {
    uint64_t value;
};

/* A state; left out of the text while it is not known. */
struct weir_gauge {
    double value;
    bool known;
};

/* How long something took: how many times up to each bound, and all together. */
struct weir_histogram {
    const int64_t *bounds_ns; /* ascending */
    unsigned bound_count;
    uint64_t sum_ns;
    uint64_t counts[WEIR_METRIC_BOUNDS_MAX + 1]; /* the last: beyond every bound */
};

/* What a family is made of; texts are borrowed for ever (literals). */
struct weir_family_about {
    const char *name, *help;
    const char *labels[WEIR_METRIC_LABELS_MAX + 1]; /* ends with NULL */
    /* Place among the labels of the one whose values come from outside; its value becomes "other"
     * where the family is full. */
    unsigned outside;
    unsigned series_max;      /* 0: 256; "other" comes on top, once for each of the other labels */
    const int64_t *bounds_ns; /* of a histogram; borrowed for ever */
    unsigned bound_count;     /* WEIR_METRIC_BOUNDS_MAX at most */
};

/* NULL: no memory. */
struct weir_metrics *weir_metrics_new(void);
/* All handles end with it. NULL is fine. */
void weir_metrics_free(struct weir_metrics *metrics);

/* Adds a family, in the order in which they are to be shown; one of that name that is there already
 * is returned, unless it is of another kind or has other labels: then what is counted is lost. */
struct weir_family *weir_metrics_counters(struct weir_metrics *metrics,
                                          const struct weir_family_about *about);
struct weir_family *weir_metrics_gauges(struct weir_metrics *metrics,
                                        const struct weir_family_about *about);
struct weir_family *weir_metrics_histograms(struct weir_metrics *metrics,
                                            const struct weir_family_about *about);

/* The series with these values, one for each label, which are copied; the same values give the same
 * series. */
struct weir_counter *weir_family_counter(struct weir_family *family, const char *const *values);
struct weir_gauge *weir_family_gauge(struct weir_family *family, const char *const *values);
struct weir_histogram *weir_family_histogram(struct weir_family *family, const char *const *values);

/* All gauges of the family are not known any more. */
void weir_family_forget(struct weir_family *family);
void weir_gauge_set(struct weir_gauge *gauge, double value);

static inline void weir_count(struct weir_counter *counter)
{
    counter->value++;
}

static inline void weir_observe(struct weir_histogram *histogram, int64_t took_ns)
{
    unsigned place = 0;
    while (place < histogram->bound_count && took_ns > histogram->bounds_ns[place])
        place++;
    histogram->counts[place]++;
    histogram->sum_ns += took_ns > 0 ? (uint64_t)took_ns : 0;
}

/* Appends all of it in Prometheus' text form. Families without a series are left out. */
void weir_metrics_write(const struct weir_metrics *metrics, struct weir_text *out);

#endif
