/* What the server may do to a running service: forget its functions, groups or data, run out of
 * memory, go silent, be absent, refuse the password. */
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
#define QUICK "--claim-idle", "300ms", "--retry-base", "10ms"

static struct test_server server;

static const char *const settings[] = {"--enable-debug-command", "local", NULL};

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", settings);
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
    test_do(&server, "CONFIG SET maxmemory 0");
    test_do(&server, "FLUSHALL");
    return 0;
}

static struct test_worker start_worker(const char *consumer)
{
    return test_worker_start(&server, WORK, consumer, OPTIONS(QUICK));
}

static void send_batch(const char *type, int from, int count, const char *more)
{
    assert_int_equal(test_send_many(&server, WORK, type, more, from, count, NULL), count);
}

static void assert_each_once(int count)
{
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
}

static int warnings(const struct test_worker *worker)
{
    return test_worker_logged(worker, " warning ") + test_worker_logged(worker, " error ") +
           test_worker_logged(worker, " warn ");
}

/* ---- Things gone --------------------------------------------------------------------------- */

/* Nobody is silent for so long that another takes over what he has. */
static void functions_are_loaded_again(void **state)
{
    (void)state;
    static const char *const options[] = {"--claim-idle", "10s", "--retry-base", "10ms", NULL};
    struct test_worker one = test_worker_start(&server, WORK, "one", options);
    struct test_worker two = test_worker_start(&server, WORK, "two", options);
    for (int i = 0; i < 10; i++) {
        send_batch("Mark", i * 200, 200, "");
        test_do(&server, "FUNCTION FLUSH");
    }
    assert_each_once(2000);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    assert_true(warnings(&one) < 60);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

/* Nothing but an acknowledgement was put off, and no read is under way that could bring more. */
static void goes_on_behind_the_last_settled(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    for (int i = 0; test_worker_logged(&one, "commit.put_off") == 0; i++) {
        assert_true(i < 100); /* the worker may notice the loss earlier by another call */
        test_do(&server, "MULTI");
        test_do(&server, "FUNCTION FLUSH");
        test_do(&server, "XADD {work}:commands * type Refuse data %s",
                "{\"n\":\"a\",\"outcome\":\"discard\",\"times\":9}");
        test_do(&server, "EXEC");
        test_await_settled(&server, WORK);
    }
    test_do(&server, "CLIENT KILL TYPE normal");
    send_batch("Mark", 0, 10, "");
    assert_each_once(10);
    test_worker_end_well(&one);
}

static void a_group_is_made_again(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    for (int i = 0; i < 5; i++) {
        send_batch("Mark", i * 200, 200, "");
        test_do(&server, "XGROUP DESTROY {work}:commands work");
    }
    assert_each_once(1000);
    assert_true(warnings(&one) < 30);
    test_worker_end_well(&one);
}

static void goes_on_after_all_is_gone(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_batch("Mark", 0, 500, "");
    test_do(&server, "FLUSHALL");
    AWAIT(test_pending(&server, WORK) >= 0); /* the group is there again */
    test_do(&server, "DEL {work}:marks {work}:deliveries");
    send_batch("Mark", 1000, 100, "");
    assert_each_once(100);
    for (int i = 0; i < 3; i++) {
        test_do(&server, "FLUSHALL");
        AWAIT(test_pending(&server, WORK) >= 0);
    }
    assert_true(warnings(&one) < 30);
    send_batch("Mark", 0, 10, "");
    assert_each_once(10);
    test_worker_end_well(&one);
}

/* ---- No memory ----------------------------------------------------------------------------- */

static void commits_wait_for_memory(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_batch("Defer", 0, 100, ",\"ms\":200");
    AWAIT(test_worker_logged(&one, "test.run") == 100);
    test_do(&server, "CONFIG SET maxmemory 1");
    test_worker_await_log(&one, "commit.put_off");
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 0);
    test_do(&server, "CONFIG SET maxmemory 0");
    assert_each_once(100);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    assert_int_equal(test_worker_logged(&one, "commit.put_off"), 1);
    send_batch("Mark", 100, 10, "");
    assert_each_once(110);
    test_worker_end_well(&one);
}

/* What was put off is refused in the end: the worker must not wait for its success. */
static void a_refusal_ends_the_waiting(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_batch("Defer", 0, 10, ",\"ms\":100");
    AWAIT(test_worker_logged(&one, "test.run") == 10);
    test_do(&server, "CONFIG SET maxmemory 1");
    test_worker_await_log(&one, "commit.put_off");
    kill(one.pid, SIGSTOP);
    test_do(&server, "CONFIG SET maxmemory 0");
    test_do(&server, "SET {work}:commands x");
    kill(one.pid, SIGCONT);
    AWAIT(test_worker_logged(&one, "message.left_pending") == 10);
    test_do(&server, "DEL {work}:commands");
    send_batch("Mark", 100, 10, "");
    AWAIT(test_ask_integer(&server, "HLEN {work}:marks") == 10);
    test_worker_end_well(&one);
}

