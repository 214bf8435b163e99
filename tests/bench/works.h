/* The kinds of work that rows give to weir and to the bare client. */
#ifndef WEIR_TESTS_BENCH_WORKS_H
#define WEIR_TESTS_BENCH_WORKS_H

#include "turns.h"

/* Commands of a type of the service "bench". */
struct bench_work bench_message_work(const char *name, const char *type, unsigned count,
                                     unsigned keys);
/* Sagas of three steps that do nothing. */
struct bench_work bench_chain_work(unsigned count);
/* Orders of the shop, each of a customer and a product of its own. Without views. */
struct bench_work bench_order_work(unsigned count);

#endif
