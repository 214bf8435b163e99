/* The command line from outside: orders to many sagas, and to those that have not begun. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/terminal.h"

#define WAIT "'steps':[{'name':'wait','signal':'Go','timeoutMs':60000}]"
/* The step is refused once the pivot before it is done: it is stuck until the service is mended. */
#define STUCK                                                                                      \
    "'steps':[{'name':'pay','service':'work','command':'Do','kind':'pivot'},"                      \
    "{'name':'ship','service':'work','command':'Do','kind':'retriable','attempts':1}]"

static struct test_server server;
static struct test_worker coordinator, worker;

static weir_service *make(const char *name)
{
    return test_step_service(name);
}

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    unsetenv("WEIR_OPERATOR");
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_workers_clear();
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    test_define(&server, "wait", 1, WAIT);
    test_define(&server, "stuck", 1, STUCK);
    return 0;
}

static int with_processes(void **state)
{
    clear(state);
    worker = test_worker_start(&server, "work", "w", NULL);
    coordinator = test_coordinator_start(&server, "c", NULL);
    return 0;
}

static void end_processes(void)
{
    test_worker_end_well(&worker);
    test_worker_end_well(&coordinator);
}

static void begin_many(const char *definition, const char *prefix, int count, const char *data)
{
    for (int i = 0; i < count; i++) {
        char saga[32];
        snprintf(saga, sizeof(saga), "%s%d", prefix, i);
        test_saga_begin(&server, saga, definition, data);
    }
}

/* ---- Many -------------------------------------------------------------------------------- */

static void suspended_sagas_are_resumed_together(void **state)
{
    (void)state;
    begin_many("stuck", "s", 12, "{'how':{'ship':'fail'}}");
    begin_many("wait", "w", 3, "{}");
    AWAIT(test_sagas_in(&server, "suspended") == 12);
    AWAIT(test_sagas_in(&server, "running") == 3);
    expect_weir(64, NULL, "--yes", WORDS("resume", "--skip", "--matching", "ship"));
    struct test_run run =
        run_weir(0, WORDS("resume", "--skip", "--definition", "stuck", "--dry-run"), NULL);
    assert_non_null(strstr(run.out, "s3: suspended: "));
    assert_non_null(strstr(run.error, "weir: 12 of 12 sagas would be; nothing was sent\n"));
    test_run_close(&run);
    expect_weir(0, NULL, "no saga fits",
                WORDS("resume", "--skip", "--definition", "wait", "--yes"));
    expect_weir(0, NULL, "no saga fits", WORDS("resume", "--skip", "--older-than", "1h", "--yes"));
    assert_int_equal(test_sagas_in(&server, "suspended"), 12);
    assert_int_equal(test_ask_integer(&server, "EXISTS {weir}:actions"), 0);
    run = type_on_terminal(1, 80, "", "resume --skip --definition stuck", "\n");
    assert_non_null(strstr(run.out, "Resume 12 sagas? [y/N]"));
    test_run_close(&run);
    assert_int_equal(test_sagas_in(&server, "suspended"), 12);
    run = run_weir(
        0, WORDS("resume", "--skip", "--definition", "stuck", "--yes", "--wait", "--json"), NULL);
    assert_non_null(strstr(run.error, "weir: 12 of 12 sagas resumed\n"));
    int lines = 0;
    for (const char *at = run.out; (at = strstr(at, "\"state\":\"completed\"")) != NULL; at++)
        lines++;
    assert_int_equal(lines, 12);
    test_run_close(&run);
    expect_weir(0, NULL, "no saga fits", WORDS("resume", "--skip", "--all", "--yes"));
    json_t *actions = ask_weir_json(0, WORDS("actions"));
    assert_int_equal(json_array_size(actions), 2);
    const json_t *action = json_array_get(actions, 0), *details;
    details = json_object_get(action, "details");
    assert_string_equal(shown_text(action, "action"), "resume");
    assert_string_equal(shown_text(action, "target"), "12 sagas");
    assert_string_equal(shown_text(action, "outcome"), "12 of 12 sagas resumed");
    assert_string_equal(shown_text(details, "definition"), "stuck");
    assert_int_equal(json_array_size(json_object_get(details, "targets")), 12);
    assert_string_equal(shown_text(json_array_get(actions, 1), "outcome"), "begun");
    json_decref(actions);
    end_processes();
}

