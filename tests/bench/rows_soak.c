/* Whether processes grow: a small steady load for a long time. */
#include "check.h"
#include "figures.h"
#include "saga_fill.h"
#include "services.h"
#include "workers.h"

#define KIB 1024.0
#define TURN_MS 100
#define ORDERS 2    /* of each turn */
#define MESSAGES 20 /* of each turn, a tenth of which loads an aggregate */
#define KEYS 1000
#define GROWTH_MAX (256 * KIB) /* what a heap may still find out of the load's shape */

struct soak {
    struct bench_server server;
    struct bench_workers workers;
    unsigned turns;                    /* put so far */
    double first[BENCH_PROCESSES_MAX]; /* resident when the load had come to rest */
};

static void put_turn(struct soak *soak)
{
    const unsigned order = BENCH_FIRST + soak->turns * ORDERS;
    const unsigned message = BENCH_FIRST + soak->turns * MESSAGES;
    bench_fill_shop(&soak->server, order, ORDERS);
    bench_fill_orders(&soak->server, order, ORDERS);
    bench_fill_messages(&soak->server, "Record", message, MESSAGES * 9 / 10, KEYS);
    bench_fill_messages(&soak->server, "Decide", message, MESSAGES / 10, KEYS);
    soak->turns++;
}

static void put_until(struct soak *soak, double end, const char *what)
{
    for (double next = bench_now(); next < end; next += TURN_MS / 1000.0) {
        const double early = next - bench_now();
        if (early > 0)
            bench_pause_ms((unsigned)(early * 1000));
        put_turn(soak);
        if (soak->turns % (10000 / TURN_MS) == 0)
            bench_progress(soak->server.bench, "%s, %.0f s left", what, end - bench_now());
    }
}

static void note_first(struct soak *soak)
{
    for (size_t i = 0; i < soak->workers.count; i++)
        soak->first[i] = bench_resident(soak->workers.processes[i].pid);
}

static void write_growth(struct soak *soak)
{
    for (size_t i = 0; i < soak->workers.count; i++) {
        const struct bench_process *process = &soak->workers.processes[i];
        const double now = bench_resident(process->pid);
        char name[96];
        snprintf(name, sizeof name, "%s, grown by", process->name);
        struct bench_figure figure = {.name = name,
                                      .who = "weir",
                                      .unit = "bytes",
                                      .value_target = {BENCH_AT_MOST, GROWTH_MAX}};
        bench_add(&figure.values, now - soak->first[i]);
        bench_write(soak->server.bench, &figure);
        snprintf(name, sizeof name, "%s, resident at the end", process->name);
        figure = (struct bench_figure){.name = name, .who = "weir", .unit = "bytes"};
        bench_add(&figure.values, now);
        bench_write(soak->server.bench, &figure);
    }
}

/* All that was put has been done, once. */
static void check(struct soak *soak)
{
    const long long orders = (long long)soak->turns * ORDERS;
    const double limit = bench_now() + 60;
    while (bench_ask_integer(&soak->server, "ZCARD {sagas}:state:completed") < orders ||
           bench_ask_integer(&soak->server, "XLEN {bench}:commands") > 0)
        bench_wait_until(limit, 20, "the last orders and messages to be done");
    bench_want_sagas(&soak->server, (const char *const[]){"orders", "payments", "catalog", NULL},
                     orders);
    bench_want(&soak->server, "XLEN {bench}:events", (long long)soak->turns * MESSAGES);
    bench_want(&soak->server, "XLEN {bench}:dead", 0);
}

void bench_soak(struct bench *bench)
{
    static const char *const names[] = {"weir-coordinator", "orders", "payments",    "catalog",
                                        "notifications",    "views",  BENCH_SERVICE, NULL};
    const double seconds = bench->counts.soak_s;
    struct soak soak = {0};
    bench_server_start(&soak.server, bench, false);
    bench_fill_definitions(&soak.server);
    bench_fill_accounts(&soak.server, KEYS);
    bench_workers_start(&soak.workers, &soak.server, names, NULL);
    bench_workers_await(&soak.workers, &soak.server);
    put_until(&soak, bench_now() + seconds / 10, "steady load, to come to rest");
    note_first(&soak);
    put_until(&soak, bench_now() + seconds, "steady load");
    check(&soak);
    write_growth(&soak);
    bench_workers_stop(&soak.workers);
    bench_server_stop(&soak.server);
}
