/* How long it takes until all is done, seen from outside. */
#ifndef WEIR_TESTS_BENCH_METER_H
#define WEIR_TESTS_BENCH_METER_H

#include "figures.h"
#include "server.h"

/* True once the number that the server answers `query` is at least, or at most, `value`. */
struct bench_condition {
    const char *query;
    enum bench_direction direction;
    long long value;
};

struct bench_measure {
    struct bench_server *server;
    const struct bench_process *clients; /* that do the work; one that is 0 is passed over */
    size_t client_count;
    struct bench_condition begun, done;
    unsigned items;
    unsigned limit_s;
};

struct bench_speed { /* the runs of one kind */
    struct bench_series rate, server_us, clients_us;
};

/* Waits for the condition. */
void bench_await(struct bench_server *server, struct bench_condition condition, unsigned limit_s,
                 const struct bench_process *clients, size_t client_count);
/* Waits until it has begun, then until it is done, and adds what it took to `speed`. */
void bench_measure_run(const struct bench_measure *measure, struct bench_speed *speed);

#endif
