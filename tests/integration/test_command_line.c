/* The command line from outside: usage, starting sagas, sending, installing. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int clear(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    test_do(&server, "FUNCTION FLUSH");
    return 0;
}

static void define(void)
{
    test_do(&server, "HSET {sagas}:definition:place-order latest 1 1 %s", definition);
}

static void write_file(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* ---- Usage ------------------------------------------------------------------------------- */

static void helps(void **state)
{
    (void)state;
    static const char *const commands[] = {"start",   "send", "sagas",  "saga",   "definition",
                                           "install", "dead", "cancel", "resume", "signal"};
    setenv("REDIS_URL", "redis://127.0.0.1:1", 1); /* none of this needs a server */
    expect_weir(0, "weir 0.1.0\n", NULL, WORDS("--version"));
    expect_weir(0, "weir 0.1.0\n", NULL, WORDS("start", "--version"));
    expect_weir(0, "--namespace PREFIX", NULL, WORDS("-h"));
    expect_weir(0, "  completion  Prints", NULL, WORDS("--help"));
    expect_weir(64, NULL, ", completion\n", WORDS("nonsense"));
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char usage[64];
        snprintf(usage, sizeof(usage), "Usage: weir %s ", commands[i]);
        expect_weir(0, commands[i], NULL, WORDS("--help"));
        expect_weir(0, usage, NULL, WORDS(commands[i], "--help"));
        expect_weir(0, "(default: redis://127.0.0.1:6379; ", NULL, WORDS("--help", commands[i]));
    }
    use_server(&server);
}

static void refuses_wrong_usage(void **state)
{
    (void)state;
    char long_prefix[80];
    snprintf(long_prefix, sizeof(long_prefix), "%065d", 0);
    expect_weir(64, NULL, "no command", WORDS("--json"));
    expect_weir(64, NULL, "'frob'; there are start, send, ", WORDS("frob", "--help"));
    expect_weir(64, NULL, "\\u001b[31m", WORDS("\033[31m"));
    expect_weir(64, NULL, "--frob", WORDS("sagas", "--frob"));
    expect_weir(64, NULL, "--frob", WORDS("--frob"));
    expect_weir(64, NULL, "needs <saga>", WORDS("start"));
    expect_weir(64, NULL, "'30'", WORDS("start", "a", "--wait", "30"));
    expect_weir(64, NULL, "--wait", WORDS("start", "a", "--wait=soon"));
    expect_weir(64, NULL, "--wait", WORDS("start", "a", "--wait=0"));
    expect_weir(64, NULL, "--id", WORDS("start", "a", "--id", "x y"));
    expect_weir(64, NULL, "--id", WORDS("start", "a", "--id", "{x}"));
    expect_weir(64, NULL, "--id", WORDS("start", "a", "--id", "\xff"));
    expect_weir(64, NULL, "--id", WORDS("start", "a", "--id="));
    expect_weir(64, NULL, "<saga>", WORDS("start", "place order"));
    expect_weir(64, NULL, "needs <service> <type>", WORDS("send", "orders"));
    expect_weir(64, NULL, "no name of a service", WORDS("send", "or}ders", "A"));
    expect_weir(64, NULL, "type", WORDS("send", "orders", "9"));
    expect_weir(64, NULL, "id", WORDS("send", "orders", "A", "--id", "a b"));
    expect_weir(64, NULL, "--delay", WORDS("send", "orders", "A", "--delay", "-1"));
    expect_weir(64, NULL, "--delay", WORDS("send", "orders", "A", "--delay=5s"));
    expect_weir(64, NULL, "--delay", WORDS("send", "orders", "A", "--delay=315360000001"));
    expect_weir(64, NULL, "--namespace", WORDS("sagas", "--namespace", "{x}"));
    expect_weir(64, NULL, "--namespace", WORDS("sagas", "--namespace", long_prefix));
    expect_weir(64, NULL, "'x' is one word too many", WORDS("install", "x"));
}

static void tells_about_the_server(void **state)
{
    (void)state;
    expect_weir(69, NULL, "redis://127.0.0.1:1", WORDS("sagas", "--redis", "redis://127.0.0.1:1"));
    expect_weir(69, NULL, "/nowhere", WORDS("--redis=unix:///nowhere", "send", "orders", "A"));
    expect_weir(64, NULL, "--redis: ", WORDS("--redis", "localhost", "sagas"));
    expect_weir(64, NULL, "TLS", WORDS("--redis", "rediss://h", "sagas"));
    test_do(&server, "SET {sagas}:state:running text");
    expect_weir(1, NULL, "WRONGTYPE", WORDS("sagas"));
}

