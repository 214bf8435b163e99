/* Sagas that wait to be started, and what their steps need. */
#ifndef WEIR_TESTS_BENCH_SAGA_FILL_H
#define WEIR_TESTS_BENCH_SAGA_FILL_H

#include "fill.h"

#define BENCH_CHAIN "bench-chain" /* three steps that do nothing, one after the other */

/* Puts the definitions: of the chain, and of the shop's place-order. */
void bench_fill_definitions(struct bench_server *server);
/* A customer and a product for each order. */
void bench_fill_shop(struct bench_server *server, unsigned first, unsigned count);
/* Starts of sagas s<number>, of the chain or of place-order. */
void bench_fill_chains(struct bench_server *server, unsigned first, unsigned count);
void bench_fill_orders(struct bench_server *server, unsigned first, unsigned count);

/* The words of the command that starts saga `number` of the chain. */
#define BENCH_START_CHAIN                                                                          \
    "XADD {sagas}:commands * type StartSaga saga s%u definition " BENCH_CHAIN " data {\"n\":%u}"

#endif
