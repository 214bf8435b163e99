/* What goes wrong between a coordinator and the services: commands and their compensations that
 * overtake each other, answers that come late, twice or for another step, deadlines that pass while
 * nobody looks. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/proxy.h"
#include "support/sagas.h"
#include "support/step_service.h"

#define STEPS "steps"
#define BANK "bank"
#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"
#define LONG "'timeoutMs':20000,'backoffMs':10,'attempts':5"
#define REST_MS 15000

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

/* ---- The bank: what an account does not hold it refuses ---------------------------------------
 */

static enum weir_outcome debit(weir_context *context, const weir_message *message)
{
    int64_t amount = json_integer_value(json_object_get(weir_message_data(message), "amount"));
    int64_t balance = 0;
    (void)weir_hget_integer(context, NULL, "balance", &balance);
    if (balance < amount)
        return WEIR_REJECT;
    weir_hset_integer(context, NULL, "balance", balance - amount);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    if (strcmp(name, STEPS) == 0)
        return test_step_service(name);
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Debit", debit, "account:{account}");
    return service;
}

static struct test_worker start_service(const char *consumer)
{
    return test_worker_start(&server, STEPS, consumer, NULL);
}

static long long effects(const char *saga, const char *field)
{
    char key[96];
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    return test_number(&server, key, field);
}

static void assert_effects(const char *saga, const char *step, long long done, long long undone)
{
    char undo[32];
    snprintf(undo, sizeof(undo), "%s/undo", step);
    assert_int_equal(effects(saga, step), done);
    assert_int_equal(effects(saga, undo), undone);
}

static void assert_nothing_left(void)
{
    test_sagas_await_rest(&server, REST_MS);
    test_await_settled(&server, STEPS);
    assert_int_equal(test_dead(&server, STEPS), 0);
    assert_int_equal(test_dead(&server, "sagas"), 0);
}

/* ---- Overtaken by its own compensation --------------------------------------------------------
 */

/* A worker has done the step and its commit stands still on the line; the saga gives up, and the
 * compensation is served by another. Neither the late commit nor the command sent once more may
 * then take effect. */
static void a_step_behind_its_compensation_is_barred(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_define(&server, "brief", 1, "'timeoutMs':300,'steps':[" STEP("a", LONG) "]");
    test_proxy_start(&proxy, &server,
                     (struct proxy_trap){"weir_commit", "s/a/execute", PROXY_HOLD});
    struct test_worker one = /* which reads nothing further while it has something in hand */
        test_worker_launch(proxy.url, STEPS, "one", OPTIONS("--concurrency", "1"));
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_worker_await_log(&one, "worker.ready");
    test_saga_begin(&server, "s", "brief", "{}");
    test_proxy_await(&proxy);
    struct test_worker two = start_service("two");
    AWAIT(test_saga_is(&server, "s", "compensated"));
    assert_effects("s", "a", 0, 0); /* nothing was there to undo */
    test_proxy_release(&proxy, PROXY_NONE);
    test_await_settled(&server, STEPS);
    test_do(&server, "XADD {steps}:commands * type Do id s/a/execute saga s step a action execute");
    assert_nothing_left();
    assert_effects("s", "a", 0, 0);
    assert_string_equal(test_saga_events(&server, "s"),
                        "SagaStarted SagaCompensating SagaCompensated ");
    test_worker_end_well(&one);
    test_worker_end_well(&two);
    test_worker_end_well(&coordinator);
    test_proxy_stop(&proxy);
}

/* The record that bars it has no life of its own that could end before the saga's. */
static void the_bar_has_no_end(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    test_do(&server, "XADD {steps}:commands * type Undo id s/a/compensate saga s step a action "
                     "compensate");
    test_await_settled(&server, STEPS);
    assert_int_equal(test_ask_integer(&server, "EXISTS {steps}:step:s/a"), 1);
    assert_int_equal(test_ask_integer(&server, "PTTL {steps}:step:s/a"), -1);
    test_worker_end_well(&one);
}

/* ---- Answers ----------------------------------------------------------------------------------
 */

/* A debit of all that there is, delivered twice: the second time the account is empty, and the
 * answer has to be the first one's all the same. */
static void a_repeated_debit_is_answered_not_refused(void **state)
{
    (void)state;
    struct test_worker bank = test_worker_start(&server, BANK, "one", NULL);
    test_do(&server, "HSET {bank}:account:a balance 30");
    for (int i = 1; i <= 2; i++) {
        test_do(&server,
                "XADD {bank}:commands * type Debit id s/pay/execute saga s step pay action "
                "execute data {\"account\":\"a\",\"amount\":30}");
        AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == i);
        assert_string_equal(test_newest(&server, "{sagas}:replies", "type"), "StepSucceeded");
        assert_int_equal(test_number(&server, "{bank}:account:a", "balance"), 0);
    }
    test_await_settled(&server, BANK);
    assert_int_equal(test_dead(&server, BANK), 0);
    test_worker_end_well(&bank);
}

