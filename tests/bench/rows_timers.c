/* Messages that are held back: what they cost, and how late those are that fall due. */
#include <stdlib.h>

#include "check.h"
#include "figures.h"
#include "fill.h"
#include "meter.h"
#include "services.h"
#include "workers.h"

#define TIMER_KEYS 1000
#define HOUR_MS 3600000u
#define LEAD_MS 2000u /* and a ms for each ten: all are on the schedule before the first is due */
#define TRIES 4

static void put_delayed(struct bench_server *server, unsigned count, unsigned from_ms,
                        unsigned spread_ms)
{
    struct bench_pipe pipe = bench_pipe_open(server);
    char data[BENCH_PAYLOAD + 1];
    for (unsigned i = 0; i < count; i++)
        bench_pipe_send(&pipe, "XADD {bench}:commands * type Record delay %u data %s",
                        from_ms + (unsigned)((double)spread_ms * i / count),
                        bench_payload(BENCH_FIRST + i, TIMER_KEYS, data));
    bench_pipe_close(&pipe);
}

static void await_scheduled(struct bench_server *server, struct bench_workers *workers)
{
    bench_await(server, (struct bench_condition){"XLEN {bench}:commands", BENCH_AT_MOST, 0}, 300,
                workers->processes, workers->count);
}

/* The times, in ms of the server's clock, at which the `count` first fall due, in order. */
static void read_due(struct bench_server *server, double *due, unsigned count)
{
    redisReply *members = bench_ask(server, "ZRANGE {bench}:scheduled 0 %u WITHSCORES", count - 1);
    if (members->elements != 2 * (size_t)count)
        bench_fail("%zu messages are on the schedule", members->elements / 2);
    for (unsigned i = 0; i < count; i++)
        due[i] = atof(members->element[2 * i + 1]->str);
    freeReplyObject(members);
}

/* How late each was: the n-th that was done, by the time in its event's id, against the n-th that
 * was due. */
static void take_lateness(struct bench_server *server, double *due, unsigned count)
{
    redisReply *events = bench_ask(server, "XRANGE {bench}:events - +");
    if (events->elements != count)
        bench_fail("%zu of %u messages were done", events->elements, count);
    for (unsigned i = 0; i < count; i++)
        due[i] = strtod(events->element[i]->element[0]->str, NULL) - due[i];
    freeReplyObject(events);
}

static void write_one(const struct bench *bench, const char *name, const char *unit, double value,
                      double at_most)
{
    struct bench_figure figure = {.name = name, .who = "weir", .unit = unit};
    bench_add(&figure.values, value);
    if (at_most > 0)
        figure.value_target = (struct bench_target){BENCH_AT_MOST, at_most};
    bench_write(bench, &figure);
}

static void await_due(struct bench_server *server, struct bench_workers *workers)
{
    bench_await(
        server,
        (struct bench_condition){"XLEN {bench}:events", BENCH_AT_LEAST, server->bench->counts.due},
        300, workers->processes, workers->count);
}

/* All of them before the first is due; where that took too long they are done, and it is tried with
 * more time. */
static void schedule_due(struct bench_server *server, struct bench_workers *workers,
                         unsigned scheduled)
{
    const struct bench_counts *counts = &server->bench->counts;
    unsigned lead_ms = LEAD_MS + counts->due / 10;
    for (unsigned i = 0; i < TRIES; i++, lead_ms *= 2) {
        put_delayed(server, counts->due, lead_ms, counts->due_s * 1000);
        await_scheduled(server, workers);
        if (bench_ask_integer(server, "ZCARD {bench}:scheduled") == scheduled + counts->due)
            return;
        await_due(server, workers);
        bench_do(server, "XTRIM {bench}:events MAXLEN 0");
    }
    bench_fail("messages fall due before all of them are scheduled");
}

static void measure_due(struct bench_server *server, struct bench_workers *workers,
                        unsigned scheduled)
{
    const struct bench *bench = server->bench;
    const unsigned count = bench->counts.due, spread_ms = bench->counts.due_s * 1000;
    double *due = bench_memory(NULL, count * sizeof *due);
    char name[96];
    schedule_due(server, workers, scheduled);
    read_due(server, due, count);
    bench_progress(bench, "%u messages fall due", count);
    await_due(server, workers);
    take_lateness(server, due, count);
    snprintf(name, sizeof name, "lateness of %u due in %u s, median", count, spread_ms / 1000);
    write_one(bench, name, "ms", bench_quantile(due, count, 0.5), 0);
    snprintf(name, sizeof name, "lateness of %u due in %u s, p99", count, spread_ms / 1000);
    write_one(bench, name, "ms", bench_quantile(due, count, 0.99), 20);
    write_one(bench, "the latest of them", "ms", due[count - 1], 0);
    free(due);
}

void bench_timers(struct bench *bench)
{
    static const char *const names[] = {BENCH_SERVICE, NULL};
    const unsigned scheduled = bench->counts.scheduled - bench->counts.due;
    struct bench_server server;
    struct bench_workers workers;
    char name[96];
    bench_server_start(&server, bench, false);
    bench_workers_start(&workers, &server, names, NULL);
    bench_workers_await(&workers, &server);
    const double before = bench_info(&server, "memory", "used_memory");
    bench_progress(bench, "scheduling %u messages", scheduled);
    put_delayed(&server, scheduled, HOUR_MS, HOUR_MS);
    await_scheduled(&server, &workers);
    bench_want(&server, "ZCARD {bench}:scheduled", scheduled);
    snprintf(name, sizeof name, "server's memory for each of %u, of which %u are data", scheduled,
             BENCH_PAYLOAD);
    write_one(bench, name, "bytes",
              (bench_info(&server, "memory", "used_memory") - before) / scheduled, 0);
    measure_due(&server, &workers, scheduled);
    bench_workers_stop(&workers);
    bench_want(&server, "ZCARD {bench}:scheduled", scheduled);
    bench_want(&server, "XLEN {bench}:dead", 0);
    bench_server_stop(&server);
}
