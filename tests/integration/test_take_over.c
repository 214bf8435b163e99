/* Workers that die, hang, come back or are told to stop, with messages in hand. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/proxy.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define QUICK "--claim-idle", "200ms", "--retry-base", "10ms", "--log-level", "debug"

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

static void send_many(const char *type, int count, int ms)
{
    for (int i = 0; i < count; i++)
        test_send(&server, WORK, type, "{\"n\":\"n%d\",\"ms\":%d}", i, ms);
}

static void assert_each_once(int count)
{
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_pending(&server, WORK), 0);
    assert_int_equal(test_backlog(&server, WORK), 0);
}

static void await_runs(const struct test_worker *worker, int count)
{
    AWAIT(test_worker_logged(worker, "test.run") == count);
}

/* ---- Death and silence --------------------------------------------------------------------- */

static void another_takes_over_from_the_dead(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_many("Defer", 20, 60000);
    await_runs(&one, 20);
    assert_int_equal(test_worker_end(&one, SIGKILL), 128 + SIGKILL);
    struct test_worker two = start_worker("two");
    test_await_settled(&server, WORK);
    assert_each_once(20);
    assert_int_equal(test_worker_logged(&two, "message.taken_over"), 20);
    assert_int_equal(test_others(&server, "{work}:deliveries", "2"), 0);
    test_worker_end_well(&two);
}

