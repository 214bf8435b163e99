/* What a worker counts and measures where --metrics was given. */
#include "service/measures.h"

#include <stdlib.h>

#define US INT64_C(1000)
#define MS (1000 * US)
#define S (1000 * MS)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define DEFINITIONS_MAX 100
#define OTHER "other"

static const int64_t short_bounds[] = {50 * US,  100 * US, 250 * US,  500 * US, 1 * MS,   2500 * US,
                                       5 * MS,   10 * MS,  25 * MS,   50 * MS,  100 * MS, 250 * MS,
                                       500 * MS, 1 * S,    2500 * MS, 5 * S,    10 * S,   30 * S};
static const int64_t saga_bounds[] = {
    1 * MS,    2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1 * S,
    2500 * MS, 5 * S,     10 * S, 30 * S,  60 * S,  300 * S, 1800 * S, 3600 * S, 86400 * S};

static const struct weir_family_about messages = {
    .name = "weir_messages_total",
    .help = "Messages that this process has finished, by what became of them.",
    .labels = {"service", "type", "outcome"},
    .outside = 1,
    .series_max = 4096,
};
static const struct weir_family_about handler = {
    .name = "weir_handler_seconds",
    .help = "From the call of a handler to its outcome, deferral included.",
    .labels = {"service", "type"},
    .outside = 1,
    .bounds_ns = short_bounds,
    .bound_count = COUNT(short_bounds),
};
static const struct weir_family_about committing = {
    .name = "weir_commit_seconds",
    .help = "From a handler's outcome to the server's word that its commit is in.",
    .labels = {"service", "type"},
    .outside = 1,
    .bounds_ns = short_bounds,
    .bound_count = COUNT(short_bounds),
};
static const struct weir_family_about sagas_ended = {
    .name = "weir_saga_seconds",
    .help = "From the start of a saga to its end, by the process that committed the end.",
    .labels = {"definition", "outcome"},
    .outside = 0,
    .series_max = 2 * DEFINITIONS_MAX,
    .bounds_ns = saga_bounds,
    .bound_count = COUNT(saga_bounds),
};
static const struct weir_family_about retries = {
    .name = "weir_retries_total",
    .help = "Deliveries that are to be repeated.",
    .labels = {"service"},
};
static const struct weir_family_about claimed = {
    .name = "weir_claimed_total",
    .help = "Messages taken over from workers that had fallen silent.",
    .labels = {"service"},
};
static const struct weir_family_about fenced = {
    .name = "weir_fenced_total",
    .help = "Commits without effect, as another worker had finished the message.",
    .labels = {"service"},
};
static const struct weir_family_about reconnects = {
    .name = "weir_reconnects_total",
    .help = "Connections to the server that were lost and are there again.",
    .labels = {"service", "link"},
};
static const struct weir_family_about backlog = {
    .name = "weir_backlog",
    .help = "Messages in a stream that the service has not finished.",
    .labels = {"service", "stream"},
};
static const struct weir_family_about pending = {
    .name = "weir_pending",
    .help = "Of those, messages that are in a worker's hands.",
    .labels = {"service", "stream"},
};
static const struct weir_family_about oldest = {
    .name = "weir_oldest_seconds",
    .help = "Age of the oldest message in a stream that the service has not finished; 0: none.",
    .labels = {"service", "stream"},
};
static const struct weir_family_about dead = {
    .name = "weir_dead_letters",
    .help = "Messages among the service's dead letters.",
    .labels = {"service"},
};
static const struct weir_family_about scheduled = {
    .name = "weir_scheduled",
    .help = "Messages of the service that are not due yet.",
    .labels = {"service"},
};

/* ---- Wiring -----------------------------------------------------------------------------------
 */

/* Several routes may be for one type: they share its series. */
static void wire_route(const struct weir_measures *measures, struct weir_route_measures *route,
                       struct weir_family *const *families, const char *type)
{
    const char *values[] = {measures->worker->service->name, type, NULL};
    for (int i = 0; i < WEIR_ENDINGS; i++) {
        values[2] = weir_ending_text((enum weir_ending)i);
        route->endings[i] = weir_family_counter(families[0], values);
    }
    route->commit = weir_family_histogram(families[2], values);
}

