/* Silence: the line swallows everything, or the server is gone without a word, or stands still, or
 * all stand still together. Workers notice by their own timers, which no other party helps: the
 * line never closes what it has swallowed. All cases run side by side, as each waits for the same
 * limit of 10 s. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/clock.h"
#include "support/flaky.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define LIMIT_MS 40000 /* far above the limit of silence: others load this machine, too */
#define NO_RESCUE "--claim-idle", "300s"
#define OWES "owes an answer for too long"

#define AWAIT_LONG(condition)                                                                      \
    do {                                                                                           \
        long long await_end = test_now() + LIMIT_MS;                                               \
        while (!(condition)) {                                                                     \
            if (test_now() > await_end)                                                            \
                fail_msg("has not come true: %s", #condition);                                     \
            test_pause();                                                                          \
        }                                                                                          \
    } while (0)

/* Each case has a server of its own. */
enum place { HOLE, GONE, FROZEN, DATED, PLACES };
static struct test_server servers[PLACES];
static struct test_flaky lines[PLACES];
static struct test_worker workers[PLACES];
static struct test_clock date; /* of that server */

static int start(void **state)
{
    static const char *const folders[] = {"hole", "gone", "frozen", "dated"};
    static const char *const arguments[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    (void)state;
    test_clock_open(&date, "server.clock");
    for (size_t i = 0; i < PLACES; i++) {
        if (i == DATED)
            test_clock_begin(&date);
        test_server_start(&servers[i], folders[i], arguments);
        test_clock_end();
        test_flaky_start(&lines[i], &servers[i]);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_workers_clear();
    for (size_t i = 0; i < PLACES; i++) {
        test_flaky_stop(&lines[i]);
        test_server_stop(&servers[i], SIGTERM);
    }
    test_clock_close(&date);
    return 0;
}

static weir_service *make_service(const char *name)
{
    return strcmp(name, "steps") == 0 ? test_step_service(name) : test_work_service(name);
}

static void send_marks(struct test_server *server, int from, int to)
{
    for (int i = from; i < to; i++)
        test_send(server, "work", "Mark", "{\"n\":\"n%d\"}", i);
}

static void assert_each_once(struct test_server *server, int count)
{
    test_await_settled(server, "work");
    assert_int_equal(test_ask_integer(server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(server, "{work}:marks", "1"), 0);
    assert_int_equal(test_ask_integer(server, "XLEN {work}:events"), count);
    assert_int_equal(test_dead(server, "work"), 0);
}

/* ---- Noticed by an own timer --------------------------------------------------------------- */

static long long blocked_readers(struct test_server *server)
{
    return test_ask_integer(server, "EVAL %s 0",
                            "return tonumber(redis.call('INFO', 'clients'):match("
                            "'blocked_clients:(%d+)'))");
}

/* The blocked read is swallowed with the message that it takes; the worker comes back by itself,
 * finds that message first, and no claim has to end for it. */
static void fall_into_hole(void)
{
    AWAIT(blocked_readers(&servers[HOLE]) == 1);
    test_flaky_say(&lines[HOLE], "half-open");
    send_marks(&servers[HOLE], 0, 1);
    AWAIT(test_pending(&servers[HOLE], "work") == 1);
    send_marks(&servers[HOLE], 1, 5);
}

static void come_out_of_hole(void)
{
    assert_each_once(&servers[HOLE], 5);
    /* no handler has run for what was swallowed, so it is not counted as delivered */
    assert_int_equal(test_others(&servers[HOLE], "{work}:deliveries", "1"), 0);
    assert_true(test_flaky_count(&lines[HOLE], "swallowed") > 0);
    assert_int_equal(test_worker_logged(&workers[HOLE], OWES), 2); /* both links */
    assert_int_equal(test_worker_logged(&workers[HOLE], "message.taken_over"), 0);
}

/* Commits are on their way when the server is gone, and another stands in its place. */
static void lose_server(void)
{
    test_send(&servers[GONE], "work", "Defer", "{\"n\":\"n0\",\"ms\":100}");
    AWAIT(test_worker_logged(&workers[GONE], "test.run") == 1);
    test_flaky_say(&lines[GONE], "half-open");
    test_server_restart(&servers[GONE], SIGKILL);
    send_marks(&servers[GONE], 1, 5);
}

static void find_server(void)
{
    test_await_settled(&servers[GONE], "work");
    assert_int_equal(test_ask_integer(&servers[GONE], "HLEN {work}:marks"), 5);
    assert_int_equal(test_others(&servers[GONE], "{work}:marks", "1"), 0);
    assert_int_equal(test_others(&servers[GONE], "{work}:deliveries", "1"), 0);
    assert_int_equal(test_worker_logged(&workers[GONE], OWES), 2);
    assert_int_equal(test_worker_logged(&workers[GONE], "message.taken_over"), 0);
}

/* It has got the commits, and carries them out once it goes on, when the worker has long given up
 * that connection. */
static void freeze_server(void)
{
    for (int i = 0; i < 5; i++)
        test_send(&servers[FROZEN], "work", "Defer", "{\"n\":\"n%d\",\"ms\":200}", i);
    AWAIT(test_worker_logged(&workers[FROZEN], "test.run") == 5);
    test_server_freeze(&servers[FROZEN]);
}

static void thaw_server(void)
{
    AWAIT_LONG(test_worker_logged(&workers[FROZEN], OWES) > 0);
    test_server_thaw(&servers[FROZEN]);
    test_await_settled(&servers[FROZEN], "work");
    assert_int_equal(test_ask_integer(&servers[FROZEN], "HLEN {work}:marks"), 5);
    assert_int_equal(test_others(&servers[FROZEN], "{work}:marks", "1"), 0);
    assert_int_equal(test_others(&servers[FROZEN], "{work}:deliveries", "1"), 0);
    assert_int_equal(test_dead(&servers[FROZEN], "work"), 0);
}

/* A read that is blocked when the date is set back is blocked for that long. */
static void set_date_back(void)
{
    AWAIT(blocked_readers(&servers[DATED]) == 1);
    test_clock_set(&date, -3600000);
}

/* It takes the server's silence for a loss, serves what comes, and can be ended. */
static void live_with_old_date(void)
{
    AWAIT_LONG(test_worker_logged(&workers[DATED], "role=reader") > 0);
    assert_int_equal(test_worker_logged(&workers[DATED], OWES), 1);
    send_marks(&servers[DATED], 0, 5);
    assert_each_once(&servers[DATED], 5);
    AWAIT(blocked_readers(&servers[DATED]) == 1);
    test_clock_set(&date, -2 * 3600000);
}

static void silence_is_noticed_and_leaves_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLACES; i++)
        workers[i] = test_worker_launch(i >= FROZEN ? servers[i].url : lines[i].url, "work", "w",
                                        OPTIONS(NO_RESCUE));
    for (size_t i = 0; i < PLACES; i++)
        test_worker_await_log(&workers[i], "worker.ready");
    set_date_back();
    freeze_server();
    fall_into_hole();
    lose_server();
    AWAIT_LONG(test_worker_logged(&workers[HOLE], OWES) == 2);
    AWAIT_LONG(test_worker_logged(&workers[GONE], OWES) == 2);
    come_out_of_hole();
    find_server();
    thaw_server();
    live_with_old_date();
    for (size_t i = 0; i < PLACES; i++)
        test_worker_end_well(&workers[i]);
}

/* ---- Everybody stands still ---------------------------------------------------------------- */

#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"

static void stop_all(const struct test_worker *all, size_t count, int signal)
{
    for (size_t i = 0; i < count; i++)
        kill(all[i].pid, signal);
}

static void assert_saga(struct test_server *server, const char *saga)
{
    char key[64];
    bool completed = test_saga_is(server, saga, "completed");
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    assert_true(completed || test_saga_is(server, saga, "compensated"));
    for (char step = 'a'; step <= 'b'; step++) {
        char done[] = {step, '\0'}, undone[16];
        snprintf(undone, sizeof(undone), "%c/undo", step);
        assert_in_range(test_number(server, key, done), completed, 1);
        assert_int_equal(test_number(server, key, undone),
                         completed ? 0 : test_number(server, key, done));
    }
}

/* A machine that is put to sleep: the server and all workers stop and go on together, after
 * claims and deadlines are over by the server's clock. */
static void a_machine_may_sleep(void **state)
{
    (void)state;
    enum { SAGAS = 12, ALL = 4 };
    struct test_server *server = &servers[HOLE];
    struct test_worker all[ALL];
    test_do(server, "FLUSHALL");
    test_define(server, "pair", 1,
                "'steps':[" STEP("a", "'timeoutMs':600,'attempts':3") "," STEP(
                    "b", "'timeoutMs':600,'attempts':3") "]");
    all[0] = test_worker_start(server, "steps", "s1", OPTIONS("--claim-idle", "300ms"));
    all[1] = test_worker_start(server, "steps", "s2", OPTIONS("--claim-idle", "300ms"));
    all[2] = test_coordinator_start(server, "c1", OPTIONS("--claim-idle", "300ms"));
    all[3] = test_coordinator_start(server, "c2", OPTIONS("--claim-idle", "300ms"));
    for (int i = 0; i < SAGAS; i++) {
        char saga[16], data[48];
        snprintf(saga, sizeof(saga), "s%d", i);
        snprintf(data, sizeof(data), "{'defer':%d}", 150 + i * 20);
        test_saga_begin(server, saga, "pair", data);
    }
    /* On a busy machine the first have ended when the last begin. */
    AWAIT(test_sagas_in(server, "running") + test_sagas_in(server, "completed") == SAGAS);
    stop_all(all, ALL, SIGSTOP);
    test_server_freeze(server);
    for (long long end = test_now() + 1000; test_now() < end;)
        test_pause();
    stop_all(all, ALL, SIGCONT);
    test_server_thaw(server);
    test_sagas_await_rest(server, LIMIT_MS);
    test_await_settled(server, "steps");
    for (int i = 0; i < SAGAS; i++) {
        char saga[16];
        snprintf(saga, sizeof(saga), "s%d", i);
        assert_saga(server, saga);
    }
    assert_int_equal(test_sagas_in(server, "suspended"), 0);
    assert_int_equal(test_dead(server, "steps") + test_dead(server, "sagas"), 0);
    for (size_t i = 0; i < ALL; i++)
        test_worker_end_well(&all[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_noticed_and_leaves_no_harm),
        cmocka_unit_test(a_machine_may_sleep),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
