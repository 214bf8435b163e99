/* What the parts of the benchmark share: how much is measured, how a row gives up, time.
 *
 * Each row runs in a process of its own, which dies with what it has started when it is killed, so
 * that nothing here has to be undone: a row that finds something wrong says so and exits. */
#ifndef WEIR_TESTS_BENCH_BENCH_H
#define WEIR_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_PATH_MAX 512
#define BENCH_TRIES_MAX 6

struct bench_counts {
    unsigned runs;
    unsigned tries;          /* settings of the bare client, BENCH_TRIES_MAX at the most */
    unsigned messages, keys; /* waiting, spread over so many aggregates */
    unsigned sagas;
    unsigned round_trips;  /* with one in flight */
    unsigned saga_trips;   /* the same, whole sagas */
    unsigned folded;       /* events */
    unsigned rebuilt;      /* events */
    unsigned ended, begun; /* sagas that are there already */
    unsigned grown_sagas;  /* measured beside them */
    unsigned scheduled, due, due_s;
    unsigned deferred; /* messages in hand at once */
    unsigned idle_s;
    unsigned soak_s;
    unsigned peer_messages, peer_sagas;
};

struct bench {
    const char *project, *build; /* folders */
    const char *folder;          /* of this row */
    const char *row;
    struct bench_counts counts;
    int results;       /* where figures are written to */
    const char *peers; /* which of them; "": all */
};

/* Ends the row with one sentence. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What is under way, on standard error: on a terminal in one place. */
void bench_progress(const struct bench *bench, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Seconds of the monotonic clock. */
double bench_now(void);
void bench_pause_ms(unsigned ms);
/* For loops that wait for something: pauses, and ends the row where the limit (of bench_now) is
 * over. */
void bench_wait_until(double limit, unsigned pause_ms, const char *what);

void *bench_memory(void *old, size_t size);

/* The rows; each writes figures. */
void bench_messages(struct bench *bench);
void bench_sagas(struct bench *bench);
void bench_orders(struct bench *bench);
void bench_latency(struct bench *bench);
void bench_projection(struct bench *bench);
void bench_growth(struct bench *bench);
void bench_timers(struct bench *bench);
void bench_memory_use(struct bench *bench);
void bench_idle(struct bench *bench);
void bench_soak(struct bench *bench);
void bench_peers(struct bench *bench);

#endif
