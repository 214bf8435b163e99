/* What comes before the saga it is about has begun, and what no coordinator lived to finish. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/sagas.h"

#define SAGAS 300
#define WAIT "'steps':[{'name':'wait','signal':'Go','timeoutMs':4000}]"

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

/* A start, and right behind it an order for it. */
static void begin_and_order(const char *order)
{
    for (int i = 0; i < SAGAS; i++) {
        test_do(&server, "XADD {sagas}:commands * type StartSaga saga s%d definition wait", i);
        test_do(&server, "XADD {sagas}:commands * type %s saga s%d signal Go", order, i);
    }
}

static void several_coordinators_hear_orders_behind_starts(void **state)
{
    (void)state;
    test_define(&server, "wait", 1, WAIT);
    begin_and_order("SignalSaga");
    struct test_worker one = test_coordinator_start(&server, "c0", NULL);
    struct test_worker two = test_coordinator_start(&server, "c1", NULL);
    test_sagas_await_rest(&server, 15000);
    assert_int_equal(test_dead(&server, "sagas"), 0);
    assert_int_equal(test_sagas_in(&server, "completed"), SAGAS);
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
    assert_int_equal(test_worker_end(&two, SIGTERM), 0);
}

/* A saga that waits for its turn can be cancelled: nothing of it ever happens, or it is undone. */
static void a_start_that_is_held_back_can_be_cancelled(void **state)
{
    (void)state;
    test_define(&server, "wait", 1, WAIT);
    begin_and_order("CancelSaga");
    struct test_worker one = test_coordinator_start(&server, "c0", OPTIONS("--max-sagas", "10"));
    test_sagas_await_rest(&server, 15000);
    assert_int_equal(test_dead(&server, "sagas"), 0);
    assert_int_equal(test_sagas_in(&server, "completed"), 0);
    for (int i = 0; i < SAGAS; i++) {
        char saga[24];
        snprintf(saga, sizeof(saga), "s%d", i);
        const char *reason = test_saga_field(&server, saga, "reason");
        if (*reason && strncmp(reason, "cancelled", 9) != 0)
            fail_msg("saga %s: %s", saga, reason);
    }
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

/* The start has died with a coordinator, and the order for it comes before another has taken it
 * over. One for a saga that nobody starts waits as long, and no longer. */
static void an_order_waits_for_a_start_in_dead_hands(void **state)
{
    (void)state;
    test_define(&server, "wait", 1, WAIT);
    test_do(&server, "XGROUP CREATE {sagas}:commands sagas 0 MKSTREAM");
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga s1 definition wait");
    test_do(&server, "XREADGROUP GROUP sagas ghost STREAMS {sagas}:commands >");
    test_do(&server, "XADD {sagas}:commands * type CancelSaga saga s1");
    test_do(&server, "XADD {sagas}:commands * type CancelSaga saga nobody");
    struct test_worker one = test_coordinator_start(&server, "c0", OPTIONS("--claim-idle", "4s"));
    AWAIT(test_saga_is(&server, "s1", "compensated"));
    assert_string_equal(test_saga_field(&server, "s1", "reason"), "cancelled");
    AWAIT(test_dead(&server, "sagas") == 1);
    assert_string_equal(test_newest(&server, "{sagas}:dead", "saga"), "nobody");
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

/* One saga under way, its coordinator dead. */
static void leave_one(const char *definition, const char *rest)
{
    test_define(&server, definition, 1, rest);
    struct test_worker one = test_coordinator_start(&server, "c0", NULL);
    test_saga_begin(&server, "s1", definition, "{}");
    AWAIT(test_saga_is(&server, "s1", "running"));
    assert_int_equal(test_worker_end(&one, SIGKILL), 128 + SIGKILL);
}

static void await_due(void)
{
    AWAIT(test_ask_integer(&server, "EVAL %s 1 {sagas}:scheduled",
                           "return redis.call('ZCOUNT', KEYS[1], '-inf', "
                           "redis.call('TIME')[1] .. '000')") == 1);
}

/* Five coordinators have died with the saga's timer in hand; the saga still has to end. */
static void a_buried_timer_leaves_no_saga_behind(void **state)
{
    (void)state;
    leave_one("wait", "'steps':[{'name':'wait','signal':'Go','timeoutMs':500}]");
    await_due();
    test_do(&server, "FCALL weir_promote 3 {sagas}:scheduled {sagas}:commands {sagas}:dead 10");
    test_do(&server, "XREADGROUP GROUP sagas ghost COUNT 1 STREAMS {sagas}:commands >");
    redisReply *pending = test_ask(&server, "XPENDING {sagas}:commands sagas - + 1");
    test_do(&server, "XCLAIM {sagas}:commands sagas ghost 0 %s RETRYCOUNT 5 JUSTID",
            pending->element[0]->element[0]->str);
    freeReplyObject(pending);
    struct test_worker one =
        test_coordinator_start(&server, "c1", OPTIONS("--claim-idle", "100ms"));
    AWAIT(!test_saga_is(&server, "s1", "running"));
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

/* What the timer asks for cannot be written for a while: the command goes to what is no stream. The
 * other branch is answered meanwhile, which leaves the saga's timer where it is. */
static void a_refused_timer_leaves_no_saga_behind(void **state)
{
    (void)state;
    leave_one("two",
              "'steps':[{'name':'a','service':'x','command':'Do','compensation':'Undo','after':[],"
              "'timeoutMs':500,'backoffMs':10,'attempts':2},"
              "{'name':'wait','signal':'Go','after':[],'timeoutMs':600000}]");
    test_do(&server, "DEL {x}:commands");
    test_do(&server, "SET {x}:commands broken");
    await_due();
    struct test_worker one = test_coordinator_start(&server, "c1", OPTIONS("--claim-idle", "1s"));
    test_worker_await_log(&one, "{x}:commands: it is a string");
    test_do(&server, "XADD {sagas}:commands * type SignalSaga saga s1 signal Go data {}");
    AWAIT(strcmp(test_saga_field(&server, "s1", "step:wait:state"), "succeeded") == 0);
    test_do(&server, "DEL {x}:commands");
    test_do(&server, "EVAL %s 1 {sagas}:scheduled", /* not in five seconds only */
            "for _, timer in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
            "redis.call('ZADD', KEYS[1], 0, timer) end");
    AWAIT(test_ask_integer(&server, "XLEN {x}:commands") > 0); /* the second attempt */
    assert_int_equal(test_dead(&server, "sagas"), 0);
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

/* The answer came in time; the coordinator that had read it died. */
static void an_answer_in_dead_hands_counts_before_the_deadline(void **state)
{
    (void)state;
    leave_one("once", "'steps':[{'name':'a','service':'x','command':'Do','compensation':'Undo',"
                      "'timeoutMs':500,'attempts':1}]");
    test_do(&server, "XADD {sagas}:replies * type StepSucceeded saga s1 step a action execute id "
                     "s1/a/execute data {}");
    test_do(&server, "XREADGROUP GROUP sagas c0 COUNT 1 STREAMS {sagas}:replies >");
    await_due();
    struct test_worker one = test_coordinator_start(&server, "c1", OPTIONS("--claim-idle", "1s"));
    AWAIT(!test_saga_is(&server, "s1", "running"));
    assert_true(test_saga_is(&server, "s1", "completed"));
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(several_coordinators_hear_orders_behind_starts),
        CASE(a_start_that_is_held_back_can_be_cancelled),
        CASE(an_order_waits_for_a_start_in_dead_hands),
        CASE(a_buried_timer_leaves_no_saga_behind),
        CASE(a_refused_timer_leaves_no_saga_behind),
        CASE(an_answer_in_dead_hands_counts_before_the_deadline),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
