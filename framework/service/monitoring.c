/* A worker's metrics and health, where --metrics was given. */
#include "service/monitoring.h"

#include <stdlib.h>

#include "http/exposition.h"
#include "service/gauges.h"
#include "service/health.h"

struct weir_monitoring {
    struct weir_worker *worker;
    struct weir_exposition *exposition;
    struct weir_collection collection;
    struct weir_gauges gauges;
};

static void on_collected(void *user)
{
    struct weir_monitoring *monitoring = user;
    weir_measures_gather(monitoring->worker->measures);
    weir_exposition_collected(monitoring->exposition);
}

static void collect(void *user, struct weir_exposition *exposition)
{
    struct weir_monitoring *monitoring = user;
    struct weir_worker *worker = monitoring->worker;
    (void)exposition;
    weir_measures_gather(worker->measures); /* should the answers be late */
    weir_collection_begin(&monitoring->collection);
    weir_gauges_ask(&monitoring->gauges);
    for (struct weir_component *c = worker->service->components; c != NULL; c = c->next)
        if (c->measure != NULL)
            c->measure(c->self, worker->measures->metrics, &monitoring->collection);
    weir_collection_end(&monitoring->collection);
}

static bool alive(void *user, char *why, size_t room)
{
    return weir_health_alive(((struct weir_monitoring *)user)->worker, why, room);
}

static bool ready(void *user, char *why, size_t room)
{
    return weir_health_ready(((struct weir_monitoring *)user)->worker, why, room);
}

static enum weir_status open_exposition(struct weir_monitoring *monitoring,
                                        struct weir_error *error)
{
    struct weir_worker *worker = monitoring->worker;
    const struct weir_runtime *runtime = &worker->runtime;
    struct weir_exposition_settings settings = {
        .loop = runtime->loop,
        .log = runtime->log,
        .address = runtime->settings->metrics,
        .metrics = worker->measures->metrics,
        .service = runtime->service,
        .version = WEIR_VERSION,
        .user = monitoring,
        .collect = collect,
        .healthy = alive,
        .ready = ready,
    };
    monitoring->exposition = weir_exposition_open(&settings, error);
    if (monitoring->exposition != NULL)
        return WEIR_OK;
    weir_error_prefix(error, "--metrics");
    return error->status;
}

enum weir_status weir_monitoring_open(struct weir_worker *worker, struct weir_error *error)
{
    if (worker->runtime.settings->metrics == NULL)
        return WEIR_OK;
    struct weir_monitoring *monitoring = calloc(1, sizeof *monitoring);
    worker->monitoring = monitoring;
    worker->measures = monitoring != NULL ? weir_measures_new(worker) : NULL;
    if (worker->measures == NULL)
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    monitoring->worker = worker;
    monitoring->collection =
        (struct weir_collection){.link = &worker->link, .user = monitoring, .done = on_collected};
    weir_gauges_init(&monitoring->gauges, worker, &monitoring->collection);
    return open_exposition(monitoring, error);
}

void weir_monitoring_close(struct weir_worker *worker)
{
    if (worker->monitoring != NULL)
        weir_exposition_close(worker->monitoring->exposition);
    weir_measures_free(worker->measures);
    free(worker->monitoring);
    worker->monitoring = NULL;
    worker->measures = NULL;
}