/* One that cannot be cancelled does not keep the others from it, and the exit code tells of it. */
static void it_goes_on_over_single_failures(void **state)
{
    (void)state;
    begin_many("wait", "w", 150, "{}");
    begin_many("stuck", "s", 1, "{'how':{'ship':'fail'}}");
    AWAIT(test_sagas_in(&server, "running") == 150 && test_sagas_in(&server, "suspended") == 1);
    struct test_run run =
        run_weir(1, WORDS("cancel", "--all", "--yes", "--reason", "enough"), NULL);
    assert_non_null(strstr(run.error, "weir: saga s0: "));
    assert_non_null(strstr(run.error, "weir: 150 of 151 sagas cancelled, 1 failed\n"));
    test_run_close(&run);
    AWAIT(test_sagas_in(&server, "compensated") == 150);
    assert_string_equal(test_saga_field(&server, "w77", "reason"), "cancelled: enough");
    end_processes();
}

static void signals_go_to_several(void **state)
{
    (void)state;
    begin_many("wait", "w", 4, "{}");
    AWAIT(test_sagas_in(&server, "running") == 4);
    expect_weir(0, "w1: ", "2 of 2 sagas signalled", WORDS("signal", "w0", "w1", "Go"));
    expect_weir(0, "w3: ", "2 of 2 sagas signalled",
                WORDS("signal", "--state", "running", "--yes", "Go"));
    AWAIT(test_sagas_in(&server, "completed") == 4);
    end_processes();
}

/* Sagas that wait, as a coordinator would have left them. */
static void write_running(int count)
{
    test_do(&server, "EVAL %s 0 %d",
            "for i = 1, tonumber(ARGV[1]) do "
            "redis.call('HSET', '{sagas}:saga:w' .. i, 'definition', 'wait', 'version', '1', "
            "'state', 'running', 'revision', '1', 'startedAt', '1', 'step:wait:state', 'running', "
            "'step:wait:sentAt', '1') "
            "redis.call('ZADD', '{sagas}:state:running', i, 'w' .. i) end",
            count);
}

/* An order that there is no need of has not been carried out. */
static void what_needs_nothing_is_not_counted(void **state)
{
    (void)state;
    write_running(3);
    test_do(&server, "HSET {sagas}:saga:w1 state compensating");
    test_do(&server, "HSET {sagas}:saga:w2 state compensating");
    expect_weir(0, "w1: compensating", "0 of 2 sagas cancelled, 2 needed nothing",
                WORDS("cancel", "w1", "w2"));
    expect_weir(0, "w1: compensating", "1 of 2 sagas would be; nothing was sent, 1 needed nothing",
                WORDS("cancel", "w1", "w3", "--dry-run"));
    assert_int_equal(test_backlog(&server, "sagas"), 0);
}

/* Without a coordinator the first batch shows that nothing comes of it, and it stops there. */
static void stops_where_nothing_comes_of_it(void **state)
{
    (void)state;
    write_running(130);
    struct test_run run = run_weir(5, WORDS("cancel", "--all", "--yes"), NULL);
    assert_non_null(strstr(run.error, "none of the last 100 orders was seen to be carried out"));
    assert_non_null(strstr(run.error, "weir: 0 of 130 sagas cancelled, 100 failed, 30 left\n"));
    test_run_close(&run);
    assert_int_equal(test_backlog(&server, "sagas"), 100);
}

/* Ctrl-C ends the waiting in order, and what was done until then is told and recorded. */
static void an_interrupted_run_says_how_far_it_came(void **state)
{
    (void)state;
    remove("interrupted.log");
    write_running(2);
    pid_t run =
        test_spawn(WORDS(test_program("weir"), "cancel", "w1", "w2", "--wait"), "interrupted.log");
    AWAIT(test_backlog(&server, "sagas") == 2); /* no coordinator will do it */
    assert_int_equal(test_end(run, SIGINT, 20000), 130);
    test_await_text("interrupted.log", "0 of 2 sagas cancelled, 2 left", 5000);
    json_t *actions = ask_weir_json(0, WORDS("actions"));
    assert_string_equal(shown_text(json_array_get(actions, 0), "outcome"),
                        "0 of 2 sagas cancelled, 2 left");
    json_decref(actions);
}

