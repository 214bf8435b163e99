/* Thousands of messages while connections and workers die at random moments: each takes effect
 * exactly once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define MESSAGES 4000
#define QUICK "--claim-idle", "3s", "--retry-base", "10ms"

static struct test_server server;

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
    return 0;
}

static struct test_worker start_worker(const char *consumer)
{
    return test_worker_start(&server, WORK, consumer, OPTIONS(QUICK));
}

static void send_batch(int from, int count)
{
    assert_int_equal(test_send_many(&server, WORK, "Mark", "", from, count, NULL), count);
}

static void assert_each_once(int count)
{
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), count);
}

static void pause_for(unsigned ms)
{
    for (long long end = test_now() + ms; test_now() < end;)
        test_pause();
}

static void connections_die(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one"), two = start_worker("two");
    for (int i = 0; i < 20; i++) {
        send_batch(i * MESSAGES / 20, MESSAGES / 20);
        pause_for(test_random(20));
        test_do(&server, "CLIENT KILL TYPE normal");
    }
    assert_each_once(MESSAGES);
    assert_true(test_worker_logged(&one, "link.lost") > 0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

static void workers_die(void **state)
{
    (void)state;
    struct test_worker workers[3] = {start_worker("w0"), start_worker("w1"), start_worker("w2")};
    for (int i = 0; i < 12; i++) {
        char consumer[32];
        struct test_worker *worker = &workers[test_random(3)];
        send_batch(i * MESSAGES / 12, MESSAGES / 12);
        pause_for(test_random(15));
        assert_int_equal(test_worker_end(worker, SIGKILL), 128 + SIGKILL);
        snprintf(consumer, sizeof(consumer), "again%d", i);
        *worker = start_worker(consumer);
    }
    assert_each_once(MESSAGES / 12 * 12);
    for (int i = 0; i < 3; i++)
        test_worker_end_well(&workers[i]);
}

static void workers_are_told_to_stop(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one"), two;
    for (int i = 0; i < 8; i++) {
        send_batch(i * MESSAGES / 8, MESSAGES / 8);
        two = start_worker("two");
        pause_for(test_random(10));
        test_worker_end_well(&one);
        one = two;
        two = start_worker("one");
        test_worker_end_well(&one);
        one = two;
    }
    assert_each_once(MESSAGES);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"),
                     0); /* nothing was taken over */
    test_worker_end_well(&one);
}

/* A mistake of the operator's: two processes of one name. */
static void two_of_one_name(void **state)
{
    (void)state;
    struct test_worker one = start_worker("same"), two = start_worker("same");
    for (int i = 0; i < 10; i++) {
        send_batch(i * MESSAGES / 10, MESSAGES / 10);
        pause_for(test_random(10));
        if (i % 3 == 1)
            test_do(&server, "CLIENT KILL TYPE normal");
    }
    assert_each_once(MESSAGES);
    test_worker_end_well(&one);
    send_batch(MESSAGES, 100);
    assert_each_once(MESSAGES + 100);
    test_worker_end_well(&two);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(connections_die),
        CASE(workers_die),
        CASE(workers_are_told_to_stop),
        CASE(two_of_one_name),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
