/* Prints what the rows hand on: as a table of 100 columns, or each as a line of JSON. */
#ifndef WEIR_TESTS_BENCH_REPORT_H
#define WEIR_TESTS_BENCH_REPORT_H

#include <stdbool.h>

struct bench_report {
    bool json;
    char row[64], name[128]; /* printed last */
};

/* The machine, the versions and the settings. */
void bench_report_head(const struct bench_report *report, const char *size, unsigned runs);
/* One line of a row; false: it is none. */
bool bench_report_figure(struct bench_report *report, const char *line);

#endif
