/* A server whose date is set forward, back, or both all the time, while sagas are under way: steps
 * take effect once and are undone at most once, exactly where their saga has turned back; nothing
 * is left over once the clock is right again; and what is sent meanwhile is served. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/balances.h"
#include "support/clock.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define HOUR 3600000LL
#define LIMIT_MS 30000
#define SAGAS 30
#define SLOW_SAGAS (SAGAS / 5) /* they take more than a second */
#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"

/* Of each kind two, so that there is somebody to take over. */
enum { STEPS_1, STEPS_2, COORDINATOR_1, COORDINATOR_2, WORK_1, WORK_2, MEMBERS };

static struct test_clock date;
static struct test_server server;
static struct test_worker members[MEMBERS];
static size_t begun;

static int start(void **state)
{
    (void)state;
    test_clock_open(&date, "server.clock");
    test_clock_begin(&date);
    test_server_start(&server, "redis", NULL);
    test_clock_end();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    test_clock_close(&date);
    return 0;
}

static weir_service *make_service(const char *name)
{
    if (strcmp(name, VIEW) == 0)
        return balances_service(name);
    return strcmp(name, "steps") == 0 ? test_step_service(name) : test_work_service(name);
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_clock_set(&date, 0);
    test_do(&server, "FLUSHALL");
    test_define(
        &server, "patient", 1,
        "'timeoutMs':120000,'steps':[" STEP("a", "'timeoutMs':60000,'backoffMs':20") "," STEP(
            "b", "'timeoutMs':60000,'backoffMs':20") "]");
    test_define(
        &server, "hasty", 1,
        "'timeoutMs':120000,'steps':[" STEP("a", "'timeoutMs':60000,'backoffMs':20") "," STEP(
            "b", "'timeoutMs':400,'attempts':2,'backoffMs':20") "]");
    begun = 0;
    for (size_t i = 0; i < 2; i++) {
        const char *const *quick = OPTIONS("--claim-idle", "2s");
        members[STEPS_1 + i] = test_worker_start(&server, "steps", i ? "s2" : "s1", quick);
        members[COORDINATOR_1 + i] = test_coordinator_start(&server, i ? "c2" : "c1", quick);
        members[WORK_1 + i] = test_worker_start(&server, "work", i ? "w2" : "w1", quick);
    }
    return 0;
}

/* ---- Load ---------------------------------------------------------------------------------- */

static const char *saga_of(size_t number)
{
    static char saga[24];
    snprintf(saga, sizeof(saga), "s%zu", number);
    return saga;
}

static void begin_sagas(size_t count)
{
    static const char *const data[] = {"{'defer':30}", "{'how':{'b':'swallow'}}",
                                       "{'defer':150,'how':{'b':'fail'}}", "{'defer':600}", "{}"};
    for (size_t end = begun + count; begun < end; begun++)
        test_saga_begin(&server, saga_of(begun), begun % 5 == 1 ? "hasty" : "patient",
                        data[begun % 5]);
}

static void send_marks(int from, int to)
{
    for (int i = from; i < to; i++) {
        test_send(&server, "work", "Mark", "{\"n\":\"n%d\"}", i);
        test_send(&server, "work", "Defer", "{\"n\":\"d%d\",\"ms\":100}", i);
        test_send(&server, "work", "Refuse",
                  "{\"n\":\"r%d\",\"outcome\":\"retry\",\"times\":1,\"after\":100}", i);
    }
}

/* ---- What has to hold ---------------------------------------------------------------------- */

static const char *expected_events(bool completed)
{
    return completed ? "SagaStarted SagaCompleted "
                     : "SagaStarted SagaCompensating SagaCompensated ";
}

/* Each step at most once, and undone where it has been done and the saga has turned back. */
static void assert_saga(const char *saga)
{
    char key[48];
    bool completed = test_saga_is(&server, saga, "completed");
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    if (!completed && !test_saga_is(&server, saga, "compensated"))
        fail_msg("saga %s is '%s'", saga, test_saga_field(&server, saga, "state"));
    assert_string_equal(test_saga_events(&server, saga), expected_events(completed));
    for (char step = 'a'; step <= 'b'; step++) {
        char done[] = {step, '\0'}, undone[16];
        snprintf(undone, sizeof(undone), "%c/undo", step);
        assert_in_range(test_number(&server, key, done), completed, 1);
        assert_int_equal(test_number(&server, key, undone),
                         completed ? 0 : test_number(&server, key, done));
    }
}

static void assert_at_rest(int marks)
{
    size_t completed = 0;
    test_sagas_await_rest(&server, LIMIT_MS);
    test_await_settled(&server, "steps");
    test_await_settled(&server, "work");
    for (size_t i = 0; i < begun; i++) {
        assert_saga(saga_of(i));
        completed += test_saga_is(&server, saga_of(i), "completed");
    }
    print_message("%zu of %zu sagas completed\n", completed, begun);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 3 * marks);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(
        test_dead(&server, "steps") + test_dead(&server, "sagas") + test_dead(&server, "work"), 0);
}

/* None of them has left, or been taken for gone for good. */
static void end_all(void)
{
    AWAIT(test_ask_integer(&server, "HLEN {work}:workers") == 2);
    AWAIT(test_ask_integer(&server, "HLEN {steps}:workers") == 2);
    for (size_t i = 0; i < MEMBERS; i++)
        test_worker_end_well(&members[i]);
}

static void wait_for(long long ms)
{
    for (long long end = test_now() + ms; test_now() < end;)
        test_pause();
}

/* ---- Jumps --------------------------------------------------------------------------------- */

