/* The processes of a row: weir's own programs and the benchmark's services. */
#ifndef WEIR_TESTS_BENCH_WORKERS_H
#define WEIR_TESTS_BENCH_WORKERS_H

#include "server.h"

struct bench_workers {
    struct bench_process processes[BENCH_PROCESSES_MAX];
    size_t count;
};

/* Starts one process of each, `names` ended by NULL: "weir-coordinator", a worker of the shop, or a
 * service of the benchmark. `options` are further words for each, ended by NULL, or NULL. */
void bench_workers_start(struct bench_workers *workers, struct bench_server *server,
                         const char *const *names, const char *const *options);
/* Waits until all have said that they live. */
void bench_workers_await(struct bench_workers *workers, struct bench_server *server);
void bench_workers_stop(struct bench_workers *workers);

#endif
