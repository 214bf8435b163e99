/* Sagas that wait to be started: a coordinator, and one process for each service. */
#include "check.h"
#include "saga_fill.h"
#include "services.h"
#include "turns.h"

static const char *const chain_services[] = {BENCH_STEP "a", BENCH_STEP "b", BENCH_STEP "c", NULL};
static const char *const shop_services[] = {"orders", "payments", "catalog", "notifications", NULL};

static void fill_chains(struct bench_server *server, const struct bench_work *work, unsigned first,
                        unsigned count)
{
    (void)work;
    bench_fill_definitions(server);
    bench_fill_chains(server, first, count);
}

static void check_chains(struct bench_server *server, const struct bench_work *work, unsigned count)
{
    (void)work;
    bench_want_sagas(server, chain_services, count);
}

static void fill_orders(struct bench_server *server, const struct bench_work *work, unsigned first,
                        unsigned count)
{
    (void)work;
    bench_fill_definitions(server);
    bench_fill_orders(server, first, count);
}

/* Each order is there, paid, reserved and sent, once. */
static void check_orders(struct bench_server *server, const struct bench_work *work, unsigned count)
{
    char account[64], product[64];
    (void)work;
    bench_want_sagas(server, shop_services, count);
    bench_want_each(server, shop_services, "XLEN {%s}:events", count);
    for (unsigned i = 0; count > 1 && i < count; i += count / 10 + 1) {
        snprintf(account, sizeof account, "HGET {payments}:account:c%u balance", BENCH_FIRST + i);
        snprintf(product, sizeof product, "HGET {catalog}:product:p%u stock", BENCH_FIRST + i);
        bench_want(server, account, 900);
        bench_want(server, product, 9);
    }
}

void bench_sagas(struct bench *bench)
{
    static const char *const chain_workers[] = {"weir-coordinator", BENCH_STEP "a", BENCH_STEP "b",
                                                BENCH_STEP "c", NULL};
    static const char *const shop_workers[] = {"weir-coordinator", "orders",        "payments",
                                               "catalog",          "notifications", NULL};
    const unsigned count = bench->counts.sagas;
    struct bench_server server;
    struct bench_work work = {
        .name = "three plain steps",
        .workers = chain_workers,
        .items = count,
        .limit_s = 300,
        .begun = {"XLEN {sagas}:commands", BENCH_AT_MOST, (long long)count - 1},
        .done = {"ZCARD {sagas}:state:completed", BENCH_AT_LEAST, count},
        .fill = fill_chains,
        .check = check_chains,
        .ratio_target = {BENCH_AT_LEAST, 0.85},
        .value_target = {BENCH_AT_LEAST, 10000},
    };
    bench_server_start(&server, bench, false);
    bench_turns(&server, &work);
    work.name = "place-order of the shop";
    work.workers = shop_workers;
    work.fill = fill_orders;
    work.check = check_orders;
    work.value_target = (struct bench_target){BENCH_NO_TARGET, 0};
    bench_turns(&server, &work);
    bench_server_stop(&server);
}
