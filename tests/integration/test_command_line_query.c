/* The command line from outside: commands waited for, read models, and tokens between the two. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define VIEW "view"
#define LIMIT_MS 20000
#define TOKEN "{work}:events/5-0"
#define OTHER_TOKEN "{other}:events/7-0"

static const char definition[] = "{\"name\":\"marking\",\"version\":1,\"steps\":["
                                 "{\"name\":\"one\",\"service\":\"work\",\"command\":\"Mark\"},"
                                 "{\"name\":\"two\",\"service\":\"work\",\"command\":\"Mark\"},"
                                 "{\"name\":\"three\",\"service\":\"quiet\",\"command\":\"Count\"},"
                                 "{\"name\":\"four\",\"service\":\"other\",\"command\":\"Mark\"}]}";

static struct test_server server;

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, NULL, "times", 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    if (strcmp(name, VIEW) != 0)
        return test_work_service(name);
    weir_service *service = weir_service_new(name);
    weir_project(service, "marks", WORK, "Marked", fold, "mark:{n}");
    weir_project(service, "marks", "other", "Marked", fold, "mark:{n}");
    return service;
}

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
    test_workers_clear();
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    return 0;
}

static struct test_worker start_worker(const char *service)
{
    return test_worker_start(&server, service, service,
                             OPTIONS("--claim-idle", "200ms", "--retry-base", "5ms"));
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* ---- send ---------------------------------------------------------------------------------- */

static void sends_and_waits(void **state)
{
    (void)state;
    start_worker(WORK);
    struct test_run run = run_weir(
        0, WORDS("send", WORK, "Mark", "--data", "{\"n\":\"a\"}", "--id", "m1", "--wait"), NULL);
    char wanted[128];
    redisReply *last = test_ask(&server, "XREVRANGE {work}:events + - COUNT 1");
    snprintf(wanted, sizeof(wanted), "m1\ndone\ntoken {work}:events/%s\n",
             last->element[0]->element[0]->str);
    freeReplyObject(last);
    assert_string_equal(run.out, wanted);
    assert_string_equal(run.error, "");
    test_run_close(&run);
    expect_weir(0, wanted, NULL,
                WORDS("send", WORK, "Mark", "--data", "{\"n\":\"a\"}", "--id", "m1", "--wait=5"));
    assert_int_equal(test_number(&server, "{work}:marks", "a"), 1);

    json_t *made = ask_weir_json(
        0, WORDS("send", WORK, "Count", "--data", "{\"n\":\"c\",\"counter\":\"x\"}", "--wait"));
    assert_int_equal(strlen(text_of(made, "id")), 32);
    assert_non_null(strchr(text_of(made, "entry"), '-'));
    assert_string_equal(text_of(made, "state"), "done");
    assert_true(json_is_null(json_object_get(made, "token")));
    assert_true(json_is_null(json_object_get(made, "reason")));
    json_decref(made);
}

static void tells_a_refusal(void **state)
{
    (void)state;
    start_worker(WORK);
    const char *data = "{\"n\":\"a\",\"outcome\":\"reject\",\"times\":9}";
    expect_weir(1, "m1\nrefused: wanted: reject\n", "weir: refused: wanted: reject\n",
                WORDS("send", WORK, "Refuse", "--data", data, "--id", "m1", "--wait"));
    json_t *refused =
        ask_weir_json(1, WORDS("send", WORK, "Refuse", "--data", data, "--id=m1", "--wait"));
    assert_string_equal(text_of(refused, "state"), "refused");
    assert_string_equal(text_of(refused, "reason"), "wanted: reject");
    assert_true(json_is_null(json_object_get(refused, "token")));
    json_decref(refused);
    expect_weir(0, "m1\ndone\ntoken {work}:events/", NULL,
                WORDS("send", WORK, "Mark", "--data", "{\"n\":\"a\"}", "--id", "m1", "--wait"));
}

static void tells_that_nothing_is_known(void **state)
{
    (void)state;
    expect_weir(5, "m1\nunknown: ", "it is safe to repeat the same with --id m1\n",
                WORDS("send", WORK, "Mark", "--data", "{\"n\":\"a\"}", "--id", "m1", "--wait=1"));
    json_t *unknown = ask_weir_json(5, WORDS("send", WORK, "Mark", "--wait=1"));
    assert_string_equal(text_of(unknown, "state"), "unknown");
    assert_int_equal(strlen(text_of(unknown, "id")), 32);
    json_decref(unknown);
    start_worker(WORK);
    expect_weir(0, "m1\ndone\n", NULL,
                WORDS("send", WORK, "Mark", "--data", "{\"n\":\"a\"}", "--id", "m1", "--wait"));
    assert_int_equal(test_number(&server, "{work}:marks", "a"), 1);
}

