/* What weir takes of the machine: memory on the server and in workers, and what it does when there
 * is nothing to do. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "recorder.h"
#include "saga_fill.h"
#include "services.h"
#include "works.h"

#define KIB 1024.0
#define SETTLE_S 3

static void write_value(const struct bench *bench, const char *name, const char *unit, double value,
                        double at_most, const char *note)
{
    struct bench_figure figure = {.name = name, .who = "weir", .unit = unit, .note = note};
    bench_add(&figure.values, value);
    if (at_most > 0)
        figure.value_target = (struct bench_target){BENCH_AT_MOST, at_most};
    bench_write(bench, &figure);
}

/* ---- The server's memory ------------------------------------------------------------------- */

/* Without anybody connected but us, so that no buffers count. */
static double used_memory(struct bench_server *server)
{
    return bench_info(server, "memory", "used_memory");
}

static double saga_memory(struct bench_server *server)
{
    char key[64];
    snprintf(key, sizeof key, "{sagas}:saga:s%u", BENCH_FIRST);
    return (double)bench_ask_integer(server, "MEMORY USAGE %s SAMPLES 0", key);
}

/* What sagas have left on the server once they have ended, and what was there before they were
 * started does not count. */
static void measure_sagas(struct bench_server *server, const struct bench_work *work,
                          void put_before(struct bench_server *server, unsigned count),
                          double target)
{
    const struct bench *bench = server->bench;
    struct bench_workers workers;
    char name[128];
    bench_server_empty(server);
    bench_workers_start(&workers, server, work->workers, NULL);
    bench_workers_await(&workers, server);
    bench_workers_stop(&workers);
    bench_fill_definitions(server);
    put_before(server, work->items);
    const double before = used_memory(server);
    bench_workers_start(&workers, server, work->workers, NULL);
    work->fill(server, work, BENCH_FIRST, work->items);
    bench_await(server, work->done, work->limit_s, workers.processes, workers.count);
    bench_workers_stop(&workers);
    work->check(server, work, work->items);
    const double after = used_memory(server);
    snprintf(name, sizeof name, "%s, the saga's own keys", work->name);
    write_value(bench, name, "bytes", saga_memory(server), KIB, NULL);
    snprintf(name, sizeof name, "%s, with all it leaves", work->name);
    write_value(bench, name, "bytes", (after - before) / work->items, target,
                "state, events, bars, indexes, names of keys; divided by the number of sagas");
}

static void put_nothing(struct bench_server *server, unsigned count)
{
    (void)server, (void)count;
}

static void put_shop(struct bench_server *server, unsigned count)
{
    bench_fill_shop(server, BENCH_FIRST, count);
}

/* ---- A worker's memory --------------------------------------------------------------------- */

static void measure_worker(struct bench_server *server, const char *type, const char *with_what,
                           double target)
{
    static const char *const names[] = {BENCH_SERVICE, NULL};
    const struct bench *bench = server->bench;
    const unsigned count = bench->counts.deferred;
    char concurrency[16], query[64], name[96];
    const char *const options[] = {"--concurrency", concurrency, NULL};
    struct bench_workers workers;
    double idle, most = 0;
    snprintf(concurrency, sizeof concurrency, "%u", count);
    bench_server_empty(server);
    bench_workers_start(&workers, server, names, options);
    bench_workers_await(&workers, server);
    idle = bench_resident(workers.processes[0].pid);
    struct bench_pipe pipe = bench_pipe_open(server);
    for (unsigned i = 0; i < count; i++)
        bench_pipe_send(&pipe, "XADD {bench}:commands * type %s data {\"ms\":3000,\"n\":%u}", type,
                        i);
    bench_pipe_close(&pipe);
    snprintf(query, sizeof query, "XLEN {bench}:commands");
    for (double limit = bench_now() + 60; bench_ask_integer(server, query) > 0;) {
        const double now = bench_resident(workers.processes[0].pid);
        most = now > most ? now : most;
        bench_wait_until(limit, 5, "the held messages to be done");
    }
    bench_workers_stop(&workers);
    bench_want(server, "XLEN {bench}:dead", 0);
    if (target > 0)
        write_value(bench, "worker without messages", "bytes", idle, 0, NULL);
    snprintf(name, sizeof name, "worker with %u messages in flight%s", count, with_what);
    write_value(bench, name, "bytes", most, target, "the most that was resident");
}

void bench_memory_use(struct bench *bench)
{
    const unsigned sagas = bench->counts.grown_sagas;
    const struct bench_work chain = bench_chain_work(sagas), order = bench_order_work(sagas);
    struct bench_server server;
    bench_server_start(&server, bench, false);
    bench_progress(bench, "plain sagas");
    measure_sagas(&server, &chain, put_nothing, 0);
    bench_progress(bench, "sagas of the shop");
    measure_sagas(&server, &order, put_shop, 2 * KIB);
    bench_progress(bench, "messages in flight");
    measure_worker(&server, "Hold", "", 16 * KIB * KIB);
    measure_worker(&server, "HoldData", ", as weir_message_data", 0);
    bench_server_stop(&server);
}

/* ---- Nothing to do ------------------------------------------------------------------------- */

static double share(double before, double after, double seconds)
{
    return (after - before) * 100 / seconds;
}

/* Commands of clients, as MONITOR shows them; what functions call does not count. */
static double commands_of(struct bench_recording *recording)
{
    double count = 0;
    for (size_t i = 0; i < recording->count; i++)
        count += recording->commands[i].by_script ? 0 : 1;
    bench_recording_close(recording);
    return count;
}

void bench_idle(struct bench *bench)
{
    static const char *const names[] = {"weir-coordinator", "orders", "payments", "catalog",
                                        "notifications",    "views",  NULL};
    const double seconds = bench->counts.idle_s;
    struct bench_server server;
    struct bench_workers workers;
    double before[BENCH_PROCESSES_MAX];
    bench_server_start(&server, bench, false);
    bench_fill_definitions(&server);
    bench_workers_start(&workers, &server, names, NULL);
    bench_workers_await(&workers, &server);
    bench_progress(bench, "the shop without orders, %.0f s", seconds + SETTLE_S);
    bench_pause_ms(SETTLE_S * 1000);
    redisContext *monitor = bench_record_begin(&server);
    const double start = bench_now(), server_before = bench_cpu(server.process.pid);
    for (size_t i = 0; i < workers.count; i++)
        before[i] = bench_cpu(workers.processes[i].pid);
    bench_pause_ms((unsigned)(seconds * 1000));
    const double taken = bench_now() - start, server_after = bench_cpu(server.process.pid);
    for (size_t i = 0; i < workers.count; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s, of a core", workers.processes[i].name);
        write_value(bench, name, "%", share(before[i], bench_cpu(workers.processes[i].pid), taken),
                    0.5, NULL);
    }
    struct bench_recording recording = bench_record_end(&server, monitor);
    write_value(bench, "server, of a core", "%", share(server_before, server_after, taken), 0,
                "with what it does by itself, and for MONITOR");
    write_value(bench, "commands on the server", "/s", commands_of(&recording) / taken, 20, NULL);
    bench_workers_stop(&workers);
    bench_server_stop(&server);
}