/* The function library cannot be loaded either; one worker loads it in the end, and another finds
 * it there. */
static void starts_without_memory(void **state)
{
    (void)state;
    test_do(&server, "FUNCTION FLUSH");
    test_do(&server, "CONFIG SET maxmemory 1");
    struct test_worker one = test_worker_launch(server.url, WORK, "one", OPTIONS(QUICK));
    struct test_worker two = test_worker_launch(server.url, WORK, "two", OPTIONS(QUICK));
    test_worker_await_log(&one, "library.refused");
    test_worker_await_log(&two, "library.refused");
    kill(two.pid, SIGSTOP);
    test_do(&server, "CONFIG SET maxmemory 0");
    send_batch("Mark", 0, 10, "");
    assert_each_once(10);
    test_worker_end_well(&one);
    kill(two.pid, SIGCONT);
    send_batch("Mark", 10, 10, "");
    assert_each_once(20);
    test_worker_end_well(&two);
}

/* ---- Silence ------------------------------------------------------------------------------- */

static void a_pause_costs_nothing(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one"), two = start_worker("two");
    for (int i = 0; i < 4; i++) {
        send_batch("Mark", i * 500, 500, "");
        if (i % 2)
            test_do(&server, "DEBUG SLEEP 0.4");
        else
            test_do(&server, "CLIENT PAUSE 400 ALL");
    }
    assert_each_once(2000);
    assert_int_equal(test_worker_logged(&one, "link.lost"), 0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

static void waits_for_a_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    struct test_worker one = test_worker_launch(server.url, WORK, "one", NULL);
    test_worker_await_log(&one, "link.lost");
    test_server_restart(&server, 0);
    send_batch("Mark", 0, 10, "");
    test_worker_await_log(&one, "worker.ready");
    assert_each_once(10);
    assert_int_equal(test_worker_logged(&one, "link.lost"), 2); /* one for each connection */
    test_worker_end_well(&one);
}

static void stops_without_a_server(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    test_server_stop(&server, SIGKILL);
    test_worker_await_log(&one, "link.lost");
    test_worker_end_well(&one);
    test_server_restart(&server, 0);
}

/* ---- Rights -------------------------------------------------------------------------------- */

static struct test_worker launch_as(const char *login)
{
    char url[TEST_PATH_MAX + 64];
    snprintf(url, sizeof(url), "unix://%s%s", login, server.socket);
    return test_worker_launch(url, WORK, "one", NULL);
}

static void expect_denied(const char *login)
{
    struct test_worker one = launch_as(login);
    assert_int_equal(test_worker_await_end(&one), 77);
    assert_int_equal(test_worker_logged(&one, "worker.denied"), 1);
    assert_int_equal(test_worker_logged(&one, "hush"), 0);
}

static void a_refused_login_ends_it(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET requirepass secret");
    expect_denied("");
    expect_denied(":hush@");
    struct test_worker one = launch_as(":secret@");
    test_worker_await_log(&one, "worker.ready");
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
    test_do(&server, "CONFIG SET requirepass %s", "");
    expect_denied("nobody:hush@");
}

static void missing_rights_end_it(void **state)
{
    (void)state;
    test_do(&server, "ACL SETUSER ann on >hush +@all ~* &*");
    struct test_worker one = launch_as("ann:hush@");
    test_worker_await_log(&one, "worker.ready");
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
    test_do(&server, "ACL SETUSER ann -fcall");
    expect_denied("ann:hush@");
    test_do(&server, "ACL SETUSER ann +fcall -xgroup");
    expect_denied("ann:hush@");
    test_do(&server, "ACL SETUSER ann +xgroup -xreadgroup");
    expect_denied("ann:hush@");
    test_do(&server, "ACL SETUSER ann +xreadgroup resetkeys ~other*");
    expect_denied("ann:hush@");
    test_do(&server, "ACL SETUSER ann allkeys -client|setname"); /* it can do without */
    one = launch_as("ann:hush@");
    test_worker_await_log(&one, "worker.ready");
    send_batch("Mark", 0, 10, "");
    assert_each_once(10);
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(functions_are_loaded_again), CASE(goes_on_behind_the_last_settled),
        CASE(a_group_is_made_again),      CASE(goes_on_after_all_is_gone),
        CASE(commits_wait_for_memory),    CASE(a_refusal_ends_the_waiting),
        CASE(starts_without_memory),      CASE(a_pause_costs_nothing),
        CASE(waits_for_a_server),         CASE(stops_without_a_server),
        CASE(a_refused_login_ends_it),    CASE(missing_rights_end_it),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
