/* Clocks of workers and coordinators that are wrong, each in its own way, and jump by hours and
 * days while they work: nothing depends on them, as the server's clock decides. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/clock.h"
#include "support/load.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define HOUR 3600000LL
#define DAY (24 * HOUR)
#define LIMIT_MS 30000
#define MEMBERS 4 /* two workers, or a service and coordinators */
#define NO_RESCUE "--claim-idle", "30s", "--handler-timeout", "30s"

static struct test_server server;
static struct test_clock clocks[MEMBERS];
static struct test_worker members[MEMBERS];

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    for (size_t i = 0; i < MEMBERS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%zu.clock", i);
        test_clock_open(&clocks[i], name);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < MEMBERS; i++)
        test_clock_close(&clocks[i]);
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    for (size_t i = 0; i < MEMBERS; i++)
        test_clock_set(&clocks[i], 0);
    return 0;
}

static weir_service *make_service(const char *name)
{
    return strcmp(name, "steps") == 0 ? test_step_service(name) : test_work_service(name);
}

static void start_worker(size_t member, const char *service)
{
    char consumer[16];
    snprintf(consumer, sizeof(consumer), "w%zu", member);
    test_clock_begin(&clocks[member]);
    members[member] = test_worker_launch(server.url, service, consumer, OPTIONS(NO_RESCUE));
    test_clock_end();
    test_worker_await_log(&members[member], "worker.ready");
}

static void start_coordinator(size_t member)
{
    char consumer[16];
    snprintf(consumer, sizeof(consumer), "c%zu", member);
    test_clock_begin(&clocks[member]);
    members[member] = test_coordinator_start(&server, consumer, OPTIONS(NO_RESCUE));
    test_clock_end();
}

/* Members in turn, each time by another span, forth and back. */
static void jump(size_t turn)
{
    static const int64_t spans[] = {HOUR, -HOUR, DAY, -DAY, 30 * DAY, -3 * HOUR, 0, -400 * DAY};
    test_clock_set(&clocks[turn % MEMBERS], spans[(turn * 3 + turn / MEMBERS) % 8]);
}

static void end_all(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(test_worker_logged(&members[i], "link.lost"), 0);
        assert_int_equal(test_worker_logged(&members[i], "message.taken_over"), 0);
        assert_int_equal(test_worker_logged(&members[i], "message.fenced"), 0);
        test_worker_end_well(&members[i]);
    }
}

/* ---- The shim itself ----------------------------------------------------------------------- */

static long long server_ms(void)
{
    return test_ask_integer(&server, "EVAL %s 0",
                            "local t = redis.call('TIME') return t[1] * 1000 + "
                            "math.floor(t[2] / 1000)");
}

static bool is_dated(const struct test_worker *worker, long long ms)
{
    char date[16];
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    strftime(date, sizeof(date), "%Y-%m-%dT", gmtime_r(&seconds, &parts));
    return test_worker_logged(worker, date) > 0;
}

/* Without this the other cases would show nothing. */
static void a_worker_sees_the_clock_that_is_set(void **state)
{
    (void)state;
    long long before = server_ms();
    test_clock_set(&clocks[0], -400 * DAY);
    start_worker(0, "work");
    assert_true(is_dated(&members[0], before - 400 * DAY) ||
                is_dated(&members[0], server_ms() - 400 * DAY));
    test_worker_end_well(&members[0]);
}

/* ---- Workers ------------------------------------------------------------------------------- */

/* Handlers that wait, retries that are due later, messages in number, for as long as it takes: each
 * look of a worker at what it has in hand falls into another time. */
static void workers_do_not_care(void **state)
{
    (void)state;
    enum { EACH = 30, LATER = 40 };
    int sent = 0;
    for (size_t i = 0; i < MEMBERS; i++)
        start_worker(i, "work");
    for (int i = 0; i < LATER; i++) {
        test_send(&server, "work", "Defer", "{\"n\":\"d%d\",\"ms\":%d}", i, 1000 + i * 50);
        test_send(&server, "work", "Refuse",
                  "{\"n\":\"r%d\",\"outcome\":\"retry\",\"times\":1,\"after\":%d}", i, i * 50);
    }
    for (size_t turn = 0; turn == 0 || !test_settled(&server, "work"); turn++) {
        assert_true(turn < 10000);
        jump(turn);
        if (turn % 8 == 0 && sent < 60 * EACH)
            sent += test_send_many(&server, "work", "Mark", "", sent, EACH, NULL);
        test_pause();
    }
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), sent + 2 * LATER);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), LATER);
    assert_int_equal(test_dead(&server, "work"), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:workers"), MEMBERS);
    end_all(MEMBERS);
}

/* ---- Coordinators -------------------------------------------------------------------------- */

#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"

static long long number_of(const char *saga, const char *field)
{
    char key[64];
    snprintf(key, sizeof(key), "{sagas}:saga:%s", saga);
    return test_number(&server, key, field);
}

static void assert_times(const char *saga, long long began, long long timeout_ms)
{
    long long started = number_of(saga, "startedAt"), ended = number_of(saga, "endedAt");
    assert_in_range(started, began, server_ms());
    assert_in_range(ended, started, server_ms());
    assert_int_equal(number_of(saga, "deadline"), started + timeout_ms);
}

/* Patient sagas never run out of time, hasty ones always, by the server's clock. */
static void coordinators_do_not_care(void **state)
{
    (void)state;
    enum { SAGAS = 24 };
    long long began = server_ms();
    test_define(&server, "patient", 1,
                "'timeoutMs':3600000,'steps':[" STEP("a", "'timeoutMs':1800000") "," STEP(
                    "b", "'timeoutMs':1800000") "]");
    test_define(&server, "hasty", 1,
                "'timeoutMs':3600000,'steps':[" STEP("a", "'timeoutMs':1800000") "," STEP(
                    "b", "'timeoutMs':300,'attempts':1") "]");
    start_worker(0, "steps");
    for (size_t i = 1; i < MEMBERS; i++)
        start_coordinator(i);
    for (int i = 0; i < SAGAS; i++) {
        char saga[16];
        snprintf(saga, sizeof(saga), "s%d", i);
        test_saga_begin(&server, saga, i % 2 ? "hasty" : "patient",
                        i % 2 ? "{'how':{'b':'swallow'}}" : "{'defer':100}");
    }
    for (size_t turn = 0;
         test_sagas_in(&server, "completed") + test_sagas_in(&server, "compensated") < SAGAS;
         turn++) {
        assert_true(server_ms() < began + LIMIT_MS);
        jump(turn);
        test_pause();
    }
    test_sagas_await_rest(&server, LIMIT_MS);
    for (int i = 0; i < SAGAS; i++) {
        char saga[16], key[48];
        snprintf(saga, sizeof(saga), "s%d", i);
        snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
        assert_true(test_saga_is(&server, saga, i % 2 ? "compensated" : "completed"));
        assert_times(saga, began, HOUR);
        assert_int_equal(test_number(&server, key, "a"), 1);
        assert_int_equal(test_number(&server, key, "b"), i % 2 ? 0 : 1);
        assert_int_equal(test_number(&server, key, "a/undo"), i % 2);
        assert_string_equal(test_saga_field(&server, saga, "step:a:attempts"), "1");
    }
    assert_int_equal(test_dead(&server, "sagas") + test_dead(&server, "steps"), 0);
    end_all(MEMBERS);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_worker_sees_the_clock_that_is_set),
        CASE(workers_do_not_care),
        CASE(coordinators_do_not_care),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
