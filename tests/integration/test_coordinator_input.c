/* What a coordinator is told that it cannot use: each gets its answer, and moves nothing. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/server.h"

#define LIMIT_MS 20000

static struct test_server server;
static pid_t coordinator;

/* One step whose service nobody runs: a saga of it stays as it is until it is told something. */
static const char one_step[] =
    "{\"name\":\"lonely\",\"version\":1,\"steps\":[{\"name\":\"do\",\"service\":\"nobody\","
    "\"command\":\"Do\",\"compensation\":\"Undo\",\"timeoutMs\":600000}]}";

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    const char *words[] = {test_program("weir-coordinator"),
                           "--redis",
                           server.url,
                           "--consumer",
                           "c",
                           "--log-level",
                           "debug",
                           "--max-sagas",
                           "40",
                           NULL};
    coordinator = test_spawn(words, "coordinator.log");
    test_await_text("coordinator.log", "worker.ready", LIMIT_MS);
    test_do(&server, "HSET {sagas}:definition:lonely latest 1 1 %s", one_step);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    assert_int_equal(test_end(coordinator, SIGTERM, LIMIT_MS), 0);
    test_server_stop(&server, SIGTERM);
    return 0;
}

/* Until all that was sent has been handled. */
static void settle(void)
{
    long long until = test_now() + LIMIT_MS;
    while (test_ask_integer(&server, "XLEN {sagas}:commands") +
               test_ask_integer(&server, "XLEN {sagas}:replies") >
           0) {
        assert_true(test_now() < until);
        test_pause();
    }
}

static const char *last_reason(char *room, size_t size)
{
    redisReply *letters = test_ask(&server, "XREVRANGE {sagas}:dead + - COUNT 1");
    room[0] = '\0';
    for (size_t i = 0; letters->elements == 1 && i < letters->element[0]->element[1]->elements;
         i += 2)
        if (strcmp(letters->element[0]->element[1]->element[i]->str, "reason") == 0)
            snprintf(room, size, "%s", letters->element[0]->element[1]->element[i + 1]->str);
    freeReplyObject(letters);
    return room;
}

/* ---- Starts ------------------------------------------------------------------------------ */

static void begin_lonely(const char *id)
{
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga %s definition lonely", id);
    settle();
    char *found = test_ask_text(&server, "HGET {sagas}:saga:%s state", id);
    assert_string_equal(found, "running");
    free(found);
}

static void starts_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        const char *field, *value, *definition, *reason;
    } cases[] = {
        {"x", "1", NULL, "definition: is missing or not a name"},
        {"definition", "no such", NULL, "definition: is missing or not a name"},
        {"definition", "nowhere", NULL, "definition nowhere: there is none of that name"},
        {"definition", "gone", "latest 2", "definition gone: its latest version \"2\" is not"},
        {"definition", "odd", "latest x x {}", "definition odd: its latest version \"x\""},
        {"definition", "torn", "latest 1 1 {", "definition torn: "},
        {"definition", "other", "latest 1 1 @", "definition other: it calls itself lonely"},
    };
    char reason[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *definition = cases[i].definition;
        if (definition != NULL && strchr(definition, '@') != NULL)
            test_do(&server, "HSET {sagas}:definition:%s latest 1 1 %s", cases[i].value, one_step);
        else if (definition != NULL && strcmp(definition, "latest 2") == 0)
            test_do(&server, "HSET {sagas}:definition:%s latest 2", cases[i].value);
        else if (definition != NULL) {
            char version[2] = {definition[7], '\0'};
            test_do(&server, "HSET {sagas}:definition:%s latest %s %s %s", cases[i].value, version,
                    version, definition + 11);
        }
        test_do(&server, "XADD {sagas}:commands * type StartSaga saga bad%d %s %s", (int)i,
                cases[i].field, cases[i].value);
        settle();
        last_reason(reason, sizeof reason);
        if (strncmp(reason, cases[i].reason, strlen(cases[i].reason)) != 0)
            fail_msg("'%s' instead of '%s'", reason, cases[i].reason);
        assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:saga:bad%d", (int)i), 0);
    }
}