/* The service of the second step does not run: whatever else is said, the saga waits for it. */
static void an_answer_counts_for_its_own_step_alone(void **state)
{
    (void)state;
    static const char *const strays[] = {
        "type StepSucceeded saga s step a action execute",
        "type StepSucceeded saga s step a action execute id s/a/execute",
        "type StepFailed saga s step a action execute id s/a/execute",
        "type StepSucceeded saga s step a action compensate id s/a/compensate",
        "type StepSucceeded saga s step c action execute id s/c/execute",
        "type StepFailed saga s step c action execute",
    };
    test_define(&server, "chain", 1,
                "'steps':[" STEP("a", LONG) ",{'name':'b','service':'absent','command':'Do'},"
                                            "{'name':'c','service':'absent','command':'Do'}]");
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_saga_begin(&server, "s", "chain", "{}");
    AWAIT(strcmp(test_saga_field(&server, "s", "step:b:state"), "running") == 0);
    char before[16], command[160];
    snprintf(before, sizeof(before), "%s", test_saga_field(&server, "s", "revision"));
    for (size_t i = 0; i < sizeof(strays) / sizeof(*strays); i++) {
        snprintf(command, sizeof(command), "XADD {sagas}:replies * %s", strays[i]);
        test_do(&server, command);
    }
    AWAIT(test_worker_logged(&coordinator, "saga.stale") == sizeof(strays) / sizeof(*strays));
    assert_string_equal(test_saga_field(&server, "s", "revision"), before);
    assert_string_equal(test_saga_field(&server, "s", "step:b:state"), "running");
    assert_int_equal(test_ask_integer(&server, "XLEN {absent}:commands"), 1);
    assert_int_equal(test_dead(&server, "sagas"), 0);
    test_worker_end_well(&one);
    test_worker_end_well(&coordinator);
}

/* The step answers about when its time is over: whoever comes first decides, and what was done
 * fits. Some are sure to be in time and some are not, so that either side wins. */
static void an_answer_races_its_deadline(void **state)
{
    (void)state;
    enum { SAGAS = 120 };
    char saga[16], data[32];
    test_define(&server, "race", 1, "'timeoutMs':600,'steps':[" STEP("a", LONG) "]");
    struct test_worker one = start_service("one");
    struct test_worker c0 = test_coordinator_start(&server, "c0", NULL);
    struct test_worker c1 = test_coordinator_start(&server, "c1", NULL);
    for (int i = 0; i < SAGAS; i++) {
        int defer = i % 3 == 0 ? 0 : i % 3 == 1 ? 2000 : 590 + (int)test_random(20);
        snprintf(saga, sizeof(saga), "s%d", i);
        snprintf(data, sizeof(data), "{'defer':%d}", defer);
        test_saga_begin(&server, saga, "race", data);
    }
    AWAIT(test_sagas_in(&server, "completed") + test_sagas_in(&server, "compensated") == SAGAS);
    assert_nothing_left();
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        bool completed = test_saga_is(&server, saga, "completed");
        assert_int_equal(effects(saga, "a") - effects(saga, "a/undo"), completed);
        assert_in_range(effects(saga, "a"), 0, 1);
        assert_string_equal(test_saga_events(&server, saga),
                            completed ? "SagaStarted SagaCompleted "
                                      : "SagaStarted SagaCompensating SagaCompensated ");
    }
    printf("%lld answers and %lld deadlines came first\n", test_sagas_in(&server, "completed"),
           test_sagas_in(&server, "compensated"));
    assert_true(test_sagas_in(&server, "completed") > 0);
    assert_true(test_sagas_in(&server, "compensated") >= SAGAS / 3);
    test_worker_end_well(&one);
    test_worker_end_well(&c0);
    test_worker_end_well(&c1);
}

/* ---- Nobody looks -----------------------------------------------------------------------------
 */

/* Of what is on the coordinators' schedule. */
static long long overdue(void)
{
    static const char script[] = "local now = redis.call('TIME')[1] * 1000 "
                                 "return redis.call('ZCOUNT', KEYS[1], '-inf', now)";
    return test_ask_integer(&server, "EVAL %s 1 {sagas}:scheduled", script);
}

/* The coordinator is gone when the deadline passes. The next one has to find it, although nothing
 * but the time tells of it. */
static void deadlines_pass_while_no_coordinator_runs(void **state)
{
    (void)state;
    test_define(&server, "brief", 1,
                "'steps':[" STEP("a", LONG) ",{'name':'b','service':'absent','command':'Do',"
                                            "'timeoutMs':1500,'attempts':1}]");
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_saga_begin(&server, "s", "brief", "{}");
    AWAIT(strcmp(test_saga_field(&server, "s", "step:b:state"), "running") == 0);
    assert_int_equal(test_worker_end(&coordinator, SIGKILL), 128 + SIGKILL);
    AWAIT(overdue() > 0);
    assert_true(test_saga_is(&server, "s", "running"));
    assert_string_equal(test_saga_field(&server, "s", "step:b:state"), "running");
    coordinator = test_coordinator_start(&server, "c1", NULL);
    AWAIT(test_saga_is(&server, "s", "compensated"));
    assert_effects("s", "a", 1, 1);
    assert_string_equal(test_saga_events(&server, "s"),
                        "SagaStarted SagaCompensating SagaCompensated ");
    test_worker_end_well(&one);
    test_worker_end_well(&coordinator);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_step_behind_its_compensation_is_barred),
        CASE(the_bar_has_no_end),
        CASE(a_repeated_debit_is_answered_not_refused),
        CASE(an_answer_counts_for_its_own_step_alone),
        CASE(an_answer_races_its_deadline),
        CASE(deadlines_pass_while_no_coordinator_runs),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
