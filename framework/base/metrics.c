/* What is counted and measured: families and their series. */
#include "base/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/index.h"
#include "base/metrics_inside.h"

#define SERIES_MAX 256
#define OTHER "other"

struct weir_metrics *weir_metrics_new(void)
{
    return calloc(1, sizeof(struct weir_metrics));
}

static void free_series(struct weir_series *series)
{
    free(series->values);
    free(series);
}

static void free_family(struct weir_family *family)
{
    for (size_t i = 0; i < family->count; i++)
        free_series(family->series[i]);
    free(family->series);
    weir_index_close(&family->index);
    free(family);
}

void weir_metrics_free(struct weir_metrics *metrics)
{
    if (metrics == NULL)
        return;
    while (metrics->first != NULL) {
        struct weir_family *family = metrics->first;
        metrics->first = family->next;
        free_family(family);
    }
    free(metrics);
}

static unsigned labels_of(const struct weir_family_about *about)
{
    unsigned count = 0;
    while (about->labels[count] != NULL)
        count++;
    return count;
}

/* ---- Families ---------------------------------------------------------------------------------
 */

static struct weir_family *add_family(struct weir_metrics *metrics,
                                      const struct weir_family_about *about,
                                      enum weir_family_kind kind)
{
    struct weir_family *family, **end = &metrics->first;
    for (; *end != NULL; end = &(*end)->next)
        if (strcmp((*end)->about.name, about->name) == 0)
            return (*end)->kind == kind && (*end)->label_count == labels_of(about)
                       ? *end
                       : &metrics->nowhere[kind];
    family = calloc(1, sizeof *family);
    if (family == NULL)
        return &metrics->nowhere[kind];
    family->about = *about;
    family->kind = kind;
    if (family->about.series_max == 0)
        family->about.series_max = SERIES_MAX;
    family->label_count = labels_of(about);
    /* What is counted where memory has run out. */
    family->lost.histogram.bounds_ns = about->bounds_ns;
    family->lost.histogram.bound_count = about->bound_count;
    return *end = family;
}

struct weir_family *weir_metrics_counters(struct weir_metrics *metrics,
                                          const struct weir_family_about *about)
{
    return add_family(metrics, about, WEIR_FAMILY_COUNTERS);
}

struct weir_family *weir_metrics_gauges(struct weir_metrics *metrics,
                                        const struct weir_family_about *about)
{
    return add_family(metrics, about, WEIR_FAMILY_GAUGES);
}

struct weir_family *weir_metrics_histograms(struct weir_metrics *metrics,
                                            const struct weir_family_about *about)
{
    return add_family(metrics, about, WEIR_FAMILY_HISTOGRAMS);
}

/* ---- Series -----------------------------------------------------------------------------------
 */

static uint32_t hash_of(const struct weir_family *family, const char *const *values)
{
    uint32_t hash = WEIR_HASH_BEGIN;
    for (unsigned i = 0; i < family->label_count; i++)
        hash = weir_hash_of(hash, values[i], strlen(values[i]) + 1);
    return hash;
}

static bool has_values(const struct weir_family *family, const struct weir_series *series,
                       const char *const *values)
{
    const char *at = series->values;
    for (unsigned i = 0; i < family->label_count; i++) {
        if (strcmp(at, values[i]) != 0)
            return false;
        at += strlen(at) + 1;
    }
    return true;
}

static struct weir_series *find(const struct weir_family *family, const char *const *values,
                                uint32_t hash)
{
    size_t probe, place = weir_index_first(&family->index, hash, &probe);
    while (place != WEIR_INDEX_END && !has_values(family, family->series[place], values))
        place = weir_index_next(&family->index, hash, &probe);
    return place != WEIR_INDEX_END ? family->series[place] : NULL;
}

static char *copy_values(const struct weir_family *family, const char *const *values)
{
    size_t length = 1;
    for (unsigned i = 0; i < family->label_count; i++)
        length += strlen(values[i]) + 1;
    char *copied = malloc(length), *at = copied;
    for (unsigned i = 0; copied != NULL && i < family->label_count; i++) {
        size_t part = strlen(values[i]) + 1;
        memcpy(at, values[i], part);
        at += part;
    }
    return copied;
}

static bool make_room(struct weir_family *family)
{
    if (family->count < family->capacity)
        return true;
    size_t capacity = family->capacity > 0 ? 2 * family->capacity : 8;
    struct weir_series **grown = realloc(family->series, capacity * sizeof(struct weir_series *));
    if (grown == NULL)
        return false;
    family->series = grown;
    family->capacity = capacity;
    return true;
}

static struct weir_series *add(struct weir_family *family, const char *const *values, uint32_t hash)
{
    struct weir_series *series = calloc(1, weir_series_size(family->kind));
    if (series == NULL)
        return NULL;
    series->values = copy_values(family, values);
    if (series->values == NULL || !make_room(family) ||
        !weir_index_add(&family->index, hash, family->count)) {
        free_series(series);
        return NULL;
    }
    if (family->kind == WEIR_FAMILY_HISTOGRAMS) {
        series->histogram.bounds_ns = family->about.bounds_ns;
        series->histogram.bound_count = family->about.bound_count;
    }
    return family->series[family->count++] = series;
}

/* A full family has "other" for what comes from outside; were the other labels' values without end,
 * too, the rest would be lost. */
static struct weir_series *find_or_add(struct weir_family *family, const char *const *values)
{
    const char *replaced[WEIR_METRIC_LABELS_MAX];
    uint32_t hash = hash_of(family, values);
    struct weir_series *series = find(family, values, hash);
    if (series == NULL && family->count >= family->about.series_max && family->label_count > 0) {
        memcpy(replaced, values, family->label_count * sizeof *values);
        replaced[family->about.outside] = OTHER;
        values = replaced;
        hash = hash_of(family, values);
        series = find(family, values, hash);
    }
    if (series == NULL && family->count < 2 * (size_t)family->about.series_max)
        series = add(family, values, hash);
    return series != NULL ? series : &family->lost;
}

struct weir_counter *weir_family_counter(struct weir_family *family, const char *const *values)
{
    return &find_or_add(family, values)->counter;
}

struct weir_gauge *weir_family_gauge(struct weir_family *family, const char *const *values)
{
    return &find_or_add(family, values)->gauge;
}

struct weir_histogram *weir_family_histogram(struct weir_family *family, const char *const *values)
{
    return &find_or_add(family, values)->histogram;
}

/* ---- Gauges -----------------------------------------------------------------------------------
 */

void weir_gauge_set(struct weir_gauge *gauge, double value)
{
    gauge->value = value;
    gauge->known = true;
}

void weir_family_forget(struct weir_family *family)
{
    for (size_t i = 0; i < family->count; i++)
        family->series[i]->gauge.known = false;
}
