/* Dates that a test sets for a server or a worker (tests/fault/clock_shim.c).
 *
 *     struct test_clock clock;
 *     test_clock_open(&clock, "server.clock");
 *     test_clock_begin(&clock);
 *     test_server_start(&server, "redis", NULL);   // and whatever else is to have that date
 *     test_clock_end();
 *     test_clock_set(&clock, 3600000);             // an hour ahead from now on
 *     test_clock_close(&clock); */
#ifndef WEIR_TESTS_SUPPORT_CLOCK_H
#define WEIR_TESTS_SUPPORT_CLOCK_H

#include <stdint.h>

#include "support/server.h"

struct test_clock {
    char path[TEST_PATH_MAX];
    volatile int64_t *offset_ms; /* shared with the processes */
};

/* A clock that is right at first, kept in a file of that name in the current folder. */
void test_clock_open(struct test_clock *clock, const char *name);
/* Processes that are started between the two have that clock. */
void test_clock_begin(const struct test_clock *clock);
void test_clock_end(void);
/* How many ms it is ahead. */
void test_clock_set(struct test_clock *clock, int64_t ahead_ms);
void test_clock_close(struct test_clock *clock);

#endif
