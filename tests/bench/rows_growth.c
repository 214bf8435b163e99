/* Whether weir stays as fast when much lies on the server: sagas that have ended, and others that
 * wait. Each condition has a server of its own; they take turns. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "copies.h"
#include "saga_fill.h"
#include "services.h"
#include "trips.h"
#include "works.h"

#define CONDITIONS 4
#define ENDED_MODEL 987654321u
#define WAITING_MODEL 987654322u
#define COPIES_FIRST 300000000u
#define WAITING_FIRST 500000000u
#define MAX_SAGAS "10000000"

struct condition {
    char name[80];
    unsigned ended, begun;
    struct bench bench;
    char folder[BENCH_PATH_MAX];
    struct bench_server server;
    double bytes_ended; /* of memory for each */
    struct bench_speed messages, sagas;
    struct bench_series latency;
};

/* ---- What is there already ----------------------------------------------------------------- */

static void put_definitions(struct bench_server *server)
{
    bench_fill_definitions(server);
    bench_do(server, "HSET {sagas}:definition:bench-wait latest 1 1 %s",
             "{\"name\":\"bench-wait\",\"version\":1,\"timeoutMs\":86400000,\"steps\":[{\"name\":"
             "\"first\",\"service\":\"bench-absent\",\"command\":\"Do\",\"compensation\":\"Undo\","
             "\"timeoutMs\":43200000}]}");
}

/* One saga, by weir, to its end or to a step that nobody does. */
static void make_model(struct bench_server *server, bool ended)
{
    const struct bench_work chain = bench_chain_work(1);
    struct bench_workers workers;
    bench_workers_start(&workers, server, chain.workers, NULL);
    bench_workers_await(&workers, server);
    if (ended)
        bench_fill_chains(server, ENDED_MODEL, 1);
    else
        bench_do(server, "XADD {sagas}:commands * type StartSaga saga s%u definition bench-wait",
                 WAITING_MODEL);
    bench_await(server,
                ended ? (struct bench_condition){"ZCARD {sagas}:state:completed", BENCH_AT_LEAST, 1}
                      : (struct bench_condition){"XLEN {bench-absent}:commands", BENCH_AT_LEAST, 1},
                20, workers.processes, workers.count);
    bench_workers_stop(&workers);
}

static double used_memory(struct bench_server *server)
{
    return bench_info(server, "memory", "used_memory");
}

/* Both models are looked at while there is nothing else. */
static void put_sagas(struct condition *condition)
{
    struct bench_server *server = &condition->server;
    if (condition->ended == 0)
        return;
    make_model(server, true);
    if (condition->begun > 0)
        make_model(server, false);
    struct bench_model ended = bench_model_of(server, ENDED_MODEL),
                       waiting = bench_model_of(server, WAITING_MODEL);
    const double before = used_memory(server);
    bench_model_copy(server, &ended, COPIES_FIRST, condition->ended);
    condition->bytes_ended = (used_memory(server) - before) / condition->ended;
    if (condition->begun > 0)
        bench_model_copy(server, &waiting, WAITING_FIRST, condition->begun);
    bench_model_close(&ended);
    bench_model_close(&waiting);
    bench_want(server, "ZCARD {sagas}:state:completed", condition->ended + 1);
    bench_want(server, "ZCARD {sagas}:state:running", condition->begun + (condition->begun > 0));
}

/* 100000 as 100k: there is little room in the table. */
static void count_text(unsigned count, char out[16])
{
    const bool thousands = count >= 1000;
    snprintf(out, 16, "%u%s", thousands ? count / 1000 : count, thousands ? "k" : "");
}

static void name_condition(struct condition *condition)
{
    char ended[16], begun[16];
    count_text(condition->ended, ended);
    count_text(condition->begun, begun);
    if (condition->ended == 0)
        snprintf(condition->name, sizeof condition->name, "none");
    else if (condition->begun == 0)
        snprintf(condition->name, sizeof condition->name, "%s ended", ended);
    else
        snprintf(condition->name, sizeof condition->name, "%s ended, %s wait", ended, begun);
}

static void open_condition(struct condition *condition, const struct bench *bench, size_t number)
{
    condition->bench = *bench;
    snprintf(condition->folder, sizeof condition->folder, "%.400s/%zu", bench->folder, number);
    if (mkdir(condition->folder, 0700) != 0)
        bench_fail("cannot make %s", condition->folder);
    condition->bench.folder = condition->folder;
    bench_progress(bench, "making: %s", condition->name);
    bench_server_start(&condition->server, &condition->bench, false);
    put_definitions(&condition->server);
    put_sagas(condition);
}

/* ---- Runs ---------------------------------------------------------------------------------- */

static void run_messages(struct condition *condition, unsigned count)
{
    struct bench_server *server = &condition->server;
    const struct bench_work work = bench_message_work("messages", "Record", count, 1000);
    struct bench_workers workers;
    bench_fill_messages(server, "Record", BENCH_FIRST, count, 1000);
    bench_workers_start(&workers, server, work.workers, NULL);
    bench_measure_run(&(struct bench_measure){.server = server,
                                              .clients = workers.processes,
                                              .client_count = workers.count,
                                              .begun = work.begun,
                                              .done = work.done,
                                              .items = count,
                                              .limit_s = work.limit_s},
                      &condition->messages);
    bench_workers_stop(&workers);
    bench_want(server, "XLEN {bench}:dead", 0);
}

