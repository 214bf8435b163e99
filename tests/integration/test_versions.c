/* Definitions and workers that change while sagas are in flight: each saga ends by the definition
 * that it began with, and what is missing for a while is waited for. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/sagas.h"
#include "support/step_service.h"

#define STEPS "steps"
#define OLD "WEIR_TEST_OLD" /* in the environment: a worker without Renew and UndoRenew */
#define STEP(name) "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'}"
#define WAIT "{'name':'wait','signal':'Go','timeoutMs':60000}"

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
    unsetenv(OLD);
    return 0;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = test_step_service(name);
    if (!getenv(OLD)) {
        weir_on_command(service, "Renew", test_step_do, NULL);
        weir_on_command(service, "UndoRenew", test_step_undo, NULL);
    }
    return service;
}

/* ---- Helpers ------------------------------------------------------------------------------- */

static struct test_worker start_coordinator(void)
{
    return test_coordinator_start(&server, "c0", OPTIONS("--log-level", "debug"));
}

/* `deliveries` is its limit. */
static struct test_worker start_worker(const char *consumer, bool old, const char *deliveries)
{
    if (old)
        setenv(OLD, "1", 1);
    struct test_worker worker = test_worker_start(
        &server, STEPS, consumer,
        OPTIONS("--max-deliveries", deliveries, "--retry-base", "20ms", "--retry-cap", "50ms"));
    unsetenv(OLD);
    return worker;
}

/* Begins it and waits until it stands at the step that waits for the signal. */
static void begin_and_wait(const char *saga, const char *definition)
{
    test_saga_begin(&server, saga, definition, "{}");
    AWAIT(strcmp(test_saga_field(&server, saga, "step:wait:state"), "running") == 0);
}

static void give_signal(const char *saga)
{
    test_do(&server, "XADD {sagas}:commands * type SignalSaga saga %s signal Go", saga);
}

static long long effects(const char *saga, const char *step)
{
    char key[96];
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    return test_number(&server, key, step);
}

/* That it has ended by a definition with the step `has` and without the step `lacks`. */
static void await_completed(const char *saga, const char *version, const char *has,
                            const char *lacks)
{
    AWAIT(test_saga_is(&server, saga, "completed"));
    assert_string_equal(test_saga_field(&server, saga, "version"), version);
    assert_int_equal(effects(saga, "a"), 1);
    assert_int_equal(effects(saga, has), 1);
    assert_int_equal(effects(saga, lacks), 0);
}

/* ---- Definitions --------------------------------------------------------------------------- */

static void a_new_version_is_for_new_sagas(void **state)
{
    (void)state;
    struct test_worker coordinator = start_coordinator(), worker = start_worker("w", false, "5");
    test_define(&server, "trip", 1, "'steps':[" STEP("a") "," WAIT "," STEP("c") "]");
    begin_and_wait("t1", "trip");
    test_define(&server, "trip", 2, "'steps':[" STEP("a") "," WAIT "," STEP("d") "]");
    begin_and_wait("t2", "trip");
    test_worker_end_well(&coordinator);
    coordinator = start_coordinator(); /* one that has seen neither */
    give_signal("t1");
    give_signal("t2");
    await_completed("t1", "1", "c", "d");
    await_completed("t2", "2", "d", "c");
    test_worker_end_well(&coordinator);
    test_worker_end_well(&worker);
}

static void a_version_rewritten_by_hand_is_for_new_sagas(void **state)
{
    (void)state;
    struct test_worker coordinator = start_coordinator(), worker = start_worker("w", false, "5");
    test_define(&server, "trip", 1, "'steps':[" STEP("a") "," WAIT "," STEP("c") "]");
    begin_and_wait("t1", "trip");
    test_define(&server, "trip", 1, "'steps':[" STEP("a") "," WAIT "," STEP("d") "]");
    begin_and_wait("t2", "trip");
    give_signal("t1");
    give_signal("t2");
    await_completed("t1", "1", "c", "d");
    await_completed("t2", "1", "d", "c");
    test_worker_end_well(&coordinator);
    test_worker_end_well(&worker);
}

static void await_said(const struct test_worker *coordinator, const char *saga)
{
    char field[64];
    snprintf(field, sizeof(field), " saga=%s", saga);
    AWAIT(test_worker_logged_of(coordinator, "saga.definition_missing", field) > 0);
}

/* One that has not seen them while they were there says so, leaves the sagas as they are, serves
 * the others meanwhile, and goes on when they are back. */
