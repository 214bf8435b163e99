/* Read models: how fast waiting events are folded, and all of them anew. */
#include "fill.h"
#include "meter.h"
#include "services.h"
#include "workers.h"

#include <stdlib.h>

#define PROJECTION_KEYS 10000

static const char *const workers[] = {BENCH_VIEW, NULL};

/* Every event counts once. */
static void check_model(struct bench_server *server, unsigned events)
{
    const long long total = bench_ask_integer(server, "HGET {bench-view}:total:all count");
    if (total != events)
        bench_fail("the read model has %lld events and not %u", total, events);
}

static void put_events(struct bench_server *server, unsigned count)
{
    bench_server_empty(server);
    bench_fill_events(server, BENCH_FIRST, count, PROJECTION_KEYS);
    bench_server_rewrite(server);
}

static void fold_once(struct bench_server *server, unsigned events, struct bench_speed *speed)
{
    struct bench_workers started;
    put_events(server, events);
    bench_workers_start(&started, server, workers, NULL);
    bench_measure_run(
        &(struct bench_measure){
            .server = server,
            .clients = started.processes,
            .client_count = started.count,
            .begun = {"HGET {bench-view}:total:all count", BENCH_AT_LEAST, 1},
            .done = {"HGET {bench-view}:total:all count", BENCH_AT_LEAST, events},
            .items = events,
            .limit_s = 300},
        speed);
    bench_workers_stop(&started);
    check_model(server, events);
}

/* The command returns when the new model stands in its place. */
static void rebuild_once(struct bench_server *server, struct bench_workers *started,
                         unsigned events, struct bench_speed *speed)
{
    char program[BENCH_PATH_MAX + 16];
    snprintf(program, sizeof program, "%s/bin/weir", server->bench->build);
    const char *const words[] = {program,     "projection", "rebuild", "fold", "--redis",
                                 server->url, "--wait",     "10m",     NULL};
    const double start = bench_now(), server_start = bench_cpu(server->process.pid),
                 worker_start = bench_cpu(started->processes[0].pid);
    struct bench_process rebuild = bench_start(server->bench, "rebuild", words);
    bench_await_end(&rebuild, 600);
    bench_add(&speed->rate, events / (bench_now() - start));
    bench_add(&speed->server_us, (bench_cpu(server->process.pid) - server_start) * 1e6 / events);
    bench_add(&speed->clients_us,
              (bench_cpu(started->processes[0].pid) - worker_start) * 1e6 / events);
    check_model(server, events);
}

static void write_speed(const struct bench *bench, const char *name,
                        const struct bench_speed *speed)
{
    bench_write(bench, &(struct bench_figure){.name = name,
                                              .who = "weir",
                                              .unit = "/s",
                                              .values = speed->rate,
                                              .server_us = speed->server_us,
                                              .clients_us = speed->clients_us});
}

static void measure_rebuild(struct bench_server *server, unsigned events)
{
    const struct bench *bench = server->bench;
    struct bench_speed speed = {0};
    struct bench_workers started;
    char name[80];
    put_events(server, events);
    bench_workers_start(&started, server, workers, NULL);
    bench_progress(bench, "folding %u events", events);
    bench_await(
        server,
        (struct bench_condition){"HGET {bench-view}:total:all count", BENCH_AT_LEAST, events}, 300,
        started.processes, started.count);
    for (unsigned i = 0; i < bench->counts.runs; i++) {
        bench_progress(bench, "rebuild: run %u of %u", i + 1, bench->counts.runs);
        rebuild_once(server, &started, events, &speed);
    }
    bench_workers_stop(&started);
    snprintf(name, sizeof name, "rebuild of %u events", events);
    write_speed(bench, name, &speed);
}

void bench_projection(struct bench *bench)
{
    struct bench_server server;
    struct bench_speed speed = {0};
    bench_server_start(&server, bench, false);
    for (unsigned i = 0; i < bench->counts.runs; i++) {
        bench_progress(bench, "fold: run %u of %u", i + 1, bench->counts.runs);
        fold_once(&server, bench->counts.folded, &speed);
    }
    write_speed(bench, "events that wait, folded", &speed);
    measure_rebuild(&server, bench->counts.rebuilt);
    bench_server_stop(&server);
}