/* The same processes then do one saga after the other. */
static void run_sagas(struct condition *condition, unsigned first, unsigned count, unsigned trips)
{
    struct bench_server *server = &condition->server;
    struct bench_work work = bench_chain_work(count);
    struct bench_workers workers;
    work.done.value += bench_ask_integer(server, work.done.query);
    bench_fill_chains(server, first, count);
    bench_workers_start(&workers, server, work.workers, NULL);
    bench_measure_run(&(struct bench_measure){.server = server,
                                              .clients = workers.processes,
                                              .client_count = workers.count,
                                              .begun = work.begun,
                                              .done = work.done,
                                              .items = count,
                                              .limit_s = work.limit_s},
                      &condition->sagas);
    struct bench_trips client = bench_trips_open(server, "{sagas}:events", first + count);
    double *taken = bench_memory(NULL, trips * sizeof *taken);
    for (unsigned i = 0; i < trips; i++)
        taken[i] = bench_trip_saga(&client);
    bench_add(&condition->latency, bench_quantile(taken, trips, 0.5));
    free(taken);
    bench_trips_close(&client);
    bench_workers_stop(&workers);
    bench_want(server, "XLEN {sagas}:dead", 0);
    bench_want(server, "XLEN {sagas}:commands", 0);
    bench_want(server, "ZCARD {sagas}:state:running", condition->begun + (condition->begun > 0));
}

/* As many of the copies go as the run will bring, as where sagas expire as fast as they come:
 * memory that was never touched before costs more, once, and what is to be measured is what lies
 * there. */
static void make_room(struct condition *condition, unsigned turn, unsigned count)
{
    static const char script[] =
        "local first, count = ARGV[1], ARGV[2] "
        "for number = first, first + count - 1 do "
        "  redis.call('DEL', string.format('{sagas}:saga:s%d', number)) "
        "  redis.call('ZREM', KEYS[1], string.format('s%d', number)) "
        "end "
        "local left = math.max(0, redis.call('XLEN', KEYS[2]) - 2 * count) "
        "return redis.call('XTRIM', KEYS[2], 'MAXLEN', left)";
    struct bench_server *server = &condition->server;
    bench_do(server, "DEL {bench}:events");
    bench_do(server, "EVAL %s 2 {sagas}:state:completed {sagas}:events %u %u", script,
             COPIES_FIRST + turn * count, count);
}

static void run_once(struct condition *condition, unsigned turn)
{
    const struct bench_counts *counts = &condition->bench.counts;
    const unsigned trips = counts->saga_trips / 4;
    if (condition->ended > 0) {
        make_room(condition, turn, counts->grown_sagas + trips);
    } else {
        /* Without a new file, as the others have none: the next write to one costs less. */
        bench_do(&condition->server, "FLUSHALL SYNC");
        put_definitions(&condition->server);
    }
    run_messages(condition, counts->messages / 4);
    run_sagas(condition, BENCH_FIRST + turn * (counts->grown_sagas + trips), counts->grown_sagas,
              trips);
}

/* ---- Figures ------------------------------------------------------------------------------- */

static void write_rate(const struct bench *bench, const char *name, const char *who,
                       const struct bench_speed *speed, const struct bench_speed *none)
{
    struct bench_figure figure = {.name = name,
                                  .who = who,
                                  .unit = "/s",
                                  .values = speed->rate,
                                  .server_us = speed->server_us,
                                  .clients_us = speed->clients_us};
    if (speed != none) {
        figure.beside = &none->rate;
        figure.beside_name = "that with none";
        figure.ratio_target = (struct bench_target){BENCH_AT_LEAST, 0.90};
    }
    bench_write(bench, &figure);
}

static void write_all(const struct bench *bench, const struct condition *conditions)
{
    for (size_t i = 0; i < CONDITIONS; i++)
        write_rate(bench, "sagas of three steps", conditions[i].name, &conditions[i].sagas,
                   &conditions[0].sagas);
    for (size_t i = 0; i < CONDITIONS; i++)
        write_rate(bench, "messages", conditions[i].name, &conditions[i].messages,
                   &conditions[0].messages);
    for (size_t i = 0; i < CONDITIONS; i++)
        bench_write(bench,
                    &(struct bench_figure){.name = "saga of three steps, one in flight, median",
                                           .who = conditions[i].name,
                                           .unit = "us",
                                           .values = conditions[i].latency,
                                           .beside = i > 0 ? &conditions[0].latency : NULL,
                                           .beside_name = "that with none"});
    for (size_t i = 0; i < CONDITIONS; i++) {
        struct bench_figure figure = {.name = "memory of the server for each ended saga of three "
                                              "steps, with all it leaves",
                                      .who = conditions[i].name,
                                      .unit = "bytes"};
        bench_add(&figure.values, conditions[i].bytes_ended);
        if (conditions[i].ended > 0)
            bench_write(bench, &figure);
    }
}

void bench_growth(struct bench *bench)
{
    const struct bench_counts *counts = &bench->counts;
    struct condition *conditions = bench_memory(NULL, CONDITIONS * sizeof *conditions);
    memset(conditions, 0, CONDITIONS * sizeof *conditions);
    conditions[1].ended = counts->ended / 10;
    conditions[2].ended = conditions[3].ended = counts->ended;
    conditions[3].begun = counts->begun;
    setenv("WEIR_MAX_SAGAS", MAX_SAGAS, 1);
    for (size_t i = 0; i < CONDITIONS; i++) {
        name_condition(&conditions[i]);
        open_condition(&conditions[i], bench, i);
    }
    for (unsigned turn = 0; turn < counts->runs; turn++)
        for (size_t i = 0; i < CONDITIONS; i++) {
            bench_progress(bench, "run %u of %u: %s", turn + 1, counts->runs, conditions[i].name);
            run_once(&conditions[i], turn);
        }
    write_all(bench, conditions);
    for (size_t i = 0; i < CONDITIONS; i++)
        bench_server_stop(&conditions[i].server);
    free(conditions);
}
