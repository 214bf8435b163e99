/* Messages that wait: one worker process with handlers that do little. */
#include "check.h"
#include "fill.h"
#include "services.h"
#include "turns.h"

#include <string.h>

static bool decides(const struct bench_work *work)
{
    return strcmp(work->user, "Decide") == 0;
}

static void fill(struct bench_server *server, const struct bench_work *work, unsigned first,
                 unsigned count)
{
    if (decides(work))
        bench_fill_accounts(server, work->keys);
    bench_fill_messages(server, work->user, first, count, work->keys);
}

/* The inbox is empty, each event is there once, and so is the state. */
static void check(struct bench_server *server, const struct bench_work *work, unsigned count)
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

static void measure(struct bench_server *server, const char *name, const char *type)
{
    static const char *const workers[] = {BENCH_SERVICE, NULL};
    const struct bench_counts *counts = &server->bench->counts;
    struct bench_work work = {
        .name = name,
        .workers = workers,
        .items = counts->messages,
        .keys = counts->keys,
        .limit_s = 120,
        .begun = {"XLEN {bench}:commands", BENCH_AT_MOST, (long long)counts->messages - 1},
        .done = {"XLEN {bench}:commands", BENCH_AT_MOST, 0},
        .fill = fill,
        .check = check,
        .user = type,
        .ratio_target = {BENCH_AT_LEAST, 0.90},
    };
    bench_turns(server, &work);
}

void bench_messages(struct bench *bench)
{
    struct bench_server server;
    bench_server_start(&server, bench, false);
    measure(&server, "two fields and an event", "Record");
    measure(&server, "the same, aggregate loaded", "Decide");
    measure(&server, "acknowledgement alone", "Nothing");
    bench_server_stop(&server);
}
