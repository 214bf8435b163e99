/* A server is made a replica and a master again by hand, or comes back from a restart with less
 * than it had: workers say so, wait, and go on, and everything takes effect once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failover.h"
#include "support/load.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define MARKS "{" WORK "}:marks"
#define QUICK OPTIONS("--claim-idle", "500ms", "--retry-base", "10ms", "--concurrency", "16")

static struct test_node a, b;

static int clear(void **state)
{
    (void)state;
    test_workers_clear();
    return 0;
}

static int set_up(void **state)
{
    clear(state);
    test_node_start(&a, "a", NULL);
    test_node_start(&b, "b", NULL);
    test_node_follow(&b, a.port, &a);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_server_stop(&a.server, SIGKILL);
    test_server_stop(&b.server, SIGKILL);
    return 0;
}

static void assert_each_once(struct test_node *node, int count)
{
    assert_int_equal(test_ask_integer(&node->server, "HLEN " MARKS), count);
    assert_int_equal(test_others(&node->server, MARKS, "1"), 0);
    assert_int_equal(test_dead(&node->server, WORK), 0);
}

static long long marked(struct test_node *node)
{
    return test_ask_integer(&node->server, "HLEN " MARKS);
}

/* ---- The roles are changed by hand ---------------------------------------------------------- */

/* A worker by a plain URL can only wait; it costs no message an attempt. */
static void waits_while_its_server_is_a_replica(void **state)
{
    (void)state;
    enum { SLOW = 400, COUNT = 600 };
    struct test_worker one = test_worker_launch(a.url, WORK, "one", QUICK);
    test_worker_await_log(&one, "worker.ready");
    test_send_many(&a.server, WORK, "Defer", ",\"ms\":20", 0, SLOW, NULL);
    AWAIT(marked(&a) > 50);
    test_node_hold(&a, &b, WORK, (const struct test_worker *const[]){&one, NULL}, SLOW,
                   COUNT - SLOW);
    test_node_promote(&b);
    test_do(&a.server, "REPLICAOF 127.0.0.1 %d", b.port);
    test_do(&a.server, "CLIENT UNPAUSE");
    test_worker_await_log(&one, "link.not_master");
    assert_in_range(marked(&b), 51, SLOW);
    test_node_follow(&a, b.port, &b);
    test_node_promote(&a);
    test_await_settled(&a.server, WORK);
    assert_each_once(&a, COUNT);
    test_worker_end_well(&one);
}

static void assert_says_replica(const char *const *words)
{
    struct test_run run = test_run(words, NULL, 30000);
    assert_int_equal(run.code, 69);
    if (!strstr(run.error, "is a replica of 127.0.0.1"))
        fail_msg("weir has said: %s", run.error);
    test_run_close(&run);
}

static void says_that_it_was_sent_to_a_replica(void **state)
{
    (void)state;
    struct test_worker one = test_worker_launch(b.url, WORK, "one", QUICK);
    test_worker_await_log(&one, "link.not_master");
    AWAIT(test_worker_logged(&one, "is a replica of 127.0.0.1") == 2);
    assert_says_replica((const char *[]){test_program("weir"), "sagas", "--redis", b.url, NULL});
    test_send(&a.server, WORK, "Mark", "{\"n\":\"n0\"}");
    test_node_await_level(&b, &a);
    assert_int_equal(test_worker_logged(&one, "worker.ready"), 0);
    test_node_promote(&b);
    test_worker_await_log(&one, "worker.ready");
    test_await_settled(&b.server, WORK);
    assert_each_once(&b, 1);
    assert_int_equal(test_worker_logged(&one, "link.not_master"), 2); /* once for each connection */
    test_worker_end_well(&one);
}

/* ---- A server that comes back with less ----------------------------------------------------- */

static void works_without_its_functions_after_a_restart(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    test_node_start(&a, "a", OPTIONS("--appendonly", "yes", "--appendfsync", "always"));
    struct test_worker one = test_worker_launch(a.url, WORK, "one", QUICK);
    test_worker_await_log(&one, "worker.ready");
    test_send_many(&a.server, WORK, "Defer", ",\"ms\":50", 0, COUNT, NULL);
    AWAIT(marked(&a) > 20);
    test_do(&a.server, "FUNCTION FLUSH"); /* with messages in hand */
    test_server_restart(&a.server, SIGKILL);
    test_await_settled(&a.server, WORK);
    assert_each_once(&a, COUNT);
    assert_true(test_worker_logged(&one, "library.loaded") >= 2);
    test_worker_end_well(&one);
}

/* Not even the group is left: what comes next is served. */
static void serves_what_comes_after_a_restart_with_nothing(void **state)
{
    (void)state;
    test_node_start(&a, "a", NULL);
    struct test_worker one = test_worker_launch(a.url, WORK, "one", QUICK);
    test_worker_await_log(&one, "worker.ready");
    test_send_many(&a.server, WORK, "Defer", ",\"ms\":50", 0, 100, NULL);
    AWAIT(marked(&a) > 20);
    test_server_restart(&a.server, SIGKILL);
    test_send_many(&a.server, WORK, "Mark", "", 1000, 100, NULL);
    test_await_settled(&a.server, WORK);
    assert_each_once(&a, 100); /* and nothing of what was in hand */
    assert_int_equal(test_worker_logged(&one, "library.loaded"), 2);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define ALONE(test) cmocka_unit_test_setup_teardown(test, clear, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(waits_while_its_server_is_a_replica),
        CASE(says_that_it_was_sent_to_a_replica),
        ALONE(works_without_its_functions_after_a_restart),
        ALONE(serves_what_comes_after_a_restart_with_nothing),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
