/* What the gateway's process tells of a server that hangs: it is not ready at once, not healthy in
 * the end, and both again when the server goes on. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/clock.h"
#include "support/scrape.h"

#define LOG "gateway.log"

static struct test_server server;
static struct test_clock clock;

static struct test_worker start_gateway(void)
{
    const char *const words[] = {
        test_program("gateway"), "--listen",     "127.0.0.1:0", "--redis", server.url, "--metrics",
        "127.0.0.1:0",           "--log-format", "text",        NULL};
    struct test_worker gateway = {.log = LOG};
    remove(LOG);
    test_clock_begin(&clock);
    setenv("WEIR_TEST_CLOCK_WHOLE", "1", 1);
    gateway.pid = test_spawn(words, LOG);
    unsetenv("WEIR_TEST_CLOCK_WHOLE");
    test_clock_end();
    test_worker_remember(&gateway);
    test_await_text(LOG, "gateway.started", 15000);
    return gateway;
}

static void is_not_healthy_where_nothing_is_heard(void **state)
{
    (void)state;
    struct test_worker gateway = start_gateway();
    AWAIT(test_page_is(&gateway, "/readyz", 200, "ok\n"));
    test_server_freeze(&server);
    AWAIT(test_page_is(&gateway, "/readyz", 503, "no connection to unix://"));
    assert_true(test_page_is(&gateway, "/healthz", 200, "ok\n"));
    test_clock_set(&clock, 31000);
    AWAIT(test_page_is(&gateway, "/healthz", 503, "nothing has been heard of unix://"));
    test_server_thaw(&server);
    AWAIT(test_page_is(&gateway, "/healthz", 200, "ok\n"));
    AWAIT(test_page_is(&gateway, "/readyz", 200, "ok\n"));
    assert_int_equal(test_worker_logged(&gateway, "link.lost"), 1); /* said once */
    assert_int_equal(test_worker_end(&gateway, SIGTERM), 0);
}

/* As during a failover: the server answers, but is none for the gateway. */
static void is_healthy_beside_a_replica(void **state)
{
    (void)state;
    struct test_worker gateway = start_gateway();
    AWAIT(test_page_is(&gateway, "/readyz", 200, "ok\n"));
    test_do(&server, "REPLICAOF 127.0.0.1 1");
    AWAIT(test_page_is(&gateway, "/readyz", 503, "this server is a replica"));
    test_clock_set(&clock, *clock.offset_ms + 31000);
    AWAIT(test_page_is(&gateway, "/healthz", 200, "ok\n"));
    assert_true(test_page_is(&gateway, "/readyz", 503, "this server is a replica"));
    test_do(&server, "REPLICAOF NO ONE");
    AWAIT(test_page_is(&gateway, "/readyz", 200, "ok\n"));
    assert_int_equal(test_worker_end(&gateway, SIGTERM), 0);
}

static int start(void **state)
{
    (void)state;
    test_clock_open(&clock, "gateway.clock");
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_workers_clear();
    test_server_stop(&server, SIGTERM);
    test_clock_close(&clock);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_not_healthy_where_nothing_is_heard),
        cmocka_unit_test(is_healthy_beside_a_replica),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