/* ---- Not begun --------------------------------------------------------------------------- */

static void what_is_held_is_shown_and_cancelled(void **state)
{
    (void)state;
    coordinator = test_coordinator_start(&server, "c", OPTIONS("--max-sagas", "2"));
    begin_many("wait", "w", 2, "{}");
    AWAIT(test_sagas_in(&server, "running") == 2);
    /* Its count of those in flight is some seconds old: then it holds back. */
    for (int i = 2; test_ask_integer(&server, "XLEN {sagas}:held") < 2; i++) {
        char saga[16];
        snprintf(saga, sizeof(saga), "w%d", i);
        test_saga_begin(&server, saga, "wait", "{}");
        test_pause();
        assert_in_range(i, 2, 20000);
    }
    test_saga_begin(&server, "late", "wait", "{'order':7}");
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:held") >= 3);
    json_t *saga = ask_weir_json(0, WORDS("saga", "late"));
    assert_true(json_is_null(json_object_get(saga, "state")));
    assert_string_equal(shown_text(saga, "definition"), "wait");
    assert_int_equal(shown_number(json_object_get(saga, "data"), "order"), 7);
    assert_non_null(strstr(shown_text(saga, "waiting"), "its start is held behind "));
    json_decref(saga);
    expect_weir(0, "waits       has not begun: ", NULL, WORDS("saga", "late"));
    expect_weir(5, "held1\n", "saga held1 has not begun: as many sagas are under way as may be",
                WORDS("start", "wait", "--id", "held1", "--wait=1"));
    expect_weir(1, NULL, "has not begun", WORDS("resume", "late", "--skip"));
    expect_weir(0, NULL, "the order is carried out when it begins", WORDS("cancel", "late"));
    expect_weir(0, NULL, "the order is carried out when it begins", WORDS("signal", "held1", "Go"));
    expect_weir(0, "w0: ", "sagas cancelled",
                WORDS("cancel", "--state", "running", "--yes", "--definition", "wait"));
    AWAIT(test_saga_is(&server, "late", "compensated"));
    AWAIT(test_saga_is(&server, "held1", "completed"));
    test_worker_end_well(&coordinator);
}

static void a_refused_start_is_told(void **state)
{
    (void)state;
    coordinator = test_coordinator_start(&server, "c", NULL);
    test_saga_begin(&server, "s1", "no\033such", "{}");
    AWAIT(test_dead(&server, "sagas") == 1);
    struct test_run run = run_weir(1, WORDS("saga", "s1"), NULL);
    assert_non_null(strstr(run.error, "weir: saga s1 was not started: definition: "));
    assert_non_null(strstr(run.error, "weir dead sagas show "));
    test_run_close(&run);
    expect_weir(1, NULL, "it was not started: definition: ", WORDS("cancel", "s1"));
    test_worker_end_well(&coordinator);
    test_saga_begin(&server, "s2", "wait", "{}");
    json_t *saga = ask_weir_json(0, WORDS("saga", "s2"));
    assert_non_null(strstr(shown_text(saga, "waiting"), "waits for a coordinator"));
    json_decref(saga);
    expect_weir(1, NULL, "no saga s3", WORDS("saga", "s3"));
}

int main(int argc, char **argv)
{
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(suspended_sagas_are_resumed_together, with_processes),
        cmocka_unit_test_setup(it_goes_on_over_single_failures, with_processes),
        cmocka_unit_test_setup(signals_go_to_several, with_processes),
        cmocka_unit_test_setup(an_interrupted_run_says_how_far_it_came, clear),
        cmocka_unit_test_setup(what_needs_nothing_is_not_counted, clear),
        cmocka_unit_test_setup(stops_where_nothing_comes_of_it, clear),
        cmocka_unit_test_setup(what_is_held_is_shown_and_cancelled, clear),
        cmocka_unit_test_setup(a_refused_start_is_told, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
