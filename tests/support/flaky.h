/* A bad line between some programs and a test's server (tests/fault/flaky_proxy.c says what it can
 * be told).
 *
 *     struct test_flaky line;
 *     test_flaky_start(&line, &server);
 *     struct test_worker worker = test_worker_launch(line.url, …);
 *     test_flaky_say(&line, "cut-answer 3 weir_commit");
 *     test_flaky_stop(&line);
 *
 * The proxy is a process of its own and dies with the test program. */
#ifndef WEIR_TESTS_SUPPORT_FLAKY_H
#define WEIR_TESTS_SUPPORT_FLAKY_H

#include "support/server.h"

struct test_flaky {
    pid_t pid; /* 0: not running */
    int control;
    char socket[TEST_PATH_MAX + 16];
    char url[TEST_PATH_MAX + 32]; /* for --redis */
};

void test_flaky_start(struct test_flaky *line, const struct test_server *server);
/* Says one command, which the format makes; another answer than "ok" fails the test. */
void test_flaky_say(struct test_flaky *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* One of the counters of `status`. */
long long test_flaky_count(struct test_flaky *line, const char *name);
/* Also in a tear-down; a second call does nothing. */
void test_flaky_stop(struct test_flaky *line);

#endif
