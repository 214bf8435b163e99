/* How far a projection is behind. */
#include "projection/lag.h"

#include <stdio.h>

#include "base/metrics.h"
#include "projection/positions.h"
#include "projection/projection.h"
#include "redis/reply.h"

static const struct weir_family_about lag = {
    .name = "weir_projection_lag",
    .help = "Age in seconds of the oldest event of a source that is not in the read model; 0: all "
            "are.",
    .labels = {"service", "projection", "source"},
    .outside = 2,
};
static const struct weir_family_about applied = {
    .name = "weir_projection_events_total",
    .help = "Events that this process has applied to a read model.",
    .labels = {"service", "projection"},
    .outside = 1,
};

static void on_first(void *user, const redisReply *entries)
{
    struct weir_lag_source *source = user;
    double age = 0.;
    if (!weir_reply_array(entries, 0))
        return;
    if (entries->elements == 0 ||
        weir_collection_age(source->collection, weir_reply_at(weir_reply_at(entries, 0), 0), &age))
        weir_gauge_set(source->gauge, age);
}

/* Without a position it stands before the first event. What the positions tell of is counted by
 * now, as the answers come in order. */
static void on_positions(void *user, const redisReply *positions)
{
    struct weir_projection *projection = user;
    char from[WEIR_ENTRY_ID_MAX + 1];
    projection->applied->value = projection->live.applied;
    if (!weir_reply_array(positions, projection->sources.count))
        return;
    for (size_t i = 0; i < projection->sources.count; i++) {
        from[0] = '(';
        weir_position_copy(from + 1, positions->element[i]);
        if (from[1] == '\0')
            from[0] = '-';
        (void)!weir_collection_ask(
            projection->lag[i].collection, 6,
            (const char *[]){"XRANGE", projection->sources.at[i].stream, from, "+", "COUNT", "1"},
            on_first, &projection->lag[i]);
    }
}

void weir_lag_measure(void *self, struct weir_metrics *metrics, struct weir_collection *collection)
{
    struct weir_projection *projection = self;
    const struct weir_sources *sources = &projection->sources;
    const char *arguments[2 + WEIR_PROJECTION_SOURCES_MAX] = {"HMGET", projection->keys.live};
    const char *values[] = {projection->runtime->service, projection->name, NULL};
    struct weir_family *family = weir_metrics_gauges(metrics, &lag);
    projection->applied = weir_family_counter(weir_metrics_counters(metrics, &applied), values);
    projection->applied->value = projection->live.applied; /* should no answer come */
    for (size_t i = 0; i < sources->count; i++) {
        values[2] = sources->at[i].service;
        projection->lag[i] =
            (struct weir_lag_source){collection, weir_family_gauge(family, values)};
        projection->lag[i].gauge->known = false;
        arguments[2 + i] = sources->at[i].stream;
    }
    (void)!weir_collection_ask(collection, (int)(2 + sources->count), arguments, on_positions,
                               projection);
}
