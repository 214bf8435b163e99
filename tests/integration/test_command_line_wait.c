/* The command line from outside: waiting for a saga's end, whatever becomes of it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/command_line.h"

#define LIMIT_MS 20000

static const char definition[] =
    "{\"name\":\"place-order\",\"version\":1,\"steps\":[{\"name\":\"create-order\","
    "\"service\":\"orders\",\"command\":\"CreateOrder\"}]}";

static struct test_server server;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int define(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    test_do(&server, "HSET {sagas}:definition:place-order latest 1 1 %s", definition);
    return 0;
}

static void waits_for_ends(void **state)
{
    (void)state;
    static const struct {
        const char *state, *reason, *line;
        int code;
    } cases[] = {
        {"completed", "", "s1\ncompleted\n", 0},
        {"compensated", "no money\033", "s1\ncompensated: no money\\u001b\n", 3},
        {"suspended", "RefundPayment", "s1\nsuspended: RefundPayment\n", 4},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        test_do(&server, "HSET {sagas}:saga:s1 state %s reason %s", cases[i].state,
                cases[i].reason);
        expect_weir(cases[i].code, cases[i].line, "has been started before",
                    WORDS("start", "place-order", "--id", "s1", "--wait"));
        json_t *end =
            ask_weir_json(cases[i].code, WORDS("start", "place-order", "--id", "s1", "--wait=5"));
        assert_string_equal(json_string_value(json_object_get(end, "saga")), "s1");
        assert_string_equal(json_string_value(json_object_get(end, "state")), cases[i].state);
        assert_string_equal(json_string_value(json_object_get(end, "reason")), cases[i].reason);
        json_decref(end);
    }
}

static pid_t start_in_background(const char *log, const char *wait)
{
    remove(log);
    pid_t pid =
        test_spawn(WORDS(test_program("weir"), "start", "place-order", "--id", "s1", wait), log);
    test_await_text(log, "s1\n", LIMIT_MS);
    return pid;
}

static void waits_while_it_runs(void **state)
{
    (void)state;
    pid_t pid = start_in_background("log", "--wait");
    test_do(&server, "HSET {sagas}:saga:s1 state running");
    test_do(&server, "HSET {sagas}:saga:s1 state compensating reason slow");
    test_do(&server, "HSET {sagas}:saga:s1 state compensated");
    assert_int_equal(test_end(pid, 0, LIMIT_MS), 3);
    test_await_text("log", "compensated: slow\n", LIMIT_MS);
}

static void outlives_the_server(void **state)
{
    (void)state;
    pid_t pid = start_in_background("log", "--wait");
    test_server_restart(&server, SIGKILL);
    test_do(&server, "HSET {sagas}:saga:s1 state completed");
    assert_int_equal(test_end(pid, 0, LIMIT_MS), 0);
}

static void stops_waiting(void **state)
{
    (void)state;
    expect_weir(5, "s1\n", "has not begun within 1 s",
                WORDS("start", "place-order", "--id", "s1", "--wait=1"));
    test_do(&server, "HSET {sagas}:saga:s2 state running");
    json_t *end = ask_weir_json(5, WORDS("start", "place-order", "--id", "s2", "--wait=1"));
    assert_string_equal(json_string_value(json_object_get(end, "state")), "running");
    assert_true(json_is_null(json_object_get(end, "reason")));
    json_decref(end);
    pid_t pid = start_in_background("log", "--wait=100");
    assert_int_equal(test_end(pid, SIGINT, LIMIT_MS), 130);
}

/* The letter's own fields come last: a message may carry fields of those names. */
static void finds_a_refused_start(void **state)
{
    (void)state;
    test_do(&server, "XADD {sagas}:dead * type StartSaga entry 1-1 reason old");
    pid_t pid = start_in_background("log", "--wait");
    redisReply *reply = test_ask(&server, "XRANGE {sagas}:commands - +");
    const char *entry = reply->element[0]->element[0]->str;
    test_do(&server, "XADD {sagas}:dead * reason other stream {sagas}:replies entry %s", entry);
    test_do(&server,
            "XADD {sagas}:dead * reason mine type StartSaga reason %s stream {sagas}:commands "
            "entry %s",
            "definition: malformed", entry);
    freeReplyObject(reply);
    assert_int_equal(test_end(pid, 0, LIMIT_MS), 1);
    test_await_text("log", "weir: saga s1 was not started: definition: malformed\n", LIMIT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(waits_for_ends, define),
        cmocka_unit_test_setup(waits_while_it_runs, define),
        cmocka_unit_test_setup(outlives_the_server, define),
        cmocka_unit_test_setup(stops_waiting, define),
        cmocka_unit_test_setup(finds_a_refused_start, define),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
