/* What befalls a worker's process beside sudden death (the sweeps beside this file): signals in
 * storms and in pairs, stops at odd times, handlers that hang, a sleeper that wakes up after its
 * saga has ended, a service without any process, two processes of one name. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define STEPS "steps"

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

/* ---- Services ------------------------------------------------------------------------------ */

/* Never comes back, as by a loop without an end. */
static enum weir_outcome hang(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_note(context, "test.hangs", "pid=%ld", (long)getpid());
    for (;;)
        pause();
    return WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service;
    if (strcmp(name, STEPS) == 0)
        return test_step_service(name);
    service = test_work_service(name);
    weir_on_command(service, "Hang", hang, NULL);
    return service;
}

static struct test_worker start_worker(const char *consumer)
{
    return test_worker_start(&server, WORK, consumer,
                             OPTIONS("--claim-idle", "400ms", "--retry-base", "10ms"));
}

static void send_many(const char *type, int count, int ms)
{
    for (int i = 0; i < count; i++)
        test_send(&server, WORK, type, "{\"n\":\"n%d\",\"ms\":%d}", i, ms);
}

static void assert_each_once(int count)
{
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
}

/* ---- Signals ------------------------------------------------------------------------------- */

/* Thousands of signals that mean nothing, while thousands of messages come. */
static void a_storm_of_signals_does_no_harm(void **state)
{
    static const int signals[] = {SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD, SIGCONT, SIGWINCH, SIGURG};
    const int count = 2000;
    (void)state;
    struct test_worker one = start_worker("one");
    for (int i = 0; i < count; i++) {
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
        for (int k = 0; k < 7; k++)
            assert_int_equal(kill(one.pid, signals[k]), 0);
    }
    test_await_settled(&server, WORK);
    assert_each_once(count);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), count);
    assert_int_equal(test_worker_logged(&one, "link.lost"), 0);
    test_worker_end_well(&one);
}

/* As SIGTERM; said again, as shell and kernel both say it, it does not cut short. */
static void a_hangup_stops_in_order(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_many("Defer", 3, 400);
    AWAIT(test_worker_logged(&one, "test.run") == 3);
    kill(one.pid, SIGHUP);
    test_worker_await_log(&one, "worker.stopping");
    assert_int_equal(test_worker_end(&one, SIGHUP), 0);
    assert_each_once(3);
    assert_int_equal(test_pending(&server, WORK), 0);
}

static void a_hangup_behind_nohup_is_nothing(void **state)
{
    (void)state;
    signal(SIGHUP, SIG_IGN); /* inherited */
    struct test_worker one = start_worker("one");
    signal(SIGHUP, SIG_DFL);
    kill(one.pid, SIGHUP);
    send_many("Mark", 1, 0);
    test_await_settled(&server, WORK);
    assert_each_once(1);
    assert_int_equal(test_worker_logged(&one, "worker.stopping"), 0);
    test_worker_end_well(&one);
}

static void the_second_of_two_signals_ends_at_once(void **state)
{
    static const int pairs[][2] = {
        {SIGINT, SIGINT}, {SIGINT, SIGTERM}, {SIGTERM, SIGINT}, {SIGHUP, SIGTERM}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        test_do(&server, "FLUSHALL");
        struct test_worker one = start_worker("one");
        send_many("Defer", 3, 60000);
        AWAIT(test_worker_logged(&one, "test.run") == 3);
        kill(one.pid, pairs[i][0]);
        test_worker_await_log(&one, "worker.stopping");
        assert_int_equal(test_worker_end(&one, pairs[i][1]), 0);
        assert_int_equal(test_pending(&server, WORK), 3);
        struct test_worker two = start_worker("two"); /* where they do not take long any more */
        test_await_settled(&server, WORK);
        assert_each_once(3);
        test_worker_end_well(&two);
    }
}

/* Asked to stop before it is ready, at whatever moment, and where there is no server at all. */
static void a_stop_during_the_start_is_one_in_order(void **state)
{
    (void)state;
    send_many("Mark", 20, 0);
    for (int i = 0; i < 12; i++) {
        struct test_worker one =
            test_worker_launch(server.url, WORK, "one", OPTIONS("--claim-idle", "100ms"));
        usleep((useconds_t)(i * 3000)); /* another moment each time */
        int code = test_worker_end(&one, SIGTERM);
        assert_true(code == 0 || code == 128 + SIGTERM); /* before it has set up anything */
    }
    struct test_worker nowhere =
        test_worker_launch("unix:///nonexistent/socket", WORK, "one", NULL);
    test_worker_await_log(&nowhere, "link.lost");
    assert_int_equal(test_worker_end(&nowhere, SIGTERM), 0);
    struct test_worker two = start_worker("two");
    test_await_settled(&server, WORK);
    assert_each_once(20);
    assert_int_equal(test_dead(&server, WORK), 0);
    test_worker_end_well(&two);
}

/* ---- Handlers that hang -------------------------------------------------------------------- */

