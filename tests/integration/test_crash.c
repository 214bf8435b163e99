/* Messages that kill their worker: buried after the limit, and none of their neighbours with
 * them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define NEIGHBOURS 40

static struct test_server server;
static unsigned deaths, starts;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    deaths = 0;
    return 0;
}

static struct test_worker next_worker(const char *limit)
{
    char consumer[32];
    snprintf(consumer, sizeof(consumer), "w%u", ++starts);
    return test_worker_start(&server, WORK, consumer,
                             OPTIONS("--claim-idle", "150ms", "--retry-base", "10ms", "--retry-cap",
                                     "20ms", "--max-deliveries", limit));
}

/* Starts a worker again whenever one has died, until everything is handled or buried. */
static void run_until_settled(const char *limit)
{
    struct test_worker worker = next_worker(limit);
    long long end = test_now() + 20000;
    while (!test_settled(&server, WORK)) {
        assert_true(test_now() < end);
        if (test_worker_ended(&worker)) {
            deaths++;
            worker = next_worker(limit);
        }
        test_pause();
    }
    assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
}

static void send_neighbours(int from, int to)
{
    for (int i = from; i < to; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
}

static void assert_neighbours(int count)
{
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
}

static void a_killer_is_buried_alone(void **state)
{
    (void)state;
    send_neighbours(0, NEIGHBOURS / 2);
    char *entry = test_ask_text(&server, "XADD {work}:commands * type Crash data "
                                         "{\"n\":\"killer\",\"times\":99}");
    send_neighbours(NEIGHBOURS / 2, NEIGHBOURS);
    run_until_settled("3");
    assert_int_equal(deaths, 3);
    assert_neighbours(NEIGHBOURS);
    assert_int_equal(test_dead(&server, WORK), 1);
    assert_string_equal(test_newest(&server, "{work}:dead", "entry"), entry);
    assert_string_equal(test_newest(&server, "{work}:dead", "deliveries"), "3");
    assert_string_equal(test_newest(&server, "{work}:dead", "type"), "Crash");
    assert_non_null(strstr(test_newest(&server, "{work}:dead", "reason"), "delivered 3 times"));
    free(entry);
}

static void several_killers_are_buried_alone(void **state)
{
    (void)state;
    for (int i = 0; i < NEIGHBOURS; i++) {
        send_neighbours(i, i + 1);
        if (i % 16 == 0)
            test_send(&server, WORK, "Crash", "{\"n\":\"killer\",\"times\":99}");
    }
    run_until_settled("2");
    assert_neighbours(NEIGHBOURS);
    assert_int_equal(test_dead(&server, WORK), 3);
    assert_in_range(deaths, 4, 6);
}

static void a_killer_that_recovers_takes_effect_once(void **state)
{
    (void)state;
    send_neighbours(0, 5);
    test_send(&server, WORK, "Crash", "{\"n\":\"killer\",\"times\":2}");
    run_until_settled("5");
    assert_int_equal(deaths, 2);
    assert_neighbours(6);
    assert_int_equal(test_number(&server, "{work}:deliveries", "killer"), 3);
    assert_int_equal(test_dead(&server, WORK), 0);
}

static void refusals_and_crashes_count_together(void **state)
{
    (void)state;
    test_send(&server, WORK, "Crash", "{\"n\":\"killer\",\"retries\":2,\"times\":99}");
    run_until_settled("4");
    assert_int_equal(deaths, 2);
    assert_int_equal(test_dead(&server, WORK), 1);
    assert_non_null(strstr(test_newest(&server, "{work}:dead", "reason"), "delivered 4 times"));
}

/* A backlog is no sign of a crash: what has just been read is delivered for the first time. */
static void a_start_on_a_backlog_counts_nothing(void **state)
{
    (void)state;
    test_do(&server, "XGROUP CREATE {work}:commands work 0 MKSTREAM");
    send_neighbours(0, 2000);
    run_until_settled("1");
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_neighbours(2000);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_killer_is_buried_alone),
        CASE(several_killers_are_buried_alone),
        CASE(a_killer_that_recovers_takes_effect_once),
        CASE(refusals_and_crashes_count_together),
        CASE(a_start_on_a_backlog_counts_nothing),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
