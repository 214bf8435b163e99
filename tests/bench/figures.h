/* What has been measured: several runs of one thing, compared with another run in turn with it. */
#ifndef WEIR_TESTS_BENCH_FIGURES_H
#define WEIR_TESTS_BENCH_FIGURES_H

#include "bench.h"

#define BENCH_RUNS_MAX 100

struct bench_series { /* one value for each run */
    double values[BENCH_RUNS_MAX];
    unsigned count;
};

enum bench_direction { BENCH_NO_TARGET, BENCH_AT_LEAST, BENCH_AT_MOST };

/* What should be reached; shown, and never a reason to fail. */
struct bench_target {
    enum bench_direction direction;
    double value;
};

struct bench_figure {
    const char *name; /* what is measured */
    const char *who;  /* by whom: "weir", "bare client" */
    const char *unit; /* "/s", "ms", "us", "bytes", "%" */
    struct bench_series values;
    struct bench_series server_us, clients_us; /* processor time for each item; may be empty */
    const struct bench_series *beside;         /* run in turn with it; NULL: nothing */
    const char *beside_name;                   /* whose that is */
    struct bench_target ratio_target, value_target;
    const char *note; /* NULL: nothing */
};

void bench_add(struct bench_series *series, double value);
double bench_median(const struct bench_series *series);
double bench_least(const struct bench_series *series);
double bench_most(const struct bench_series *series);
/* The median of the ratios of each turn. */
double bench_ratio(const struct bench_series *one, const struct bench_series *other);
/* The value that `part` (0.5, 0.99) of the values are not above; sorts them. */
double bench_quantile(double *values, size_t count, double part);

/* Hands a figure to the benchmark, as one line of JSON. */
void bench_write(const struct bench *bench, const struct bench_figure *figure);

#endif
