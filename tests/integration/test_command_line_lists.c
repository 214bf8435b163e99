/* The command line from outside: what it shows of sagas, definitions and dead letters. */
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
    return 0;
}

static long long server_ms(void)
{
    redisReply *reply = test_ask(&server, "TIME");
    long long ms = atoll(reply->element[0]->str) * 1000 + atoll(reply->element[1]->str) / 1000;
    freeReplyObject(reply);
    return ms;
}

static void add_saga(const char *id, const char *state, long long since)
{
    test_do(&server, "HSET {sagas}:saga:%s definition place-order version 2 state %s", id, state);
    test_do(&server, "ZADD {sagas}:state:%s %lld %s", state, since, id);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* ---- sagas ------------------------------------------------------------------------------- */

static void lists_sagas(void **state)
{
    (void)state;
    long long now = server_ms();
    expect_weir(0, "id\tdefinition\tversion\tstate\tsince\treason\n", NULL, WORDS("sagas"));
    add_saga("old", "completed", now - 192500);
    add_saga("new", "suspended", now - 500);
    test_do(&server, "HSET {sagas}:saga:new reason %s", "a\tb\n\033[2J");
    test_do(&server, "ZADD {sagas}:state:running %lld gone", now - 90000000);
    struct test_run run = run_weir(0, WORDS("sagas"), NULL);
    const char *first = strstr(run.out, "\nnew\tplace-order\t2\tsuspended\t");
    const char *second = strstr(run.out, "\nold\tplace-order\t2\tcompleted\t3m1");
    const char *third = strstr(run.out, "\ngone\t-\t-\trunning\t1d1h\t-\n");
    assert_true(first && second && third && first < second && second < third);
    assert_non_null(strstr(run.out, "\ta\\tb\\n\\u001b[2J\n"));
    test_run_close(&run);
    expect_weir(0, "\nold\t", NULL, WORDS("sagas", "--state", "completed"));
    expect_weir(64, NULL, "--state", WORDS("sagas", "--state", "done"));
    expect_weir(64, NULL, "--limit", WORDS("sagas", "--limit", "10001"));
}

static void lists_sagas_as_json(void **state)
{
    (void)state;
    long long now = server_ms();
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof(id), "s%d", i);
        add_saga(id, i % 2 ? "running" : "completed", now + i);
    }
    add_saga("s3", "compensated", now + 9); /* has moved on: stands in two sets */
    json_t *sagas = ask_weir_json(0, WORDS("sagas", "--limit=3"));
    assert_int_equal(json_array_size(sagas), 3);
    assert_string_equal(shown_text(json_array_get(sagas, 0), "saga"), "s3");
    assert_string_equal(shown_text(json_array_get(sagas, 1), "saga"), "s4");
    assert_string_equal(shown_text(json_array_get(sagas, 2), "saga"), "s2");
    assert_int_equal(shown_number(json_array_get(sagas, 1), "since"), now + 4);
    assert_int_equal(shown_number(json_array_get(sagas, 1), "version"), 2);
    assert_string_equal(shown_text(json_array_get(sagas, 1), "state"), "completed");
    json_decref(sagas);
    sagas = ask_weir_json(0, WORDS("sagas", "--namespace=t:"));
    assert_int_equal(json_array_size(sagas), 0);
    json_decref(sagas);
}

/* ---- A terminal -------------------------------------------------------------------------- */

/* Runs weir on a pseudo-terminal. */
static struct test_run run_on_terminal(const char *before, const char *words)
{
    char command[TEST_PATH_MAX + 128];
    snprintf(command, sizeof(command), "%s %s %s", before, test_program("weir"), words);
    struct test_run run = test_run(
        (const char *const[]){"script", "-qec", command, "/dev/null", NULL}, NULL, LIMIT_MS);
    assert_int_equal(run.code, 0);
    return run;
}

static size_t longest_line(const char *text)
{
    size_t longest = 0, width = 0;
    for (; *text; text++) {
        width =
            *text == '\n' || *text == '\r' ? 0 : width + (((unsigned char)*text & 0xc0) != 0x80);
        longest = width > longest ? width : longest;
    }
    return longest;
}

