/* A line between one worker and its server on which a test can put a trap: everything is forwarded
 * both ways until a command of the worker's holds two given words; then the deed is done, once.
 *
 *     struct test_proxy proxy;
 *     test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_commit", "s1/a/execute",
 *                                                           PROXY_KILL_AFTER});
 *     struct test_worker worker = test_worker_launch(proxy.url, …);
 *     assert_int_equal(test_worker_await_end(&worker), 128 + SIGKILL);
 *     test_proxy_stop(&proxy);
 *
 * The proxy is a process of its own and dies with the test program. */
#ifndef WEIR_TESTS_SUPPORT_PROXY_H
#define WEIR_TESTS_SUPPORT_PROXY_H

#include "support/server.h"

enum proxy_deed {
    PROXY_NONE,        /* there is no trap */
    PROXY_KILL_BEFORE, /* the worker is killed, and the command never leaves */
    PROXY_KILL_AFTER,  /* the command is carried out, and the worker killed before the answer */
    PROXY_CUT_BEFORE,  /* the same with the connection alone */
    PROXY_CUT_WITHIN,  /* half of the command leaves */
    PROXY_CUT_AFTER,
    PROXY_HOLD, /* the connection stands still until test_proxy_release */
};

struct proxy_trap {
    const char *word, *other; /* a command that holds both; copied by the fork */
    enum proxy_deed deed;
};

struct test_proxy {
    pid_t pid;
    int control;
    char socket[TEST_PATH_MAX + 16];
    char url[TEST_PATH_MAX + 32]; /* for --redis */
};

void test_proxy_start(struct test_proxy *proxy, const struct test_server *server,
                      struct proxy_trap trap);
/* Waits until the trap has been sprung. */
void test_proxy_await(struct test_proxy *proxy);
/* Goes on with what PROXY_HOLD has held up: PROXY_NONE lets the command pass, PROXY_HOLD does and
 * sets the trap again; other deeds are done to it. */
void test_proxy_release(struct test_proxy *proxy, enum proxy_deed deed);
void test_proxy_stop(struct test_proxy *proxy);

#endif
