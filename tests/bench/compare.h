/* Weir's own rows against the fastest peer of the same run. */
#ifndef WEIR_TESTS_BENCH_COMPARE_H
#define WEIR_TESTS_BENCH_COMPARE_H

#include "report.h"

#define BENCH_RIVALRIES 3

struct bench_comparison { /* {0} before the first line */
    double weir[BENCH_RIVALRIES], peer[BENCH_RIVALRIES];
    char fastest[BENCH_RIVALRIES][64];
};

/* Takes notice of a row's line. */
void bench_compare_take(struct bench_comparison *comparison, const char *line);
/* Prints how many times as fast weir is, where both have been measured. */
void bench_compare_print(const struct bench_comparison *comparison, struct bench_report *report);

#endif