static void fits_a_terminal(void **state)
{
    (void)state;
    char reason[301];
    memset(reason, 'r', 300);
    reason[300] = '\0';
    setenv("TERM", "xterm", 1);
    add_saga("s1", "suspended", server_ms());
    test_do(&server, "HSET {sagas}:saga:s1 reason %s", reason);
    struct test_run run = run_on_terminal("NO_COLOR=1", "sagas");
    assert_null(strchr(run.out, '\033'));
    assert_int_equal(longest_line(run.out), 80);
    assert_non_null(strstr(run.out, "rrr…"));
    test_run_close(&run);
    run = run_on_terminal("NO_COLOR=1 COLUMNS=120", "sagas");
    assert_int_equal(longest_line(run.out), 120);
    test_run_close(&run);
    run = run_on_terminal("", "sagas");
    assert_non_null(strstr(run.out, "\033[31msuspended\033[0m"));
    test_run_close(&run);
    run = run_on_terminal("", "sagas --json");
    assert_null(strchr(run.out, '\033'));
    test_run_close(&run);
}

/* ---- saga -------------------------------------------------------------------------------- */

static void add_detailed_saga(const char *definition)
{
    test_do(&server, "HSET {sagas}:definition:place-order latest 2 2 %s", definition);
    add_saga("s1", "compensating", 1700000005000);
    test_do(&server,
            "HSET {sagas}:saga:s1 reason refused data %s startedAt 1700000000000 revision 3",
            "{\"orderId\":\"o1\"}");
    test_do(&server,
            "HSET {sagas}:saga:s1 step:pay:state failed step:pay:attempts 2 step:pay:error %s",
            "no money\177");
    test_do(&server,
            "HSET {sagas}:saga:s1 step:create:state succeeded step:create:sentAt 1700000000012 "
            "step:create:endedAt 1700000061000 step:create:result %s",
            "{\"n\":7}");
}

static const char two_steps[] =
    "{\"name\":\"place-order\",\"version\":2,\"steps\":[{\"name\":\"create\","
    "\"service\":\"orders\",\"command\":\"C\"},{\"name\":\"pay\",\"service\":\"payments\","
    "\"command\":\"P\"},{\"name\":\"ship\",\"service\":\"stock\",\"command\":\"S\"}]}";

static void shows_a_saga(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    add_detailed_saga(two_steps);
    expect_weir(0, "startedAt   2023-11-14T22:13:20.000+0000\n", NULL, WORDS("saga", "s1"));
    expect_weir(0, "data        {\"orderId\":\"o1\"}\n", NULL, WORDS("saga", "s1"));
    expect_weir(0,
                "\nstep\tstate\tattempts\tsent\tended\terror or result\n"
                "create\tsucceeded\t-\t+12ms\t+1m01s\t{\"n\":7}\n"
                "pay\tfailed\t2\t-\t-\tno money\\u007f\n"
                "ship\t-\t-\t-\t-\t-\n",
                NULL, WORDS("saga", "s1"));
    json_t *saga = ask_weir_json(0, WORDS("saga", "s1"));
    assert_string_equal(shown_text(saga, "saga"), "s1");
    assert_int_equal(shown_number(saga, "revision"), 3);
    assert_true(json_is_null(json_object_get(saga, "endedAt")));
    assert_string_equal(shown_text(json_object_get(saga, "data"), "orderId"), "o1");
    const json_t *step = json_array_get(json_object_get(saga, "steps"), 0);
    assert_string_equal(shown_text(step, "name"), "create");
    assert_int_equal(shown_number(json_object_get(step, "result"), "n"), 7);
    json_decref(saga);
}

static void shows_a_saga_without_its_definition(void **state)
{
    (void)state;
    add_detailed_saga("{\"malformed\":");
    test_do(&server, "HSET {sagas}:saga:s1 data [not startedAt -9223372036854775808 %s odd",
            "step:\033:state");
    expect_weir(0, "data        [not\n", NULL, WORDS("saga", "s1"));
    expect_weir(0, "pay\tfailed\t2\t", NULL, WORDS("saga", "s1"));
    json_t *saga = ask_weir_json(0, WORDS("saga", "s1"));
    assert_int_equal(json_array_size(json_object_get(saga, "steps")), 2);
    json_decref(saga);
    expect_weir(1, NULL, "no saga s2", WORDS("saga", "s2"));
    expect_weir(64, NULL, "<id>", WORDS("saga", "a/b"));
}

/* ---- definition -------------------------------------------------------------------------- */

