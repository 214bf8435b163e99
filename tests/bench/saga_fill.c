/* Puts definitions and starts. */
#include "saga_fill.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "services.h"

static const char chain[] =
    "{\"name\":\"" BENCH_CHAIN "\",\"version\":1,\"timeoutMs\":3600000,\"steps\":["
    "{\"name\":\"first\",\"service\":\"" BENCH_STEP "a\",\"command\":\"Do\","
    "\"compensation\":\"Undo\",\"timeoutMs\":600000},"
    "{\"name\":\"second\",\"service\":\"" BENCH_STEP "b\",\"command\":\"Do\","
    "\"compensation\":\"Undo\",\"timeoutMs\":600000},"
    "{\"name\":\"third\",\"service\":\"" BENCH_STEP "c\",\"command\":\"Do\","
    "\"compensation\":\"Undo\",\"timeoutMs\":600000}]}";

void bench_fill_definitions(struct bench_server *server)
{
    char path[BENCH_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/workers/place-order.json", server->bench->project);
    json_t *shop = json_load_file(path, 0, NULL);
    char *text = shop != NULL ? json_dumps(shop, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (text == NULL)
        bench_fail("cannot read %s", path);
    bench_do(server, "HSET {sagas}:definition:place-order latest 1 1 %s", text);
    bench_do(server, "HSET {sagas}:definition:" BENCH_CHAIN " latest 1 1 %s", chain);
    free(text);
    json_decref(shop);
}

void bench_fill_chains(struct bench_server *server, unsigned first, unsigned count)
{
    struct bench_pipe pipe = bench_pipe_open(server);
    for (unsigned i = 0; i < count; i++)
        bench_pipe_send(&pipe, BENCH_START_CHAIN, first + i, first + i);
    bench_pipe_close(&pipe);
}

void bench_fill_shop(struct bench_server *server, unsigned first, unsigned count)
{
    struct bench_pipe pipe = bench_pipe_open(server);
    for (unsigned i = 0; i < count; i++) {
        const unsigned number = first + i;
        bench_pipe_send(&pipe, "HSET {payments}:account:c%u balance 1000", number);
        bench_pipe_send(&pipe, "HSET {catalog}:product:p%u name Lamp price 100 stock 10", number);
    }
    bench_pipe_close(&pipe);
}

void bench_fill_orders(struct bench_server *server, unsigned first, unsigned count)
{
    struct bench_pipe pipe = bench_pipe_open(server);
    for (unsigned i = 0; i < count; i++) {
        const unsigned number = first + i;
        bench_pipe_send(&pipe,
                        "XADD {sagas}:commands * type StartSaga saga s%u definition place-order "
                        "data {\"orderId\":\"o%u\",\"customerId\":\"c%u\",\"amount\":100,"
                        "\"productId\":\"p%u\",\"quantity\":1}",
                        number, number, number, number);
    }
    bench_pipe_close(&pipe);
}
