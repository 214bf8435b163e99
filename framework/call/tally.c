/* Counts errands by kind and by how they ended. */
#include "call/tally.h"

#include "base/clock.h"

#define US INT64_C(1000)
#define MS (1000 * US)
#define S (1000 * MS)

const int64_t weir_tally_bounds_ns[WEIR_TALLY_BOUNDS] = {
    250 * US, 500 * US, 1 * MS,   2500 * US, 5 * MS,    10 * MS, 25 * MS, 50 * MS,
    100 * MS, 250 * MS, 500 * MS, 1 * S,     2500 * MS, 5 * S,   10 * S,  30 * S};

static const char *const kinds[WEIR_COUNTS] = {
    [WEIR_COUNTS_STARTING] = "start", [WEIR_COUNTS_STANDING] = "saga",
    [WEIR_COUNTS_SENDING] = "call",   [WEIR_COUNTS_CURRENT] = "current",
    [WEIR_COUNTS_READING] = "read",   [WEIR_COUNTS_LAYING_DOWN] = "lay_down",
};
static const char *const outcomes[WEIR_ERRAND_ENDS] = {
    [WEIR_ERRAND_ANSWERED] = "answered",
    [WEIR_ERRAND_TIMED_OUT] = "timed-out",
    [WEIR_ERRAND_UNREACHABLE] = "unreachable",
};

static const struct weir_family_about calls = {
    .name = "weir_calls_total",
    .help = "What a program outside has asked of the server, by what came of it.",
    .labels = {"service", "kind", "outcome"},
};
static const struct weir_family_about seconds = {
    .name = "weir_call_seconds",
    .help = "From when it was handed in until its answer.",
    .labels = {"service", "kind"},
    .bounds_ns = weir_tally_bounds_ns,
    .bound_count = WEIR_TALLY_BOUNDS,
};
static const struct weir_family_about reconnects = {
    .name = "weir_reconnects_total",
    .help = "Connections to the server that were lost and are there again.",
    .labels = {"service", "link"},
};

void weir_tally_begin(struct weir_tally *tally)
{
    *tally = (struct weir_tally){0};
    for (size_t i = 0; i < WEIR_COUNTS; i++) {
        tally->took[i].bounds_ns = weir_tally_bounds_ns;
        tally->took[i].bound_count = WEIR_TALLY_BOUNDS;
    }
}

void weir_tally_take(struct weir_tally *tally, const struct weir_errand *errand)
{
    enum weir_counts counts = errand->kind->counts;
    if (counts == WEIR_COUNTS_NOTHING)
        return;
    tally->ends[counts][errand->end] += errand->weight;
    weir_observe(&tally->took[counts], weir_clock_monotonic_ns() - errand->begun_ns);
}

void weir_tally_show(const struct weir_tally *tally, const char *service,
                     struct weir_metrics *metrics)
{
    struct weir_family *ends = weir_metrics_counters(metrics, &calls);
    struct weir_family *took = weir_metrics_histograms(metrics, &seconds);
    struct weir_family *links = weir_metrics_counters(metrics, &reconnects);
    for (size_t i = WEIR_COUNTS_NOTHING + 1; i < WEIR_COUNTS; i++) {
        const char *values[] = {service, kinds[i], NULL};
        *weir_family_histogram(took, values) = tally->took[i];
        for (size_t j = 0; j < WEIR_ERRAND_ENDS; j++) {
            values[2] = outcomes[j];
            weir_family_counter(ends, values)->value = tally->ends[i][j];
        }
    }
    weir_family_counter(links, (const char *const[]){service, "desk"})->value =
        tally->connections > 0 ? tally->connections - 1 : 0;
}
