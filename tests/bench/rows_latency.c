/* One item in flight, by weir and by bare clients that do the same round trips, in turn. */
#include "responder.h"
#include "saga_fill.h"
#include "services.h"
#include "trips.h"
#include "works.h"

#include <stdlib.h>

#define WARM_UP 50
#define TRIP_KEYS 10000

struct latency { /* of each run, in microseconds */
    struct bench_series median, p99;
};

typedef double trip(struct bench_trips *trips);

static void take_trips(struct bench_server *server, const char *stream, trip *once, unsigned count,
                       struct latency *latency)
{
    struct bench_trips trips = bench_trips_open(server, stream, BENCH_FIRST);
    double *taken = bench_memory(NULL, count * sizeof *taken);
    for (unsigned i = 0; i < WARM_UP; i++)
        once(&trips);
    for (unsigned i = 0; i < count; i++)
        taken[i] = once(&trips);
    bench_add(&latency->median, bench_quantile(taken, count, 0.5));
    bench_add(&latency->p99, bench_quantile(taken, count, 0.99));
    free(taken);
    bench_trips_close(&trips);
}

/* ---- What is compared ---------------------------------------------------------------------- */

struct comparison {
    const char *name;
    const char *stream; /* of the events that are waited for */
    trip *once;
    unsigned count;
    const char *const *workers;
    const struct bench_script *script, *move; /* NULL: no projection */
    double median_target, p99_target;         /* us; 0: none */
};

static void run_weir(struct bench_server *server, const struct comparison *comparison,
                     struct latency *latency)
{
    struct bench_workers workers;
    bench_server_empty(server);
    bench_fill_definitions(server);
    bench_workers_start(&workers, server, comparison->workers, NULL);
    bench_workers_await(&workers, server);
    take_trips(server, comparison->stream, comparison->once, comparison->count, latency);
    bench_workers_stop(&workers);
}

static void run_bare(struct bench_server *server, const struct comparison *comparison,
                     struct latency *latency)
{
    struct bench_workers clients = {.count = 0};
    bench_server_empty(server);
    bench_responders_start(&clients, server, comparison->script);
    if (comparison->move != NULL)
        bench_projector_start(&clients, server, comparison->move);
    take_trips(server, comparison->stream, comparison->once, comparison->count, latency);
    bench_responders_stop(&clients);
}

static struct bench_target at_most(double value)
{
    return (struct bench_target){value > 0 ? BENCH_AT_MOST : BENCH_NO_TARGET, value};
}

static void write_series(const struct bench *bench, const struct comparison *comparison,
                         const char *which, const struct bench_series *weir,
                         const struct bench_series *bare, double target, double ratio_target)
{
    char name[128];
    snprintf(name, sizeof name, "%s, %s", comparison->name, which);
    bench_write(bench, &(struct bench_figure){.name = name,
                                              .who = "weir",
                                              .unit = "us",
                                              .values = *weir,
                                              .beside = bare,
                                              .beside_name = "bare clients",
                                              .value_target = at_most(target),
                                              .ratio_target = at_most(ratio_target)});
    bench_write(bench, &(struct bench_figure){
                           .name = name, .who = "bare clients", .unit = "us", .values = *bare});
}

static void compare(struct bench_server *server, const struct comparison *comparison)
{
    const struct bench *bench = server->bench;
    struct latency weir = {0}, bare = {0};
    for (unsigned i = 0; i < bench->counts.runs; i++) {
        bench_progress(bench, "%s: run %u of %u", comparison->name, i + 1, bench->counts.runs);
        run_weir(server, comparison, &weir);
        run_bare(server, comparison, &bare);
    }
    write_series(bench, comparison, "median", &weir.median, &bare.median, comparison->median_target,
                 2);
    write_series(bench, comparison, "p99", &weir.p99, &bare.p99, comparison->p99_target, 0);
}

/* ---- Rows ---------------------------------------------------------------------------------- */

static void measure_ping(struct bench_server *server)
{
    const struct bench *bench = server->bench;
    struct latency latency = {0};
    for (unsigned i = 0; i < bench->counts.runs; i++)
        take_trips(server, "{bench}:events", bench_trip_ping, bench->counts.round_trips, &latency);
    bench_write(bench, &(struct bench_figure){.name = "PING, median",
                                              .who = "bare client",
                                              .unit = "us",
                                              .values = latency.median});
    bench_write(
        bench, &(struct bench_figure){
                   .name = "PING, p99", .who = "bare client", .unit = "us", .values = latency.p99});
}

/* What the projection sends for one event behind another. */
static struct bench_script record_move(struct bench_server *server, const char *const *workers)
{
    struct bench_workers started;
    bench_server_empty(server);
    bench_workers_start(&started, server, workers, NULL);
    bench_workers_await(&started, server);
    redisContext *monitor = bench_record_begin(server);
    for (unsigned i = 0; i < 2; i++) {
        bench_fill_events(server, BENCH_RECORDED - 1 + i, 1, TRIP_KEYS);
        bench_await(
            server,
            (struct bench_condition){"HGET {bench-view}:total:all count", BENCH_AT_LEAST, i + 1},
            20, started.processes, started.count);
    }
    struct bench_recording recording = bench_record_end(server, monitor);
    redisReply *events = bench_ask(server, "XRANGE {bench}:events - +");
    struct bench_script move =
        bench_script_of_move(server, &recording, events->element[0]->element[0]->str,
                             events->element[1]->element[0]->str, TRIP_KEYS);
    freeReplyObject(events);
    bench_recording_close(&recording);
    bench_workers_stop(&started);
    return move;
}

void bench_latency(struct bench *bench)
{
    static const char *const view_workers[] = {BENCH_SERVICE, BENCH_VIEW, NULL};
    const struct bench_work message = bench_message_work("command", "Record", 1, TRIP_KEYS),
                            chain = bench_chain_work(1);
    struct bench_server server;
    bench_server_start(&server, bench, false);
    struct bench_script message_script = bench_record_item(&server, &message),
                        chain_script = bench_record_item(&server, &chain),
                        move = record_move(&server, view_workers);
    measure_ping(&server);
    compare(&server, &(struct comparison){.name = "command to committed effect",
                                          .stream = "{bench}:events",
                                          .once = bench_trip_command,
                                          .count = bench->counts.round_trips,
                                          .workers = message.workers,
                                          .script = &message_script});
    compare(&server, &(struct comparison){.name = "saga of three steps",
                                          .stream = "{sagas}:events",
                                          .once = bench_trip_saga,
                                          .count = bench->counts.saga_trips,
                                          .workers = chain.workers,
                                          .script = &chain_script,
                                          .median_target = 1500,
                                          .p99_target = 5000});
    compare(&server, &(struct comparison){.name = "command to visible read model",
                                          .stream = "{bench}:events",
                                          .once = bench_trip_view,
                                          .count = bench->counts.round_trips / 2,
                                          .workers = view_workers,
                                          .script = &message_script,
                                          .move = &move});
    bench_script_close(&message_script);
    bench_script_close(&chain_script);
    bench_script_close(&move);
    bench_server_stop(&server);
}