static void the_late_commit_of_the_silent_is_fenced(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_many("Defer", 5, 300);
    await_runs(&one, 5);
    kill(one.pid, SIGSTOP);
    struct test_worker two = start_worker("two");
    test_await_settled(&server, WORK);
    assert_each_once(5);
    kill(one.pid, SIGCONT);
    AWAIT(test_worker_logged(&one, "message.fenced") == 5);
    assert_each_once(5);
    assert_int_equal(test_others(&server, "{work}:deliveries", "2"), 0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

/* Stopped by its own handler for longer than the claim lasts: the same, without a signal. */
static void the_late_commit_of_a_slow_handler_is_fenced(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_many("Sleep", 1, 900);
    await_runs(&one, 1);
    struct test_worker two = start_worker("two");
    test_await_settled(&server, WORK);
    AWAIT(test_worker_logged(&one, "message.fenced") == 1);
    assert_each_once(1);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

/* A burial that comes too late is none, and is not told as one. */
static void the_late_burial_is_not_told(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_commit", "Refuse", PROXY_HOLD});
    struct test_worker one = test_worker_launch(proxy.url, WORK, "one", OPTIONS(QUICK)), two;
    test_worker_await_log(&one, "worker.ready");
    test_send(&server, WORK, "Refuse", "{\"n\":\"a\",\"outcome\":\"reject\",\"times\":9}");
    test_proxy_await(&proxy);
    two = start_worker("two");
    AWAIT(test_dead(&server, WORK) == 1);
    test_worker_await_log(&two, "message.dead");
    test_proxy_release(&proxy, PROXY_NONE);
    AWAIT(test_worker_logged(&one, "message.fenced") == 1);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
    assert_int_equal(test_worker_logged(&one, "message.dead"), 0);
    assert_int_equal(test_worker_logged_of(&two, "message.dead", " reason="), 1);
    assert_int_equal(test_dead(&server, WORK), 1);
    test_proxy_stop(&proxy);
}

static void a_fixed_consumer_finds_its_own_again(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL); /* claims last 30 s */
    send_many("Defer", 100, 60000);
    await_runs(&one, 100);
    assert_int_equal(test_worker_end(&one, SIGKILL), 128 + SIGKILL);
    struct test_worker again =
        test_worker_start(&server, WORK, "one", OPTIONS("--concurrency", "16"));
    test_await_settled(&server, WORK);
    assert_each_once(100);
    assert_int_equal(test_others(&server, "{work}:deliveries", "2"), 0);
    test_worker_end_well(&again);
}

/* The connection is lost again and again while thousands wait to begin one after the other. */
static void many_are_taken_over_on_a_bad_line(void **state)
{
    (void)state;
    struct test_worker one =
        test_worker_start(&server, WORK, "one", OPTIONS("--concurrency", "20000"));
    assert_int_equal(test_send_many(&server, WORK, "Defer", ",\"ms\":60000", 0, 8000, NULL), 8000);
    await_runs(&one, 8000);
    assert_int_equal(test_worker_end(&one, SIGKILL), 128 + SIGKILL);
    one = test_worker_start(&server, WORK, "one", OPTIONS("--concurrency", "20000"));
    for (int i = 0; i < 5; i++) {
        AWAIT(test_ask_integer(&server, "HLEN {work}:marks") > 200 * i);
        test_do(&server, "CLIENT KILL TYPE normal");
    }
    test_await_settled(&server, WORK);
    assert_each_once(8000);
    assert_true(test_worker_logged(&one, " error ") < 20);
    test_worker_end_well(&one);
}

/* Each look sees a part of what is pending: those in front, in good hands, are more than that. */
static void the_idle_are_found_behind_the_busy(void **state)
{
    (void)state;
    enum { BUSY = 1500, IDLE = 5 };
    test_do(&server, "XGROUP CREATE {work}:commands work 0 MKSTREAM");
    test_send_many(&server, WORK, "Mark", "", 0, BUSY + IDLE, NULL);
    test_do(&server, "XREADGROUP GROUP work busy COUNT %d STREAMS {work}:commands >", BUSY);
    redisReply *idle =
        test_ask(&server, "XREADGROUP GROUP work dead COUNT %d STREAMS {work}:commands >", IDLE);
    redisReply *entries = idle->element[0]->element[1];
    assert_int_equal(entries->elements, IDLE);
    for (size_t i = 0; i < IDLE; i++)
        test_do(&server, "XCLAIM {work}:commands work dead 0 %s IDLE 3600000",
                entries->element[i]->element[0]->str);
    freeReplyObject(idle);
    struct test_worker one =
        test_worker_start(&server, WORK, "one", OPTIONS("--claim-idle", "30m"));
    AWAIT(test_ask_integer(&server, "HLEN {work}:marks") == IDLE);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_pending(&server, WORK), BUSY);
    test_worker_end_well(&one);
}

/* ---- Deferred handlers --------------------------------------------------------------------- */

/* Deferred for three times as long as a silent consumer's are left to it. */
static void deferred_messages_keep_their_claims(void **state)
{
    (void)state;
    static const char *const options[] = {"--claim-idle", "1s", NULL};
    struct test_worker one = test_worker_start(&server, WORK, "one", options);
    send_many("Defer", 240, 3000);
    await_runs(&one, 240);
    struct test_worker two = test_worker_start(&server, WORK, "two", options);
    test_await_settled(&server, WORK);
    assert_each_once(240);
    assert_int_equal(test_worker_logged(&two, "message.taken_over"), 0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

static void a_deferred_handler_without_outcome_is_retried(void **state)
{
    (void)state;
    struct test_worker one =
        test_worker_start(&server, WORK, "one", OPTIONS(QUICK, "--handler-timeout", "150ms"));
    send_many("Defer", 3, 700);
    test_await_settled(&server, WORK);
    assert_each_once(3);
    assert_int_equal(test_others(&server, "{work}:deliveries", "2"), 0);
    AWAIT(test_worker_logged(&one, "came too late") == 3);
    assert_each_once(3);
    test_worker_end_well(&one);
}

/* The time spent behind others for the same key is not the handler's. */
static void waiting_for_a_turn_is_no_timeout(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(
        &server, WORK, "one", OPTIONS("--handler-timeout", "500ms", "--claim-idle", "600ms"));
    for (int i = 0; i < 6; i++)
        test_send(&server, WORK, "Defer", "{\"n\":\"n%d\",\"ms\":150,\"lane\":\"a\"}", i);
    test_await_settled(&server, WORK);
    assert_each_once(6);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    test_worker_end_well(&one);
}

static void takes_no_more_than_it_may(void **state)
{
    (void)state;
    long long most = 0, now;
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS("--concurrency", "4"));
    send_many("Defer", 40, 30);
    do {
        now = test_pending(&server, WORK);
        most = now > most ? now : most;
        test_pause();
    } while (test_backlog(&server, WORK) > 0);
    assert_each_once(40);
    assert_in_range(most, 1, 8);
    test_worker_end_well(&one);
}

/* What is not pending cannot be claimed before the claim time has passed. Both counts are taken of
 * one process, so that they grow together, however slow it is. */
static void an_idle_service_is_looked_at_seldom(void **state)
{
    (void)state;
    struct test_worker one =
        test_worker_start(&server, WORK, "one", OPTIONS("--claim-idle", "400ms"));
    send_many("Mark", 1, 0);
    test_await_settled(&server, WORK);
    assert_each_once(1);
    long long promotions = test_calls_of(&server, "zrangebyscore");
    AWAIT(test_calls_of(&server, "zrangebyscore") >= promotions + 1);
    long long claims = test_calls_of(&server, "xpending");
    promotions = test_calls_of(&server, "zrangebyscore");
    AWAIT(test_calls_of(&server, "zrangebyscore") >= promotions + 3); /* each second */
    assert_in_range(test_calls_of(&server, "xpending") - claims, 1, 15);
    test_worker_end_well(&one);
}

/* ---- Stopping ------------------------------------------------------------------------------ */

static void assert_gone(const char *consumer)
{
    redisReply *consumers = test_ask(&server, "XINFO CONSUMERS {work}:commands work");
    for (size_t i = 0; i < consumers->elements; i++)
        assert_string_not_equal(consumers->element[i]->element[1]->str, consumer);
    freeReplyObject(consumers);
    assert_int_equal(test_ask_integer(&server, "HEXISTS {work}:workers %s", consumer), 0);
}

static void stops_after_what_it_has_begun(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS("--concurrency", "3"));
    AWAIT(test_ask_integer(&server, "HEXISTS {work}:workers one") == 1);
    send_many("Defer", 3, 300);
    await_runs(&one, 3);
    for (int i = 3; i < 10; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
    assert_int_equal(test_pending(&server, WORK), 0);
    assert_int_equal(test_backlog(&server, WORK), 7);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 3);
    assert_int_equal(test_worker_logged(&one, "test.run"), 3);
    assert_gone("one");
}

static void stops_at_once_when_idle(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    long long begun = test_now();
    test_worker_end_well(&one);
    assert_true(test_now() - begun < 2000);
    assert_gone("one");
    one = start_worker("one");
    assert_int_equal(test_worker_end(&one, SIGINT), 0);
    assert_gone("one");
}

static void a_second_signal_stops_at_once(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_many("Defer", 3, 60000);
    await_runs(&one, 3);
    kill(one.pid, SIGTERM);
    test_worker_await_log(&one, "worker.stopping");
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
    assert_int_equal(test_pending(&server, WORK), 3);
    struct test_worker two = start_worker("two");
    test_await_settled(&server, WORK);
    assert_each_once(3);
    test_worker_end_well(&two);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(another_takes_over_from_the_dead),
        CASE(the_late_commit_of_the_silent_is_fenced),
        CASE(the_late_commit_of_a_slow_handler_is_fenced),
        CASE(the_late_burial_is_not_told),
        CASE(a_fixed_consumer_finds_its_own_again),
        CASE(many_are_taken_over_on_a_bad_line),
        CASE(the_idle_are_found_behind_the_busy),
        CASE(deferred_messages_keep_their_claims),
        CASE(a_deferred_handler_without_outcome_is_retried),
        CASE(waiting_for_a_turn_is_no_timeout),
        CASE(takes_no_more_than_it_may),
        CASE(an_idle_service_is_looked_at_seldom),
        CASE(stops_after_what_it_has_begun),
        CASE(stops_at_once_when_idle),
        CASE(a_second_signal_stops_at_once),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
