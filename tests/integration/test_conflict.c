/* State that is read before it is written: nobody's change is lost, and messages for one key keep
 * their order. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define MESSAGES 3000

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

static long long sum_of_counters(int keys)
{
    char key[32];
    long long sum = 0;
    for (int i = 0; i < keys; i++) {
        snprintf(key, sizeof(key), "{work}:counter:%d", i);
        sum += test_number(&server, key, "value");
    }
    return sum;
}

/* `keys` counters, raised by two processes that read and write them. */
static void count_by_two(int keys)
{
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    struct test_worker two = test_worker_start(&server, WORK, "two", NULL);
    char more[32];
    for (int i = 0; i < 10; i++) {
        snprintf(more, sizeof(more), ",\"counter\":%d", i % keys);
        test_send_many(&server, WORK, "Count", more, i * MESSAGES / 10, MESSAGES / 10, NULL);
    }
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(sum_of_counters(keys), MESSAGES);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), MESSAGES);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

static void two_processes_lose_no_update_of_one_key(void **state)
{
    (void)state;
    count_by_two(1);
}

static void two_processes_lose_no_update_of_ten_keys(void **state)
{
    (void)state;
    count_by_two(10);
}

/* Somebody else writes the key, by hand. */
static void changes_from_outside_are_seen(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    for (int i = 0; i < 20; i++) {
        test_send_many(&server, WORK, "Count", ",\"counter\":0", i * 50, 50, NULL);
        for (int j = 0; j < 20; j++)
            test_do(&server, "HINCRBY {work}:counter:0 value 1000");
    }
    test_await_settled(&server, WORK);
    assert_int_equal(test_number(&server, "{work}:counter:0", "value"), 20 * 50 + 20 * 20 * 1000);
    test_worker_end_well(&one);
}

static void one_process_keeps_the_order_of_a_key(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    test_send_many(&server, WORK, "Append", ",\"list\":1", 0, 300, NULL);
    test_await_settled(&server, WORK);
    char *text = test_ask_text(&server, "HGET {work}:list:1 text");
    char *at = text;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(*at++, 'n');
        assert_int_equal(strtol(at, &at, 10), i);
        assert_int_equal(*at++, ' ');
    }
    assert_int_equal(*at, '\0');
    free(text);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(two_processes_lose_no_update_of_one_key),
        CASE(two_processes_lose_no_update_of_ten_keys),
        CASE(changes_from_outside_are_seen),
        CASE(one_process_keeps_the_order_of_a_key),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
