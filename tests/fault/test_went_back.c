/* A server that has lost the newest part of its history: the workers notice, say so once, and name
 * the streams and sagas that are concerned. One that has lost nothing is never accused. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define WORK "work"
#define STEPS "steps"
#define QUICK "--claim-idle", "300ms", "--retry-base", "10ms", "--log-level", "debug"
#define DATA "redis/appendonlydir"
#define KEPT "kept"

static const char *const durable[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
static struct test_server server;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", durable);
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

/* ---- Going back ---------------------------------------------------------------------------- */

static void run_well(const char *const *arguments)
{
    struct test_run run = test_run(arguments, NULL, 10000);
    if (run.code != 0)
        fail_msg("%s: %s", arguments[0], run.error);
    test_run_close(&run);
}

static void copy_folder(const char *from, const char *to)
{
    run_well((const char *const[]){"rm", "-rf", to, NULL});
    run_well((const char *const[]){"cp", "-a", from, to, NULL});
}

/* The data as they are now; with `always` the file has all that was answered. */
static void keep_data(void)
{
    copy_folder(DATA, KEPT);
}

static void go_back_to_kept(void)
{
    test_server_stop(&server, SIGKILL);
    copy_folder(KEPT, DATA);
    test_server_restart(&server, 0);
}

static void send_marks(int from, int count)
{
    test_send_many(&server, WORK, "Mark", "", from, count, NULL);
    test_await_settled(&server, WORK);
}

/* How often the workers of that service have borne witness. */
static long long witness(const char *key)
{
    return test_ask_integer(&server, "EVAL %s 1 %s",
                            "local sum = 0 for _, number in ipairs(redis.call("
                            "'HVALS', KEYS[1])) do sum = sum + number end return sum",
                            key);
}

/* The number has followed all commits when two looks, further apart than it grows, agree. */
static void await_witness(const char *key)
{
    for (long long before = -1, end = test_now() + 15000;;) {
        long long now = witness(key);
        if (now > 0 && now == before)
            return;
        assert_true(test_now() < end);
        before = now;
        usleep(100000);
    }
}

/* The field of the first line in the log that has the event; valid until the next call. */
static const char *field_of(const struct test_worker *worker, const char *event, const char *field)
{
    static char line[4096], value[1024], name[64];
    FILE *log = fopen(worker->log, "re");
    assert_non_null(log);
    value[0] = '\0';
    snprintf(name, sizeof name, " %s=", field);
    while (value[0] == '\0' && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, event) ? strstr(line, name) : NULL;
        if (at != NULL)
            sscanf(at + strlen(name), "%1023s", value);
    }
    fclose(log);
    return value;
}

/* ---- Loss ---------------------------------------------------------------------------------- */

static void a_lost_tail_is_noticed_and_named(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS(QUICK));
    send_marks(0, 20);
    await_witness("{work}:witness");
    keep_data();
    send_marks(20, 30);
    await_witness("{work}:witness");
    go_back_to_kept();
    test_worker_await_log(&one, "server.went_back");
    assert_string_equal(field_of(&one, "commit.perhaps_lost", "stream"), "{work}:commands");
    assert_string_equal(field_of(&one, "commit.perhaps_lost", "commits"), "30");
    assert_int_equal(test_worker_logged(&one, "server.went_back"), 1);
    assert_int_equal(test_worker_logged(&one, "commit.perhaps_lost"), 1);
    send_marks(20, 30); /* it serves what comes next */
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 50);
    assert_int_equal(test_worker_logged(&one, "server.went_back"), 1);
    test_worker_end_well(&one);
}

static void the_sagas_concerned_are_named(void **state)
{
    (void)state;
    struct test_worker coordinator = test_coordinator_start(&server, "c", OPTIONS(QUICK));
    struct test_worker one = test_worker_start(&server, STEPS, "one", OPTIONS(QUICK));
    test_define(&server, "single", 1,
                "'steps':[{'name':'a','service':'steps','command':'Do','compensation':'Undo'}]");
    test_saga_begin(&server, "early", "single", "{}");
    AWAIT(test_saga_is(&server, "early", "completed"));
    test_sagas_await_rest(&server, 15000);
    await_witness("{steps}:witness");
    await_witness("{sagas}:witness");
    keep_data();
    test_saga_begin(&server, "late-1", "single", "{}");
    test_saga_begin(&server, "late-2", "single", "{}");
    test_sagas_await_rest(&server, 15000);
    AWAIT(test_saga_is(&server, "late-1", "completed") &&
          test_saga_is(&server, "late-2", "completed"));
    await_witness("{steps}:witness");
    await_witness("{sagas}:witness");
    go_back_to_kept();
    test_worker_await_log(&one, "commit.perhaps_lost");
    test_worker_await_log(&coordinator, "commit.perhaps_lost");
    for (int i = 0; i < 2; i++) {
        const char *sagas = field_of(i ? &coordinator : &one, "commit.perhaps_lost", "sagas");
        assert_non_null(strstr(sagas, "late-1"));
        assert_non_null(strstr(sagas, "late-2"));
        assert_null(strstr(sagas, "early"));
    }
    test_worker_end_well(&one);
    test_worker_end_well(&coordinator);
}

static void a_flushed_server_is_noticed_without_a_new_connection(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS(QUICK));
    send_marks(0, 20);
    await_witness("{work}:witness");
    test_do(&server, "FLUSHALL");
    test_worker_await_log(&one, "server.went_back");
    assert_string_equal(field_of(&one, "commit.perhaps_lost", "commits"), "20");
    send_marks(0, 20);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 20);
    assert_int_equal(test_worker_logged(&one, "server.went_back"), 1);
    test_worker_end_well(&one);
}

/* ---- No loss ------------------------------------------------------------------------------- */

static void who_has_lost_nothing_is_not_accused(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS(QUICK));
    for (int i = 0; i < 3; i++) {
        send_marks(i * 100, 100);
        await_witness("{work}:witness");
        long long before = witness("{work}:witness");
        if (i == 0)
            test_server_restart(&server, SIGKILL);
        else if (i == 1)
            test_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
        else
            test_do(&server, "XGROUP DESTROY {work}:commands work");
        AWAIT(witness("{work}:witness") > before);
    }
    send_marks(300, 100);
    assert_int_equal(test_worker_logged(&one, "server.went_back"), 0);
    test_worker_end_well(&one);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:witness"),
                     0); /* nothing stays behind */
}

/* Nor by the other's leaving. */
static void two_of_one_name_are_not_misled(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS(QUICK));
    struct test_worker other = test_worker_start(&server, WORK, "one", OPTIONS(QUICK));
    for (int i = 0; i < 5; i++) {
        send_marks(i * 200, 200);
        test_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
    }
    AWAIT(test_ask_integer(&server, "HLEN {work}:witness") == 2);
    await_witness("{work}:witness");
    test_worker_end_well(&other);
    AWAIT(test_ask_integer(&server, "HLEN {work}:witness") == 1);
    long long before = witness("{work}:witness");
    send_marks(1000, 100);
    AWAIT(witness("{work}:witness") > before);
    assert_int_equal(test_worker_logged(&one, "server.went_back"), 0);
    assert_int_equal(test_worker_logged(&other, "server.went_back"), 0);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

static weir_service *make(const char *name)
{
    return strcmp(name, WORK) == 0 ? test_work_service(name) : test_step_service(name);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_lost_tail_is_noticed_and_named),
        CASE(the_sagas_concerned_are_named),
        CASE(a_flushed_server_is_noticed_without_a_new_connection),
        CASE(who_has_lost_nothing_is_not_accused),
        CASE(two_of_one_name_are_not_misled),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
