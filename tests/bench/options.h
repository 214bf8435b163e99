/* What is asked of a run of the benchmark. */
#ifndef WEIR_TESTS_BENCH_OPTIONS_H
#define WEIR_TESTS_BENCH_OPTIONS_H

#include "bench.h"

struct options {
    const char *project, *build;
    const char *folder; /* made here */
    const char *rows;   /* NULL: those of this size */
    const char *size;   /* "full", "quick", "smoke" */
    bool full, json, keep, peers;
    const char *peers_only;
    struct bench_counts counts;
};

/* Reads the words of the command line; false: they make no sense, and that has been said. */
bool options_read(int argc, char **argv, struct options *options);

#endif