/* It holds up its process for ever, but no message beside it, and is buried like one that kills. */
static void a_message_that_hangs_its_workers_is_buried_alone(void **state)
{
    struct test_worker hung[2];
    (void)state;
    send_many("Mark", 10, 0);
    test_send(&server, WORK, "Hang", "{}");
    for (int i = 10; i < 20; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
    for (int i = 0; i < 2; i++) {
        char consumer[16];
        snprintf(consumer, sizeof consumer, "hung%d", i);
        hung[i] = test_worker_start(
            &server, WORK, consumer,
            OPTIONS("--claim-idle", "300ms", "--max-deliveries", "2", "--retry-base", "10ms"));
        test_worker_await_log(&hung[i], "test.hangs");
    }
    struct test_worker next = test_worker_start(
        &server, WORK, "next",
        OPTIONS("--claim-idle", "300ms", "--max-deliveries", "2", "--retry-base", "10ms"));
    test_await_settled(&server, WORK);
    assert_each_once(20);
    assert_int_equal(test_dead(&server, WORK), 1);
    assert_string_equal(test_newest(&server, "{work}:dead", "type"), "Hang");
    for (int i = 0; i < 2; i++)
        assert_int_equal(test_worker_end(&hung[i], SIGKILL), 128 + SIGKILL);
    test_worker_end_well(&next);
}

/* ---- Sagas --------------------------------------------------------------------------------- */

static void define_lonely(int timeout_ms)
{
    char rest[300];
    snprintf(rest, sizeof rest,
             "'steps':[{'name':'one','service':'steps','command':'Do','compensation':'Undo',"
             "'timeoutMs':%d,'attempts':1}]",
             timeout_ms);
    test_define(&server, "lonely", 1, rest);
}

/* One message at a time: with one in hand it reads no other, which would sleep with it. */
static struct test_worker start_steps(const char *consumer)
{
    return test_worker_start(&server, STEPS, consumer,
                             OPTIONS("--claim-idle", "60s", "--concurrency", "1"));
}

/* A step asleep in its handler's hands while its saga times out and is undone by another process:
 * when it wakes up it is barred, now and for every later attempt. */
static void a_sleeper_is_barred_after_its_saga_has_ended(void **state)
{
    (void)state;
    define_lonely(400);
    struct test_worker coordinator = test_coordinator_start(&server, "c", NULL);
    struct test_worker sleeper = start_steps("sleeper");
    test_saga_begin(&server, "s", "lonely", "{'defer':2000}");
    AWAIT(test_ask_integer(&server, "XLEN {steps}:commands") == 1 &&
          test_pending(&server, STEPS) == 1);
    kill(sleeper.pid, SIGSTOP);
    struct test_worker other = start_steps("other");
    AWAIT(test_saga_is(&server, "s", "compensated"));
    assert_int_equal(test_ask_integer(&server, "EXISTS {steps}:effects:s"), 0);
    kill(sleeper.pid, SIGCONT);
    test_await_settled(&server, STEPS);
    test_sagas_await_rest(&server, 15000);
    assert_int_equal(test_ask_integer(&server, "EXISTS {steps}:effects:s"), 0);
    assert_true(test_saga_is(&server, "s", "compensated"));
    test_worker_end_well(&sleeper);
    /* the same command from nowhere, to a process that has seen nothing of it */
    sleeper = start_steps("late");
    test_worker_end_well(&other);
    test_do(&server, "XADD {steps}:commands * type Do id s/one/execute saga s step one action "
                     "execute data {}");
    test_await_settled(&server, STEPS);
    assert_int_equal(test_ask_integer(&server, "EXISTS {steps}:effects:s"), 0);
    assert_int_equal(test_dead(&server, STEPS), 0);
    test_worker_end_well(&sleeper);
    test_worker_end_well(&coordinator);
}

/* Nobody serves a step: its sagas time out as they have to, and those that may wait go on when
 * somebody comes. */
static void a_service_without_a_process_loses_nothing(void **state)
{
    char saga[16];
    (void)state;
    define_lonely(300);
    test_define(&server, "patient", 1,
                "'steps':[{'name':'one','service':'steps','command':'Do','compensation':'Undo',"
                "'timeoutMs':60000}]");
    struct test_worker coordinator = test_coordinator_start(&server, "c", NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(saga, sizeof saga, "s%d", i);
        test_saga_begin(&server, saga, i % 2 ? "patient" : "lonely", "{}");
    }
    AWAIT(test_sagas_in(&server, "compensating") == 10);
    assert_int_equal(test_sagas_in(&server, "running"), 10);
    struct test_worker steps = start_steps("steps");
    test_sagas_await_rest(&server, 20000);
    test_await_settled(&server, STEPS);
    for (int i = 0; i < 20; i++) {
        char key[40];
        snprintf(saga, sizeof saga, "s%d", i);
        snprintf(key, sizeof key, "{steps}:effects:%s", saga);
        assert_true(test_saga_is(&server, saga, i % 2 ? "completed" : "compensated"));
        assert_int_equal(test_number(&server, key, "one") - test_number(&server, key, "one/undo"),
                         i % 2);
    }
    test_worker_end_well(&steps);
    test_worker_end_well(&coordinator);
}

/* ---- One name twice ------------------------------------------------------------------------ */

static void two_of_one_name_are_told(void **state)
{
    (void)state;
    struct test_worker one = start_worker("same");
    struct test_worker other = start_worker("same");
    send_many("Mark", 300, 0);
    test_await_settled(&server, WORK);
    assert_each_once(300);
    test_worker_await_log(&one, "worker.name_shared");
    test_worker_end_well(&one);
    test_worker_end_well(&other);
    struct test_worker after = start_worker("same");
    send_many("Mark", 301, 0);
    test_await_settled(&server, WORK);
    assert_int_equal(test_worker_logged(&after, "worker.name_shared"), 0);
    test_worker_end_well(&after);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_storm_of_signals_does_no_harm),
        CASE(a_hangup_stops_in_order),
        CASE(a_hangup_behind_nohup_is_nothing),
        CASE(the_second_of_two_signals_ends_at_once),
        CASE(a_stop_during_the_start_is_one_in_order),
        CASE(a_message_that_hangs_its_workers_is_buried_alone),
        CASE(a_sleeper_is_barred_after_its_saga_has_ended),
        CASE(a_service_without_a_process_loses_nothing),
        CASE(two_of_one_name_are_told),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