static void write_definition(const char *path, int version, const char *service)
{
    char text[256];
    snprintf(text, sizeof(text),
             "{ \"name\": \"place-order\", \"version\": %d,\n  \"steps\": [ { \"name\": \"a\", "
             "\"service\": \"%s\", \"command\": \"C\" } ] }\n",
             version, service);
    write_file(path, text);
}

static void checks_definitions(void **state)
{
    (void)state;
    write_definition("one", 1, "orders");
    write_file("broken", "{\"name\":");
    write_definition("wrong", 1, "or ders");
    setenv("REDIS_URL", "redis://127.0.0.1:1", 1); /* needs no server */
    expect_weir(0, "one: fine: place-order version 1, 1 steps\n", NULL,
                WORDS("definition", "check", "one"));
    expect_weir(65, "one: fine", "wrong: step", WORDS("definition", "check", "wrong", "one"));
    expect_weir(65, NULL, "broken: not valid JSON: line 1", WORDS("definition", "check", "broken"));
    expect_weir(65, NULL, "cannot read missing", WORDS("definition", "check", "missing"));
    expect_weir(69, NULL, "cannot reach", WORDS("definition", "load", "one"));
    expect_weir(64, NULL, "takes FILE", WORDS("definition", "load"));
    expect_weir(64, NULL, "check, load, list and show", WORDS("definition", "drop"));
    expect_weir(64, NULL, "takes no operands", WORDS("definition", "list", "x"));
    use_server(&server);
    json_t *checked = ask_weir_json(0, WORDS("definition", "check", "one"));
    assert_string_equal(shown_text(json_array_get(checked, 0), "name"), "place-order");
    json_decref(checked);
    expect_weir(65, NULL, "wrong: ", WORDS("definition", "load", "one", "wrong"));
    assert_int_equal(test_ask_integer(&server, "DBSIZE"), 0);
}

static void assert_latest(const char *latest)
{
    char *actual = test_ask_text(&server, "HGET {sagas}:definition:place-order latest");
    assert_string_equal(actual, latest);
    free(actual);
}

static void loads_definitions(void **state)
{
    (void)state;
    write_definition("one", 1, "orders");
    write_definition("one-changed", 1, "payments");
    write_definition("two", 2, "orders");
    expect_weir(0, "place-order version 2 loaded; the latest is 2\n", NULL,
                WORDS("definition", "load", "two"));
    expect_weir(0, "place-order version 1 loaded; the latest is 2\n", NULL,
                WORDS("definition", "load", "one"));
    expect_weir(0, "version 1 was there already; the latest is 2\n", NULL,
                WORDS("definition", "load", "one"));
    expect_weir(1, NULL, "raise the version, or give --force",
                WORDS("definition", "load", "one-changed"));
    char *stored = test_ask_text(&server, "HGET {sagas}:definition:place-order 1");
    assert_non_null(strstr(stored, "\"service\":\"orders\""));
    free(stored);
    assert_latest("2");
    json_t *loaded = ask_weir_json(0, WORDS("definition", "load", "--force", "one-changed"));
    assert_string_equal(shown_text(json_array_get(loaded, 0), "change"), "content");
    json_decref(loaded);
    assert_latest("1");
    expect_weir(0, "the latest is 2\n", NULL, WORDS("definition", "load", "one-changed", "two"));
}

static void lists_and_shows_definitions(void **state)
{
    (void)state;
    write_definition("one", 1, "orders");
    write_definition("two", 2, "payments");
    expect_weir(0, "name\tlatest\tversions\n", NULL, WORDS("definition", "list"));
    expect_weir(0, "loaded", NULL, WORDS("definition", "load", "one", "two"));
    test_do(&server, "SADD {sagas}:definitions another");
    expect_weir(0, "another\t-\t[]\nplace-order\t2\t[1,2]\n", NULL, WORDS("definition", "list"));
    expect_weir(0, "\"service\": \"payments\"", NULL, WORDS("definition", "show", "place-order"));
    expect_weir(0, "\"service\": \"orders\"", NULL,
                WORDS("definition", "show", "place-order", "1"));
    json_t *shown = ask_weir_json(0, WORDS("definition", "show", "place-order"));
    assert_int_equal(shown_number(shown, "version"), 2);
    json_decref(shown);
    expect_weir(1, NULL, "no definition place-order version 3",
                WORDS("definition", "show", "place-order", "3"));
    expect_weir(1, NULL, "no definition other", WORDS("definition", "show", "other"));
    expect_weir(64, NULL, "'latest' is no version",
                WORDS("definition", "show", "place-order", "latest"));
    test_do(&server, "HSET {sagas}:definition:place-order 2 %s", "{\033");
    expect_weir(65, "{\\u001b\n", "not valid JSON", WORDS("definition", "show", "place-order"));
}