static void data_may_not_hold_steps(void **state)
{
    (void)state;
    char reason[512];
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga steps definition lonely data %s",
            "{\"steps\":1}");
    settle();
    assert_string_equal(last_reason(reason, sizeof reason),
                        "data: the field steps is kept for the steps' results");
}

static void a_second_start_changes_nothing(void **state)
{
    (void)state;
    begin_lonely("twice");
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga twice definition lonely data %s",
            "{\"other\":1}");
    settle();
    char *revision = test_ask_text(&server, "HGET {sagas}:saga:twice revision");
    assert_string_equal(revision, "1");
    free(revision);
}

/* ---- Replies and orders ------------------------------------------------------------------ */

static void replies_without_their_fields(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"step do action execute", "saga: is missing"},
        {"saga lame action execute", "step: is missing"},
        {"saga lame step do", "action: is missing"},
    };
    char reason[512], command[256];
    begin_lonely("lame");
    for (size_t i = 0; i < 3; i++) {
        snprintf(command, sizeof command, "XADD {sagas}:replies * type StepSucceeded %s",
                 cases[i][0]);
        test_do(&server, command);
        settle();
        assert_string_equal(last_reason(reason, sizeof reason), cases[i][1]);
    }
    test_do(&server, "XADD {sagas}:replies * type SagaWake");
    settle();
    assert_string_equal(last_reason(reason, sizeof reason), "saga: is missing");
}

static void replies_that_fit_nothing_move_nothing(void **state)
{
    (void)state;
    begin_lonely("still");
    static const char *const fields[] = {
        "saga still step other action execute",
        "saga still step do action compensate",
        "saga still step do action execute id elsewhere",
        "saga still step do action execute id still/do/execute#7",
        "saga nowhere step do action execute",
    };
    long long letters = test_ask_integer(&server, "XLEN {sagas}:dead");
    char command[256];
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        snprintf(command, sizeof command, "XADD {sagas}:replies * type StepSucceeded %s",
                 fields[i]);
        test_do(&server, command);
    }
    test_do(&server, "XADD {sagas}:commands * type SagaWake saga still");
    settle();
    char *revision = test_ask_text(&server, "HGET {sagas}:saga:still revision");
    assert_string_equal(revision, "1");
    free(revision);
    assert_int_equal(test_ask_integer(&server, "XLEN {sagas}:dead"), letters);
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:saga:nowhere"), 0);
}

static void orders_that_cannot_be(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"type CancelSaga", "saga: is missing"},
        {"type CancelSaga saga nowhere", "saga: there is no saga nowhere"},
        {"type ResumeSaga saga firm", "step: is missing or not a name"},
        {"type ResumeSaga saga firm step do", "decision: must be retry or skip"},
        {"type ResumeSaga saga firm step do decision wait", "decision: must be retry or skip"},
        {"type SignalSaga saga firm", "signal: is missing or not a name"},
        {"type SignalSaga saga firm signal go", "no step of this saga waits for the signal go"},
    };
    char reason[512], command[256];
    begin_lonely("firm");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(command, sizeof command, "XADD {sagas}:commands * %s", cases[i][0]);
        test_do(&server, command);
        long long until = test_now() + LIMIT_MS; /* an order waits for a saga that may yet start */
        while (strcmp(last_reason(reason, sizeof reason), cases[i][1]) != 0 && test_now() < until)
            test_pause();
        assert_string_equal(reason, cases[i][1]);
    }
    char *revision = test_ask_text(&server, "HGET {sagas}:saga:firm revision");
    assert_string_equal(revision, "1");
    free(revision);
}

/* ---- A saga's hash that somebody has spoilt ---------------------------------------------- */

static void spoilt_fields_are_named(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"state", "asleep", "field state: unknown state \"asleep\""},
        {"revision", "many", "field revision: \"many\" is not a whole number"},
        {"step:do:state", "asleep", "field step:do:state: unknown state \"asleep\""},
        {"step:do:attempts", "-1", "field step:do:attempts: out of range"},
        {"data", "[]", "field data: is not a JSON object"},
        {"version", "x", "has no definition and version"},
    };
    char id[32], reason[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(id, sizeof id, "spoilt%d", (int)i);
        begin_lonely(id);
        test_do(&server, "HSET {sagas}:saga:%s %s %s", id, cases[i][0], cases[i][1]);
        test_do(&server, "XADD {sagas}:replies * type StepSucceeded saga %s step do action execute",
                id);
        settle();
        if (strstr(last_reason(reason, sizeof reason), cases[i][2]) == NULL)
            fail_msg("'%s' instead of '%s'", reason, cases[i][2]);
    }
}