static void tells_about_a_silent_server(void **state)
{
    (void)state;
    test_server_freeze(&server);
    struct test_run run = run_weir(69, WORDS("sagas"), NULL);
    test_server_thaw(&server);
    assert_non_null(strstr(run.error, "has not answered ROLE in time; that only asks"));
    test_run_close(&run);
}

static void hides_the_password(void **state)
{
    (void)state;
    char url[TEST_PATH_MAX + 64];
    test_do(&server, "CONFIG SET requirepass open-sesame");
    expect_weir(1, NULL, "wants a password", WORDS("sagas"));
    snprintf(url, sizeof(url), "unix://:hush@%s", server.socket);
    struct test_run run = run_weir(1, WORDS("--redis", url, "sagas"), NULL);
    assert_non_null(strstr(run.error, "does not know this user and password"));
    assert_null(strstr(run.error, "hush"));
    test_run_close(&run);
    snprintf(url, sizeof(url), "unix://default:open%%2Dsesame@%s?db=3", server.socket);
    test_do(&server, "SELECT 3");
    test_do(&server, "ZADD {sagas}:state:running 1 in-database-3");
    expect_weir(0, "in-database-3", NULL, WORDS("--redis", url, "sagas"));
    test_do(&server, "SELECT 0");
    test_do(&server, "CONFIG SET requirepass %s", "");
}

static void tells_that_the_output_is_lost(void **state)
{
    (void)state;
    char command[TEST_PATH_MAX + 64];
    snprintf(command, sizeof(command), "%s --version >/dev/full", test_program("weir"));
    struct test_run run = test_run(WORDS("sh", "-c", command), NULL, LIMIT_MS);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.error, "cannot write the output"));
    test_run_close(&run);
}

/* ---- Data -------------------------------------------------------------------------------- */

static void refuses_bad_data(void **state)
{
    (void)state;
    static const struct {
        const char *data, *word;
    } cases[] = {
        {"", "--data"},           {"{", "line 1, column 1"}, {"{\n\"a\":}", "line 2, column"},
        {"[]", "object"},         {"{} {}", "line 1"},       {"{\"a\":1,\"a\":2}", "duplicate"},
        {"{\"a\":\"\xff\"}", ""}, {"@missing", "missing"},   {"@.", "cannot read"},
        {"@empty", "line 1"},
    };
    define();
    write_file("empty", "", 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_weir(65, NULL, cases[i].word,
                    WORDS("start", "place-order", "--data", cases[i].data));
        expect_weir(65, NULL, cases[i].word, WORDS("send", "orders", "A", "--data", cases[i].data));
    }
    assert_int_equal(test_ask_integer(&server, "EXISTS {orders}:commands {sagas}:commands"), 0);
}

static void limits_the_size_of_data(void **state)
{
    (void)state;
    const size_t limit = 1024 * 1024;
    char *text = malloc(limit + 2);
    assert_non_null(text);
    memset(text, ' ', limit + 1);
    text[0] = '{';
    text[limit - 1] = '}';
    write_file("just", text, limit);
    write_file("over", text, limit + 1);
    expect_weir(0, "-0\n", "nothing is known of a service orders",
                WORDS("send", "orders", "A", "--data", "@just"));
    expect_weir(65, NULL, "larger than 1048576 bytes",
                WORDS("send", "orders", "A", "--data", "@over"));
    text[limit + 1] = '\0';
    struct test_run run = run_weir(65, WORDS("send", "orders", "A", "--data", "-"), text);
    assert_non_null(strstr(run.error, "standard input is larger"));
    test_run_close(&run);
    free(text);
}

/* ---- send -------------------------------------------------------------------------------- */