static void a_missing_version_is_waited_for(void **state)
{
    (void)state;
    static const char theirs[] = "'steps':[" STEP("a") "," WAIT "," STEP("c") "]";
    struct test_worker coordinator = start_coordinator(), worker = start_worker("w", false, "5");
    test_define(&server, "rewritten", 1, theirs);
    test_define(&server, "removed", 1, theirs);
    begin_and_wait("r1", "rewritten");
    begin_and_wait("g1", "removed");
    assert_int_equal(test_worker_end(&coordinator, SIGKILL), 128 + SIGKILL);
    test_define(&server, "rewritten", 1, "'steps':[" STEP("a") "," WAIT "," STEP("d") "]");
    test_do(&server, "HDEL {sagas}:definition:removed 1");
    coordinator = start_coordinator();
    give_signal("r1");
    give_signal("g1");
    await_said(&coordinator, "r1");
    await_said(&coordinator, "g1");
    begin_and_wait("r2", "rewritten");
    give_signal("r2");
    await_completed("r2", "1", "d", "c");
    assert_true(test_saga_is(&server, "r1", "running") && test_saga_is(&server, "g1", "running"));
    assert_int_equal(test_dead(&server, "sagas"), 0);
    test_define(&server, "rewritten", 1, theirs);
    test_define(&server, "removed", 1, theirs);
    await_completed("r1", "1", "c", "d");
    await_completed("g1", "1", "c", "d");
    test_sagas_await_rest(&server, 5000);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&worker);
}

/* ---- Workers ------------------------------------------------------------------------------- */

static void define_renewal(void)
{
    test_define(&server, "renewal", 1,
                "'steps':[" STEP("a") ",{'name':'b','service':'steps','command':'Renew',"
                                      "'compensation':'UndoRenew','timeoutMs':60000}]");
}

static void a_newer_worker_finishes_what_an_older_one_cannot(void **state)
{
    (void)state;
    struct test_worker coordinator = start_coordinator(), old = start_worker("w1", true, "1000");
    define_renewal();
    test_saga_begin(&server, "n1", "renewal", "{}");
    AWAIT(strcmp(test_saga_field(&server, "n1", "step:b:state"), "running") == 0);
    AWAIT(test_scheduled(&server, STEPS) == 1);
    assert_true(test_saga_is(&server, "n1", "running"));
    assert_int_equal(test_dead(&server, STEPS), 0);
    struct test_worker newer = start_worker("w2", false, "1000"); /* beside the other */
    AWAIT(test_saga_is(&server, "n1", "completed"));
    assert_int_equal(effects("n1", "a"), 1);
    assert_int_equal(effects("n1", "b"), 1);
    test_await_settled(&server, STEPS);
    assert_int_equal(test_dead(&server, STEPS), 0);
    test_worker_end_well(&newer);
    test_worker_end_well(&old);
    test_worker_end_well(&coordinator);
}

static void where_none_comes_the_saga_is_undone(void **state)
{
    (void)state;
    struct test_worker coordinator = start_coordinator(), old = start_worker("w1", true, "3");
    define_renewal();
    test_saga_begin(&server, "n1", "renewal", "{}");
    AWAIT(test_saga_is(&server, "n1", "compensated"));
    assert_int_equal(test_dead(&server, STEPS), 1);
    assert_string_equal(test_newest(&server, "{steps}:dead", "type"), "Renew");
    assert_string_equal(test_newest(&server, "{steps}:dead", "deliveries"), "3");
    assert_non_null(strstr(test_newest(&server, "{steps}:dead", "reason"), "type"));
    assert_string_equal(test_saga_field(&server, "n1", "step:b:state"), "failed");
    assert_non_null(strstr(test_saga_field(&server, "n1", "reason"), "b: "));
    assert_int_equal(effects("n1", "a"), 1);
    assert_int_equal(effects("n1", "a/undo"), 1);
    test_worker_end_well(&old);
    test_worker_end_well(&coordinator);
}

/* A worker that has been taken back to an older release still answers for what it has done. */
static void an_older_worker_repeats_an_outcome(void **state)
{
    (void)state;
    static const char again[] = "XADD {steps}:commands * type Renew id n1/b/execute saga n1 step b "
                                "action execute data {}";
    struct test_worker worker = start_worker("w1", false, "3");
    test_do(&server, again);
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == 1);
    test_worker_end_well(&worker);
    worker = start_worker("w1", true, "3");
    test_do(&server, again);
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == 2);
    assert_string_equal(test_newest(&server, "{sagas}:replies", "type"), "StepSucceeded");
    assert_int_equal(test_dead(&server, STEPS), 0);
    test_worker_end_well(&worker);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_version_is_for_new_sagas),
        CASE(a_version_rewritten_by_hand_is_for_new_sagas),
        CASE(a_missing_version_is_waited_for),
        CASE(a_newer_worker_finishes_what_an_older_one_cannot),
        CASE(where_none_comes_the_saga_is_undone),
        CASE(an_older_worker_repeats_an_outcome),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