static void wire_routes(struct weir_measures *measures)
{
    const struct weir_service *service = measures->worker->service;
    struct weir_family *const families[] = {
        weir_metrics_counters(measures->metrics, &messages),
        weir_metrics_histograms(measures->metrics, &handler),
        weir_metrics_histograms(measures->metrics, &committing),
    };
    for (size_t i = 0; i < service->route_count; i++) {
        const char *const values[] = {service->name, service->routes[i].type};
        wire_route(measures, &measures->routes[i], families, service->routes[i].type);
        measures->routes[i].handler = weir_family_histogram(families[1], values);
    }
    wire_route(measures, &measures->routes[service->route_count], families, OTHER);
}

static struct weir_counter *service_counter(struct weir_measures *measures,
                                            const struct weir_family_about *about)
{
    return weir_family_counter(weir_metrics_counters(measures->metrics, about),
                               (const char *const[]){measures->worker->service->name});
}

static void wire_counters(struct weir_measures *measures)
{
    const char *service = measures->worker->service->name;
    measures->retries = service_counter(measures, &retries);
    measures->claimed = service_counter(measures, &claimed);
    measures->fenced = service_counter(measures, &fenced);
    struct weir_family *links = weir_metrics_counters(measures->metrics, &reconnects);
    measures->reconnects[0] =
        weir_family_counter(links, (const char *const[]){service, "commands"});
    measures->reconnects[1] = weir_family_counter(links, (const char *const[]){service, "reader"});
}

struct weir_measures *weir_measures_new(struct weir_worker *worker)
{
    struct weir_measures *measures = calloc(1, sizeof *measures);
    if (measures == NULL)
        return NULL;
    measures->worker = worker;
    measures->metrics = weir_metrics_new();
    measures->routes = calloc(worker->service->route_count + 1, sizeof *measures->routes);
    if (measures->metrics == NULL || measures->routes == NULL) {
        weir_measures_free(measures);
        return NULL;
    }
    wire_routes(measures);
    wire_counters(measures);
    measures->sagas_ended = weir_metrics_histograms(measures->metrics, &sagas_ended);
    measures->backlog = weir_metrics_gauges(measures->metrics, &backlog);
    measures->pending = weir_metrics_gauges(measures->metrics, &pending);
    measures->oldest = weir_metrics_gauges(measures->metrics, &oldest);
    measures->dead = weir_metrics_gauges(measures->metrics, &dead);
    measures->scheduled = weir_metrics_gauges(measures->metrics, &scheduled);
    return measures;
}

void weir_measures_free(struct weir_measures *measures)
{
    if (measures == NULL)
        return;
    weir_metrics_free(measures->metrics);
    free(measures->routes);
    free(measures);
}

void weir_measures_gather(struct weir_measures *measures)
{
    const struct weir_worker *worker = measures->worker;
    measures->retries->value = worker->endings[WEIR_ENDING_RETRIED];
    measures->claimed->value = worker->pending.claimed;
    measures->fenced->value = worker->fenced;
    measures->reconnects[0]->value = worker->link.reconnections;
    measures->reconnects[1]->value = worker->reader.link.reconnections;
}

/* ---- One message ------------------------------------------------------------------------------
 */

static struct weir_route_measures *measures_of(const struct weir_delivery *delivery)
{
    const struct weir_service *service = delivery->worker->service;
    size_t place = delivery->route != NULL ? (size_t)(delivery->route - service->routes)
                                           : service->route_count;
    return &delivery->worker->measures->routes[place];
}

void weir_measures_take_handled(struct weir_delivery *delivery)
{
    int64_t now = weir_clock_monotonic_ns();
    weir_observe(measures_of(delivery)->handler, now - delivery->timed_ns);
    delivery->timed_ns = now;
}

void weir_measures_take_ended(struct weir_delivery *delivery)
{
    struct weir_route_measures *measures = measures_of(delivery);
    weir_count(measures->endings[delivery->ending]);
    weir_observe(measures->commit, weir_clock_monotonic_ns() - delivery->timed_ns);
    if (delivery->saga_ended != NULL)
        weir_observe(delivery->saga_ended, delivery->saga_took_ms * MS);
}

void weir_measure_saga(struct weir_delivery *delivery, const struct weir_saga_case *one,
                       enum weir_saga_state before)
{
    const struct weir_measures *measures = delivery->worker->measures;
    enum weir_saga_state state = one->saga->state;
    bool ended = state == WEIR_SAGA_COMPLETED || state == WEIR_SAGA_COMPENSATED;
    if (measures == NULL || !ended || state == before)
        return;
    const char *const values[] = {one->definition->name, weir_saga_state_text(state)};
    delivery->saga_ended = weir_family_histogram(measures->sagas_ended, values);
    delivery->saga_took_ms = one->now - one->saga->started_at;
}