static void the_trace_is_handed_on(void **state)
{
    (void)state;
    test_do(&server, "DEL {nobody}:commands");
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga traced definition lonely "
                     "traceparent 00-aa-bb-01");
    settle();
    redisReply *sent = test_ask(&server, "XRANGE {nobody}:commands - +");
    const redisReply *body = sent->element[0]->element[1];
    assert_string_equal(body->element[body->elements - 1]->str, "00-aa-bb-01");
    freeReplyObject(sent);
}

static void a_path_that_is_not_there_compensates(void **state)
{
    (void)state;
    test_do(&server, "HSET {sagas}:definition:mapped latest 1 1 %s",
            "{\"name\":\"mapped\",\"version\":1,\"steps\":[{\"name\":\"do\",\"service\":"
            "\"nobody\",\"command\":\"Do\",\"input\":{\"a\":\"$.b.c\"}}]}");
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga mapped definition mapped");
    settle();
    char *found = test_ask_text(&server, "HGET {sagas}:saga:mapped state");
    assert_string_equal(found, "compensated");
    free(found);
    found = test_ask_text(&server, "HGET {sagas}:saga:mapped reason");
    assert_non_null(strstr(found, "$.b.c"));
    free(found);
}

static long long entries_added(const char *stream)
{
    redisReply *about = test_ask(&server, "XINFO STREAM %s", stream);
    long long added = 0;
    for (size_t i = 0; i + 1 < about->elements; i += 2)
        if (strcmp(about->element[i]->str, "entries-added") == 0)
            added = about->element[i + 1]->integer;
    freeReplyObject(about);
    return added;
}

/* More starts than may be in flight: the others wait, and none is lost. */
static void starts_are_held_back(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    long long until = test_now() + LIMIT_MS, ended = 0;
    for (int i = 0; i < COUNT; i++)
        test_do(&server, "XADD {sagas}:commands * type StartSaga saga many%d definition lonely", i);
    while (ended < COUNT) {
        assert_true(test_now() < until);
        ended = 0;
        for (int i = 0; i < COUNT; i++) {
            bool over = test_ask_integer(&server, "HEXISTS {sagas}:saga:many%d endedAt", i);
            ended += over;
            if (!over && test_ask_integer(&server, "EXISTS {sagas}:saga:many%d", i))
                test_do(&server,
                        "XADD {sagas}:replies * type StepFailed saga many%d step do "
                        "action execute",
                        i);
        }
        test_pause(); /* answers are served first: without end they would keep out the starts */
    }
    settle();
    assert_true(entries_added("{sagas}:held") > 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {sagas}:held"), 0);
}

static void it_goes_on_all_the_same(void **state)
{
    (void)state;
    begin_lonely("good");
    test_do(&server, "XADD {sagas}:replies * type StepFailed saga good step do action execute "
                     "data {\"reason\":\"no\"}");
    settle();
    char *found = test_ask_text(&server, "HGET {sagas}:saga:good state");
    assert_string_equal(found, "compensated");
    free(found);
    found = test_ask_text(&server, "HGET {sagas}:saga:good reason");
    assert_string_equal(found, "do: no");
    free(found);
    assert_int_equal(kill(coordinator, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_that_cannot_be),
        cmocka_unit_test(data_may_not_hold_steps),
        cmocka_unit_test(a_second_start_changes_nothing),
        cmocka_unit_test(replies_without_their_fields),
        cmocka_unit_test(replies_that_fit_nothing_move_nothing),
        cmocka_unit_test(orders_that_cannot_be),
        cmocka_unit_test(spoilt_fields_are_named),
        cmocka_unit_test(the_trace_is_handed_on),
        cmocka_unit_test(a_path_that_is_not_there_compensates),
        cmocka_unit_test(starts_are_held_back),
        cmocka_unit_test(it_goes_on_all_the_same),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