static void assert_entry(const char *key, size_t count, const char *const *fields)
{
    redisReply *reply = test_ask(&server, "XREVRANGE %s + - COUNT 1", key);
    assert_int_equal(reply->elements, 1);
    const redisReply *pairs = reply->element[0]->element[1];
    assert_int_equal(pairs->elements, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(pairs->element[i]->str, fields[i]);
    freeReplyObject(reply);
}

static void sends(void **state)
{
    (void)state;
    char *entry = ask_weir(WORDS("send", "orders", "CreateOrder"));
    redisReply *reply = test_ask(&server, "XRANGE {orders}:commands %s %s", entry, entry);
    assert_int_equal(reply->elements, 1);
    freeReplyObject(reply);
    free(entry);
    assert_entry("{orders}:commands", 4, WORDS("type", "CreateOrder", "data", "{}"));

    struct test_run run =
        run_weir(0, WORDS("send", "orders", "B", "--data", "-", "--id", "a/b#2", "--delay=5"),
                 "{\"ö\":1}\n");
    test_run_close(&run);
    assert_entry("{orders}:commands", 8,
                 WORDS("type", "B", "data", "{\"ö\":1}\n", "id", "a/b#2", "delay", "5"));

    write_file("data", "{\"a\":2}", 7);
    json_t *sent =
        ask_weir_json(0, WORDS("--namespace", "t:", "send", "orders", "C", "--data=@data"));
    assert_non_null(json_object_get(sent, "entry"));
    json_decref(sent);
    assert_entry("t:{orders}:commands", 4, WORDS("type", "C", "data", "{\"a\":2}"));
}

static void a_full_server_refuses(void **state)
{
    (void)state;
    test_do(&server, "SADD {sagas}:definitions full");
    test_do(&server, "HSET {sagas}:definition:full latest 1");
    test_do(&server, "CONFIG SET maxmemory 1");
    expect_weir(1, NULL, "refused XADD: OOM", WORDS("send", "orders", "A"));
    expect_weir(1, NULL, "refused XADD: OOM", WORDS("start", "full"));
    test_do(&server, "CONFIG SET maxmemory 0");
}

/* ---- start ------------------------------------------------------------------------------- */

static void starts(void **state)
{
    (void)state;
    expect_weir(65, NULL, "weir definition load FILE", WORDS("start", "place-order"));
    define();
    char *saga = ask_weir(WORDS("start", "place-order"));
    redisReply *reply = test_ask(&server, "XRANGE {sagas}:commands %s %s", saga, saga);
    assert_int_equal(reply->elements, 1);
    freeReplyObject(reply);
    free(saga);
    assert_entry("{sagas}:commands", 6,
                 WORDS("type", "StartSaga", "definition", "place-order", "data", "{}"));
    expect_weir(0, "s1\n", NULL,
                WORDS("start", "place-order", "--id", "s1", "--data", "{\"a\": 1}"));
    assert_entry("{sagas}:commands", 8,
                 WORDS("type", "StartSaga", "definition", "place-order", "data", "{\"a\": 1}",
                       "saga", "s1"));
    json_t *started = ask_weir_json(0, WORDS("start", "place-order", "--id=s2"));
    assert_string_equal(json_string_value(json_object_get(started, "saga")), "s2");
    json_decref(started);
}

static void starts_again_with_a_remark(void **state)
{
    (void)state;
    define();
    test_do(&server, "HSET {sagas}:saga:s1 state running");
    expect_weir(0, "s1\n", "saga s1 has been started before",
                WORDS("start", "place-order", "--id", "s1"));
    assert_int_equal(test_ask_integer(&server, "XLEN {sagas}:commands"), 1);
}

/* ---- install ----------------------------------------------------------------------------- */

static void installs(void **state)
{
    (void)state;
    json_t *result = ask_weir_json(0, WORDS("install"));
    assert_true(json_is_true(json_object_get(result, "loaded")));
    json_int_t version = json_integer_value(json_object_get(result, "version"));
    assert_int_equal(json_integer_value(json_object_get(result, "before")), 0);
    json_decref(result);
    assert_int_equal(test_ask_integer(&server, "FCALL weir_version 0"), version);
    expect_weir(0, "nothing done", NULL, WORDS("install"));
    expect_weir(0, "in place of", NULL, WORDS("install", "--force"));
}

static void leaves_a_newer_library_alone(void **state)
{
    (void)state;
    test_do(&server, "FUNCTION LOAD %s",
            "#!lua name=weir\nredis.register_function('weir_version', function() return 999 end)");
    expect_weir(0, "999, newer than", NULL, WORDS("install"));
    assert_int_equal(test_ask_integer(&server, "FCALL weir_version 0"), 999);
    expect_weir(0, "in place of 999", NULL, WORDS("install", "--force"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(helps),
        cmocka_unit_test(refuses_wrong_usage),
        cmocka_unit_test_setup(tells_about_the_server, clear),
        cmocka_unit_test(tells_about_a_silent_server),
        cmocka_unit_test_setup(hides_the_password, clear),
        cmocka_unit_test(tells_that_the_output_is_lost),
        cmocka_unit_test_setup(refuses_bad_data, clear),
        cmocka_unit_test_setup(limits_the_size_of_data, clear),
        cmocka_unit_test_setup(sends, clear),
        cmocka_unit_test_setup(a_full_server_refuses, clear),
        cmocka_unit_test_setup(starts, clear),
        cmocka_unit_test_setup(starts_again_with_a_remark, clear),
        cmocka_unit_test_setup(installs, clear),
        cmocka_unit_test_setup(leaves_a_newer_library_alone, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