/* ---- dead -------------------------------------------------------------------------------- */

static void lists_dead_letters(void **state)
{
    (void)state;
    test_do(&server, "HSET {weir}:services orders 1");
    expect_weir(0, "letter\ttype\tdeliveries\tage\treason\n", NULL, WORDS("dead", "orders"));
    long long now = server_ms();
    test_do(&server, "XADD {orders}:dead %lld-0 data x reason %s deliveries 1", now - 7500000,
            "type: missing");
    test_do(&server,
            "XADD {orders}:dead %lld-0 type A reason faked deliveries 9 reason true deliveries 5",
            now - 3000);
    struct test_run run = run_weir(0, WORDS("dead", "orders", "list"), NULL);
    const char *newer = strstr(run.out, "-0\tA\t5\t3."), *older = strstr(run.out, "-0\t-\t1\t2h0");
    assert_true(newer && older && newer < older);
    assert_non_null(strstr(run.out, "\ttype: missing\n"));
    assert_null(strstr(run.out, "faked"));
    test_run_close(&run);
    json_t *letters = ask_weir_json(0, WORDS("dead", "orders", "--limit", "1"));
    assert_int_equal(json_array_size(letters), 1);
    assert_int_equal(shown_number(json_array_get(letters, 0), "at"), now - 3000);
    json_decref(letters);
}

static void shows_dead_letters(void **state)
{
    (void)state;
    test_do(&server, "XADD {orders}:dead 7-1 type A data %s %s %b deliveries 5",
            "{\"a\":{\"b\":\"\\u001b\"}}", "na\nme", "v\xff\033]0;\0z", (size_t)8);
    test_do(&server, "XADD {orders}:dead 8-1 data %s", "{\"a\":1,\"a\":\302\233}");
    expect_weir(0, "letter        7-1\n", NULL, WORDS("dead", "orders", "show", "7-1"));
    expect_weir(0, "\n    \"b\": \"\\u001B\"\n", NULL, WORDS("dead", "orders", "show", "7-1"));
    expect_weir(0, "\nna\\nme        v\357\277\275\\u001b]0;\\u0000z\n", NULL,
                WORDS("dead", "orders", "show", "7-1"));
    expect_weir(1, "{\"a\":1,\"a\":\\u009b}\n", "no dead letter 9-1 in {orders}:dead",
                WORDS("dead", "orders", "show", "9-1", "8-1"));
    json_t *letters = ask_weir_json(0, WORDS("dead", "orders", "show", "7-1"));
    const json_t *fields = json_object_get(json_array_get(letters, 0), "fields");
    assert_true(json_is_object(json_object_get(fields, "data")));
    assert_int_equal(shown_number(fields, "deliveries"), 5);
    json_decref(letters);
}

static void refuses_wrong_letters(void **state)
{
    (void)state;
    expect_weir(64, NULL, "<service>", WORDS("dead", "or ders"));
    expect_weir(64, NULL, "there are list, count, show, replay and drop",
                WORDS("dead", "orders", "revive"));
    expect_weir(64, NULL, "needs the ids", WORDS("dead", "orders", "show"));
    expect_weir(64, NULL, "takes no ids", WORDS("dead", "orders", "list", "1-1"));
    expect_weir(64, NULL, "'x' is no id", WORDS("dead", "orders", "show", "x"));
    expect_weir(64, NULL, "'1-' is no id", WORDS("dead", "orders", "show", "1-"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lists_sagas, clear),
        cmocka_unit_test_setup(lists_sagas_as_json, clear),
        cmocka_unit_test_setup(fits_a_terminal, clear),
        cmocka_unit_test_setup(shows_a_saga, clear),
        cmocka_unit_test_setup(shows_a_saga_without_its_definition, clear),
        cmocka_unit_test_setup(checks_definitions, clear),
        cmocka_unit_test_setup(loads_definitions, clear),
        cmocka_unit_test_setup(lists_and_shows_definitions, clear),
        cmocka_unit_test_setup(lists_dead_letters, clear),
        cmocka_unit_test_setup(shows_dead_letters, clear),
        cmocka_unit_test_setup(refuses_wrong_letters, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
