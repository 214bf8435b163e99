/* The network breaks between the primary and everybody else: its replica is promoted, and the
 * primary goes on for the clients that stay on its side. Workers that ask Sentinels leave it; what
 * it takes from then on is on its side alone, and counted here; the new primary's side is whole. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/failover.h"
#include "support/load.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define MARKS "{" WORK "}:marks"
#define KNOWN 200 /* messages that both sides have */
#define EARLY 50  /* behind the break, before anybody has noticed */
#define LATE 50   /* to the old primary when there is a new one */
#define NEW 200   /* to the new one */
#define QUICK OPTIONS("--claim-idle", "500ms")

static struct test_node a, b;
static struct test_relay relay;
static struct test_sentinel sentinel;
static struct test_server followed; /* no server: what workers are given, the Sentinel's URL */

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_node_start(&a, "a", NULL);
    test_node_start(&b, "b", NULL);
    test_relay_start(&relay, &a);
    test_node_follow(&b, relay.port, &a);
    test_sentinel_start(&sentinel, &a);
    strcpy(followed.url, sentinel.url);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_sentinel_stop(&sentinel);
    test_relay_stop(&relay);
    test_server_stop(&a.server, SIGKILL);
    test_server_stop(&b.server, SIGKILL);
    return 0;
}

static void send_marks(struct test_node *node, int from, int count)
{
    assert_int_equal(test_send_many(&node->server, WORK, "Mark", "", from, count, NULL), count);
}

static bool has(struct test_node *node, int number)
{
    char n[16];
    snprintf(n, sizeof(n), "n%d", number);
    return test_number(&node->server, MARKS, n) == 1;
}

/* Each mark once, with its event, and nothing else. */
static void assert_whole(struct test_node *node, int count)
{
    test_await_settled(&node->server, WORK);
    assert_int_equal(test_ask_integer(&node->server, "HLEN " MARKS), count);
    assert_int_equal(test_others(&node->server, MARKS, "1"), 0);
    assert_int_equal(test_ask_integer(&node->server, "XLEN {" WORK "}:events"), count);
    assert_int_equal(test_dead(&node->server, WORK), 0);
}

/* Of all processes together. */
static long long witnesses(struct test_node *node)
{
    static const char script[] =
        "local sum = 0 for _, number in ipairs(redis.call('HVALS', KEYS[1])) do "
        "sum = sum + number end return sum";
    return test_ask_integer(&node->server, "EVAL %s 1 {" WORK "}:witness", script);
}

static void state_what_is_on_one_side_alone(void)
{
    int alone = 0;
    for (int i = 0; i < KNOWN + EARLY + LATE; i++)
        alone += has(&a, i) && !has(&b, i);
    printf("taken by the old primary and not known to the new one: %d of %d messages\n", alone,
           KNOWN + EARLY + LATE);
    assert_int_equal(alone, EARLY + LATE);
}

static void workers_leave_a_primary_that_others_stay_with(void **state)
{
    (void)state;
    struct test_worker follows = test_worker_start(&followed, WORK, "follows", QUICK);
    send_marks(&a, 0, KNOWN);
    assert_whole(&a, KNOWN);
    test_node_await_level(&b, &a);
    test_relay_stall(&relay);
    send_marks(&a, KNOWN, EARLY);
    assert_whole(&a, KNOWN + EARLY);
    AWAIT(witnesses(&a) > witnesses(&b)); /* so it will notice */
    struct test_worker stays = test_worker_launch(a.url, WORK, "stays", QUICK);
    test_worker_await_log(&stays, "worker.ready");

    test_node_promote(&b);
    test_sentinel_turn_to(&sentinel, &b);
    /* Both its connections: what the reader is handed on the old one would run without effect. */
    AWAIT(test_worker_logged(&follows, "another master") == 2);
    send_marks(&a, KNOWN + EARLY, LATE);
    send_marks(&b, KNOWN + EARLY + LATE, NEW);
    assert_whole(&a, KNOWN + EARLY + LATE);
    assert_whole(&b, KNOWN + NEW);
    assert_string_equal(test_node_role(&a), "master");
    state_what_is_on_one_side_alone();
    for (int i = KNOWN + EARLY; i < KNOWN + EARLY + LATE; i++) {
        char run[24];
        snprintf(run, sizeof(run), "n=n%d ", i);
        assert_int_equal(test_worker_logged(&follows, run), 0);
    }
    AWAIT(test_worker_logged(&follows, "server.went_back") == 1);
    assert_int_equal(test_worker_logged(&stays, "server.went_back"), 0);
    test_worker_end_well(&stays);
    test_worker_end_well(&follows);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(workers_leave_a_primary_that_others_stay_with, set_up,
                                        tear_down),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
