/* What waits, how it is done and how that is seen. */
#include "works.h"

#include <string.h>

#include "check.h"
#include "saga_fill.h"
#include "services.h"

/* ---- Messages ------------------------------------------------------------------------------ */

static bool decides(const struct bench_work *work)
{
    return strcmp(work->user, "Decide") == 0;
}

static void fill_messages(struct bench_server *server, const struct bench_work *work,
                          unsigned first, unsigned count)
{
    if (decides(work))
        bench_fill_accounts(server, work->keys);
    bench_fill_messages(server, work->user, first, count, work->keys);
}

/* The inbox is empty, each event is there once, and so is the state. */
static void check_messages(struct bench_server *server, const struct bench_work *work,
                           unsigned count)
{
    const bool writes = strcmp(work->user, "Nothing") != 0;
    const unsigned touched = count < work->keys ? count : work->keys;
    bench_want(server, "XLEN {bench}:commands", 0);
    bench_want(server, "XLEN {bench}:dead", 0);
    bench_want(server, "XLEN {bench}:events", writes ? count : 0);
    unsigned open = 0;
    redisReply *keys = bench_ask(server, "KEYS {bench}:account:*");
    struct bench_pipe pipe = bench_pipe_open(server);
    for (size_t i = 0; i < keys->elements; i++)
        if (redisAppendCommand(pipe.connection, "HEXISTS %s last", keys->element[i]->str) !=
            REDIS_OK)
            bench_fail("no memory");
    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *reply = bench_answer(pipe.connection);
        open += (unsigned)reply->integer;
        freeReplyObject(reply);
    }
    bench_pipe_close(&pipe);
    freeReplyObject(keys);
    if (open != (writes ? touched : 0))
        bench_fail("%u accounts were written and not %u", open, writes ? touched : 0);
}

struct bench_work bench_message_work(const char *name, const char *type, unsigned count,
                                     unsigned keys)
{
    static const char *const workers[] = {BENCH_SERVICE, NULL};
    return (struct bench_work){
        .name = name,
        .workers = workers,
        .items = count,
        .keys = keys,
        .limit_s = 120,
        .begun = {"XLEN {bench}:commands", BENCH_AT_MOST, (long long)count - 1},
        .done = {"XLEN {bench}:commands", BENCH_AT_MOST, 0},
        .fill = fill_messages,
        .check = check_messages,
        .user = type,
    };
}

/* ---- Sagas --------------------------------------------------------------------------------- */

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
    bench_fill_shop(server, first, count);
    bench_fill_orders(server, first, count);
}

/* Each order is there, paid, reserved and sent, once. */
static void check_orders(struct bench_server *server, const struct bench_work *work, unsigned count)
{
    char account[64], product[64];
    (void)work;
    bench_want_sagas(server, shop_services, count);
    bench_want_each(server, shop_services, "XLEN {%s}:events", count);
    for (unsigned i = 0; count > 2 && i < count; i += count / 10 + 1) {
        snprintf(account, sizeof account, "HGET {payments}:account:c%u balance", BENCH_FIRST + i);
        snprintf(product, sizeof product, "HGET {catalog}:product:p%u stock", BENCH_FIRST + i);
        bench_want(server, account, 900);
        bench_want(server, product, 9);
    }
}

static struct bench_work saga_work(const char *name, unsigned count)
{
    return (struct bench_work){
        .name = name,
        .items = count,
        .limit_s = 300,
        .begun = {"XLEN {sagas}:commands", BENCH_AT_MOST, (long long)count - 1},
        .done = {"ZCARD {sagas}:state:completed", BENCH_AT_LEAST, count},
    };
}

struct bench_work bench_chain_work(unsigned count)
{
    static const char *const workers[] = {"weir-coordinator", BENCH_STEP "a", BENCH_STEP "b",
                                          BENCH_STEP "c", NULL};
    struct bench_work work = saga_work("three plain steps", count);
    work.workers = workers;
    work.fill = fill_chains;
    work.check = check_chains;
    return work;
}

struct bench_work bench_order_work(unsigned count)
{
    static const char *const workers[] = {"weir-coordinator", "orders",        "payments",
                                          "catalog",          "notifications", NULL};
    struct bench_work work = saga_work("place-order of the shop", count);
    work.workers = workers;
    work.fill = fill_orders;
    work.check = check_orders;
    return work;
}
