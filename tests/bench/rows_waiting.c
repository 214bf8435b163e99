/* Messages and sagas that wait: how fast they are done, beside the bare client. */
#include "works.h"

static void turns(struct bench_server *server, struct bench_work work, double ratio, double rate)
{
    work.ratio_target = (struct bench_target){BENCH_AT_LEAST, ratio};
    if (rate > 0)
        work.value_target = (struct bench_target){BENCH_AT_LEAST, rate};
    bench_turns(server, &work);
}

void bench_messages(struct bench *bench)
{
    const unsigned count = bench->counts.messages, keys = bench->counts.keys;
    struct bench_server server;
    bench_server_start(&server, bench, false);
    turns(&server, bench_message_work("two fields and an event", "Record", count, keys), 0.90, 0);
    turns(&server, bench_message_work("the same, aggregate loaded", "Decide", count, keys), 0.90,
          0);
    turns(&server, bench_message_work("acknowledgement alone", "Nothing", count, keys), 0.90, 0);
    bench_server_stop(&server);
}

void bench_sagas(struct bench *bench)
{
    struct bench_server server;
    bench_server_start(&server, bench, false);
    turns(&server, bench_chain_work(bench->counts.sagas), 0.85, 10000);
    bench_server_stop(&server);
}

void bench_orders(struct bench *bench)
{
    struct bench_server server;
    bench_server_start(&server, bench, false);
    turns(&server, bench_order_work(bench->counts.sagas), 0.85, 0);
    bench_server_stop(&server);
}
