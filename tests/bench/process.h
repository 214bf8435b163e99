/* Processes that a row starts: they die with it. */
#ifndef WEIR_TESTS_BENCH_PROCESS_H
#define WEIR_TESTS_BENCH_PROCESS_H

#include <sys/types.h>

#include "bench.h"

#define BENCH_PROCESSES_MAX 16

struct bench_process {
    pid_t pid; /* 0: none */
    char name[64];
};

/* Starts a program, `arguments` ended by NULL, with its output appended to the row's file
 * `name`.log.
 */
struct bench_process bench_start(const struct bench *bench, const char *name,
                                 const char *const *arguments);
/* Starts a copy of this process, which runs `work` and exits by 0 where that returns. */
struct bench_process bench_fork(const struct bench *bench, const char *name,
                                void work(void *argument), void *argument);
/* Ends the row where the process has ended by anything but 0. */
void bench_check(const struct bench_process *process);
/* Waits for the end of a process that ends by itself; anything but exit code 0 ends the row. */
void bench_await_end(struct bench_process *process, unsigned limit_s);
/* Stops it by SIGTERM, checks that it has ended by 0; one that has been stopped: nothing. */
void bench_stop(struct bench_process *process);
/* Ends it by SIGKILL. */
void bench_kill(struct bench_process *process);

/* Seconds of processor time that the process has used, all its threads. */
double bench_cpu(pid_t pid);
/* Its resident memory in bytes. */
double bench_resident(pid_t pid);

#endif