/* All claims and deadlines are over at once, and then far away again. */
static void forward_and_right_again(void **state)
{
    (void)state;
    begin_sagas(SAGAS);
    AWAIT(test_sagas_in(&server, "running") >= SLOW_SAGAS);
    send_marks(0, 20);
    test_clock_set(&date, HOUR);
    begin_sagas(SAGAS);
    send_marks(20, 40);
    assert_at_rest(40);
    test_clock_set(&date, 0); /* every id of a stream is an hour ahead of the clock now */
    begin_sagas(SAGAS);
    send_marks(40, 60);
    assert_at_rest(60);
    end_all();
}

/* What was due soon is due in an hour; what comes now is served all the same. */
static void back_and_right_again(void **state)
{
    (void)state;
    begin_sagas(SAGAS);
    AWAIT(test_sagas_in(&server, "running") >= SLOW_SAGAS);
    send_marks(0, 20);
    test_clock_set(&date, -HOUR);
    size_t before = begun;
    begin_sagas(SAGAS);
    send_marks(20, 40);
    for (size_t i = before; i < begun; i++)
        AWAIT(test_saga_is(&server, saga_of(i), "completed") ||
              test_saga_is(&server, saga_of(i), "compensated"));
    for (int i = 20; i < 40; i++) {
        char n[16];
        snprintf(n, sizeof(n), "r%d", i);
        AWAIT(test_number(&server, "{work}:marks", n) == 1);
    }
    test_clock_set(&date, 0);
    assert_at_rest(40);
    end_all();
}

static void forth_and_back_all_the_time(void **state)
{
    (void)state;
    int marks = 0;
    for (int i = 0; i < 30; i++) {
        test_clock_set(&date, i % 2 ? 2000 : -2000);
        if (i % 3 == 0)
            begin_sagas(4);
        send_marks(marks, marks + 2);
        marks += 2;
        wait_for(100);
    }
    test_clock_set(&date, 0);
    assert_at_rest(marks);
    end_all();
}

/* ---- Claims from the future ---------------------------------------------------------------- */

/* Workers whose last sign of life is ahead of the clock. */
static long long signs_ahead(const char *service)
{
    static const char script[] =
        "local now, count = redis.call('TIME')[1] * 1000 + 1000, 0 "
        "for _, about in ipairs(redis.call('HVALS', KEYS[1])) do "
        "  if tonumber(about:match('\"heartbeat\":(%d+)')) > now then count = count + 1 end "
        "end return count";
    return test_ask_integer(&server, "EVAL %s 1 {%s}:workers", script, service);
}

/* What was given out by a clock that was ahead looks as if it had just been given out, for as long
 * as that clock was ahead; the dead do not keep it all the same. */
static void claims_of_the_dead_end_after_a_step_back(void **state)
{
    (void)state;
    test_worker_end_well(&members[WORK_2]);
    test_clock_set(&date, HOUR);
    for (int i = 0; i < 5; i++)
        test_send(&server, "work", "Defer", "{\"n\":\"n%d\",\"ms\":60000}", i);
    AWAIT(test_worker_logged(&members[WORK_1], "test.run") == 5);
    assert_int_equal(test_worker_end(&members[WORK_1], SIGKILL), 128 + SIGKILL);
    test_clock_set(&date, 0);
    members[WORK_1] = test_worker_start(&server, "work", "w3", OPTIONS("--claim-idle", "2s"));
    members[WORK_2] = test_worker_start(&server, "work", "w4", OPTIONS("--claim-idle", "2s"));
    test_await_settled(&server, "work");
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 5);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_others(&server, "{work}:deliveries", "2"), 0);
    AWAIT(signs_ahead("work") == 0); /* nor do their signs of life keep them */
    for (size_t i = 0; i < MEMBERS; i++)
        test_worker_end_well(&members[i]);
}

/* ---- Ids ahead of the clock ---------------------------------------------------------------- */

static void publish(int from, int to)
{
    for (int i = from; i < to; i++)
        test_do(&server,
                "XADD {s%d}:events * type Moved source s%d data {\"account\":%d,\"amount\":1}",
                i % 2, i % 2, i % 3);
}

/* Ids stay in order, whatever the clock does: a view folds every event once, and events that nobody
 * has passed are kept, as old as they may seem. */
static void ids_ahead_of_the_clock_lose_nothing(void **state)
{
    (void)state;
    struct test_worker view = test_worker_start(&server, VIEW, "v", NULL);
    test_do(&server, "XGROUP CREATE {s0}:events late 0 MKSTREAM");
    publish(0, 100);
    test_clock_set(&date, HOUR);
    publish(100, 200);
    test_clock_set(&date, -HOUR);
    publish(200, 300);
    AWAIT(test_number(&server, "{view}:total", "events") == 300);
    test_clock_set(&date, 24 * HOUR);
    publish(300, 310);
    AWAIT(test_number(&server, "{view}:total", "events") == 310);
    assert_int_equal(test_number(&server, "{view}:total", "amount"), 310);
    for (int age = 0; age < 2; age++) /* a group has read nothing yet: nothing may go */
        test_do(&server, "FCALL weir_trim 2 {s0}:events {s0}:readers %lld 10000", age * HOUR);
    assert_int_equal(test_ask_integer(&server, "XLEN {s0}:events"), 155);
    test_do(&server, "XGROUP SETID {s0}:events late $");
    test_clock_set(&date, -HOUR); /* all are younger than nothing */
    test_do(&server, "FCALL weir_trim 2 {s0}:events {s0}:readers 1 10000");
    assert_int_equal(test_ask_integer(&server, "XLEN {s0}:events"), 155);
    test_clock_set(&date, 0);
    test_worker_end_well(&view);
    end_all();
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(claims_of_the_dead_end_after_a_step_back),
        CASE(forward_and_right_again),
        CASE(back_and_right_again),
        CASE(forth_and_back_all_the_time),
        CASE(ids_ahead_of_the_clock_lose_nothing),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