static void outlives_the_worker(void **state)
{
    (void)state;
    struct test_worker worker = start_worker(WORK);
    remove("log");
    pid_t pid = test_spawn(WORDS(test_program("weir"), "send", WORK, "Crash", "--data",
                                 "{\"n\":\"a\",\"times\":1}", "--id", "m1", "--wait"),
                           "log");
    assert_int_equal(test_worker_await_end(&worker), 128 + SIGKILL);
    start_worker(WORK);
    assert_int_equal(test_end(pid, 0, LIMIT_MS), 0);
    test_await_text("log", "m1\ndone\ntoken {work}:events/", LIMIT_MS);
    assert_int_equal(test_number(&server, "{work}:marks", "a"), 1);
}

static void refuses_wrong_usage(void **state)
{
    (void)state;
    static const char *const words[][8] = {
        {"--wait", "send", WORK, "Mark", "--wait=0"},
        {"--wait", "send", WORK, "Mark", "--wait=86401"},
        {"--wait", "send", WORK, "Mark", "--wait=x"},
        {"id", "send", WORK, "Mark", "--id", "a b", "--wait"},
        {"no name of a service", "query", "vi}ew", "k"},
        {"no name of a service", "query", "", "k"},
        {"key: ", "query", VIEW, ""},
        {"key: ", "query", VIEW, "a\nb"},
        {"query needs <view> <key>", "query", VIEW},
        {"--limit", "query", VIEW, "k", "--limit", "0"},
        {"--limit", "query", VIEW, "k", "--limit=10001"},
        {"--limit", "query", VIEW, "k", "--limit=99999999999999999999"},
        {"--wait", "query", VIEW, "k", "--wait", "-1s"},
        {"--wait", "query", VIEW, "k", "--wait=25h"},
        {"cursor: ", "query", VIEW, "k", "--cursor", "5"},
        {"projection: ", "query", VIEW, "k", "--projection", "a b"},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        expect_weir(64, NULL, words[i][0], &words[i][1]);
    assert_int_equal(test_ask_integer(&server, "DBSIZE"), 0);
}

/* ---- query --------------------------------------------------------------------------------- */

static void shows_read_models(void **state)
{
    (void)state;
    test_do(&server, "HSET {view}:order:o1 status %s amount 5", "pa\033id");
    test_do(&server, "SET {view}:text %s", "two\nlines");
    test_do(&server, "SADD {view}:set only");
    test_do(&server, "ZADD {view}:sorted 1 a 2 b");
    expect_weir(0, "status        pa\\u001bid\namount        5\n", NULL,
                WORDS("query", VIEW, "order:o1"));
    expect_weir(0, "two\\nlines\n", NULL, WORDS("query", VIEW, "text"));
    expect_weir(0, "only\n", NULL, WORDS("query", VIEW, "set"));
    expect_weir(0, "a             1\nb             2\n", NULL, WORDS("query", VIEW, "sorted"));
    expect_weir(0, "b             2\n", "there is more: --cursor r1",
                WORDS("query", VIEW, "sorted", "--reverse", "--limit", "1"));
    json_t *page = ask_weir_json(0, WORDS("query", VIEW, "sorted", "--cursor", "z1"));
    assert_string_equal(text_of(page, "view"), VIEW);
    assert_string_equal(text_of(page, "key"), "sorted");
    assert_string_equal(text_of(page, "type"), "zset");
    assert_string_equal(text_of(page, "cursor"), "");
    json_t *members = json_object_get(page, "value");
    assert_int_equal(json_array_size(members), 1);
    assert_string_equal(text_of(json_array_get(members, 0), "member"), "b");
    json_decref(page);
}

static void tells_what_it_cannot_show(void **state)
{
    (void)state;
    test_do(&server, "XADD {view}:commands * type A");
    expect_weir(1, NULL, "weir: there is no {view}:order:o1\n", WORDS("query", VIEW, "order:o1"));
    expect_weir(65, NULL, "{view}:commands is a stream", WORDS("query", VIEW, "commands"));
    expect_weir(69, NULL, "/nowhere", WORDS("query", VIEW, "k", "--redis=unix:///nowhere"));
}

static void refuses_bad_tokens(void **state)
{
    (void)state;
    static const char *const tokens[] = {
        "x",        ",",        "{work}:events",      "{work}:events/1",
        TOKEN ",x", TOKEN ",,", "{work}:commands/1-0"};
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
        expect_weir(65, NULL, "is no token", WORDS("query", VIEW, "k", "--after", tokens[i]));
    expect_weir(65, NULL, "in this namespace",
                WORDS("query", VIEW, "k", "--after", "t1:{work}:events/1-0"));
}

/* All that are given have to be there, however they are given. */
static void waits_for_all_tokens(void **state)
{
    (void)state;
    test_do(&server, "SET {view}:k v");
    expect_weir(1, NULL, "no projection bogus of view is registered\n",
                WORDS("query", "view", "k", "--projection", "bogus", "--after", "{work}:events/1-1",
                      "--wait", "1h"));
    expect_weir(1, NULL, "no projection of view is registered",
                WORDS("query", VIEW, "k", "--after", TOKEN));
    test_do(&server, "HSET {weir}:projections view/p %s", "work other");
    static const struct {
        const char *work, *other;
        int code;
    } cases[] = {{"4-9", "7-0", 5}, {"5-0", "6-9", 5}, {"5-0", "7-0", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *out = cases[i].code ? NULL : "v\n";
        const char *error = cases[i].code ? "weir: projection p of view has not come to" : NULL;
        test_do(&server, "HSET {view}:checkpoint:p {work}:events %s {other}:events %s",
                cases[i].work, cases[i].other);
        expect_weir(cases[i].code, out, error,
                    WORDS("query", VIEW, "k", "--after", TOKEN "," OTHER_TOKEN, "--wait=10ms"));
        expect_weir(cases[i].code, out, error,
                    WORDS("query", VIEW, "k", "--after", TOKEN, "--after", OTHER_TOKEN, "--wait",
                          "10ms", "--projection", "p"));
    }
    expect_weir(0, "v\n", NULL, WORDS("query", VIEW, "k", "--after", ""));
}

static void sees_what_was_sent(void **state)
{
    (void)state;
    start_worker(WORK);
    start_worker(VIEW);
    test_do(&server, "HSET {weir}:projections view/marks %s", "other work");
    for (int i = 1; i <= 20; i++) {
        char wanted[32];
        json_t *sent =
            ask_weir_json(0, WORDS("send", WORK, "Mark", "--data", "{\"n\":\"a\"}", "--wait"));
        snprintf(wanted, sizeof(wanted), "times         %d\n", i);
        expect_weir(0, wanted, NULL,
                    WORDS("query", VIEW, "mark:a", "--after", text_of(sent, "token")));
        json_decref(sent);
    }
}

/* ---- start --------------------------------------------------------------------------------- */

static void a_saga_ends_with_tokens(void **state)
{
    (void)state;
    start_worker(WORK);
    start_worker("quiet");
    start_worker("other");
    start_worker(VIEW);
    test_do(&server, "HSET {sagas}:definition:marking latest 1 1 %s", definition);
    test_do(&server, "HSET {weir}:projections view/marks %s", "other work");
    remove("coordinator.log");
    pid_t coordinator = test_spawn(WORDS(test_program("weir-coordinator")), "coordinator.log");
    json_t *end = ask_weir_json(0, WORDS("start", "marking", "--id", "s1", "--data",
                                         "{\"n\":\"a\",\"counter\":\"x\"}", "--wait"));
    json_t *tokens = json_object_get(end, "tokens");
    assert_int_equal(json_array_size(tokens), 2); /* one of each that has published */
    const char *work = json_string_value(json_array_get(tokens, 0));
    const char *other = json_string_value(json_array_get(tokens, 1));
    assert_memory_equal(work, "{work}:events/", 14);
    assert_memory_equal(other, "{other}:events/", 15);
    expect_weir(0, "times         3\n", NULL,
                WORDS("query", VIEW, "mark:a", "--after", work, "--after", other));
    struct test_run run = run_weir(0, WORDS("start", "marking", "--id", "s1", "--wait"), NULL);
    char wanted[256];
    snprintf(wanted, sizeof(wanted), "s1\ncompleted\ntoken %s\ntoken %s\n", work, other);
    assert_string_equal(run.out, wanted);
    test_run_close(&run);
    json_decref(end);

    /* what was trimmed was published all the same */
    test_do(&server, "XTRIM {work}:events MAXLEN 0");
    expect_weir(0, wanted, "has been started before",
                WORDS("start", "marking", "--id", "s1", "--wait"));
    test_do(&server, "DEL {sagas}:definition:marking");
    test_do(&server, "HSET {sagas}:definition:marking latest 2 2 %s", definition);
    expect_weir(0, "s1\ncompleted\n", "its tokens are not known",
                WORDS("start", "marking", "--id", "s1", "--wait"));
    assert_int_equal(test_end(coordinator, SIGTERM, LIMIT_MS), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sends_and_waits, clear),
        cmocka_unit_test_setup(tells_a_refusal, clear),
        cmocka_unit_test_setup(tells_that_nothing_is_known, clear),
        cmocka_unit_test_setup(outlives_the_worker, clear),
        cmocka_unit_test_setup(refuses_wrong_usage, clear),
        cmocka_unit_test_setup(shows_read_models, clear),
        cmocka_unit_test_setup(tells_what_it_cannot_show, clear),
        cmocka_unit_test_setup(refuses_bad_tokens, clear),
        cmocka_unit_test_setup(waits_for_all_tokens, clear),
        cmocka_unit_test_setup(sees_what_was_sent, clear),
        cmocka_unit_test_setup(a_saga_ends_with_tokens, clear),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
