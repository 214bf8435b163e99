/* The command line from outside: which sagas are listed, and page by page. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/terminal.h"

static struct test_server server;

/* Sagas by the hundred in one call: ARGV first, last, state, definition, when the first entered its
 * state, ms between two. */
static const char fill[] =
    "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do "
    "local since = string.format('%.0f', ARGV[5] + math.floor((i - ARGV[1]) * ARGV[6])) "
    "redis.call('HSET', '{sagas}:saga:s' .. i, 'definition', ARGV[4], 'version', '1', 'state', "
    "ARGV[3], 'reason', 'r' .. i) "
    "redis.call('ZADD', '{sagas}:state:' .. ARGV[3], since, 's' .. i) end";

static void add(int first, int last, const char *state, const char *definition, long long since,
                const char *apart)
{
    test_do(&server, "EVAL %s 0 %d %d %s %s %lld %s", fill, first, last, state, definition, since,
            apart);
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

/* The number of rows, and the first and the last saga. */
static void expect_rows(size_t count, const char *first, const char *last, const char *const *words)
{
    json_t *rows = ask_weir_json(0, words);
    if (json_array_size(rows) != count)
        fail_msg("%zu rows instead of %zu", json_array_size(rows), count);
    if (count > 0) {
        assert_string_equal(shown_text(json_array_get(rows, 0), "saga"), first);
        assert_string_equal(shown_text(json_array_get(rows, count - 1), "saga"), last);
    }
    json_decref(rows);
}

static void filters(void **state)
{
    (void)state;
    long long now = server_ms();
    add(1, 3, "suspended", "place-order", now - 600000, "1");
    add(4, 6, "suspended", "other", now - 60000, "1");
    add(7, 9, "running", "place-order", now - 1000, "1");
    expect_rows(9, "s9", "s1", WORDS("sagas"));
    expect_rows(6, "s6", "s1", WORDS("sagas", "--state", "suspended"));
    expect_rows(6, "s9", "s1", WORDS("sagas", "--definition", "place-order"));
    expect_rows(3, "s3", "s1", WORDS("sagas", "--older-than", "5m"));
    expect_rows(6, "s9", "s4", WORDS("sagas", "--younger-than", "5m"));
    expect_rows(3, "s6", "s4", WORDS("sagas", "--older-than", "30s", "--younger-than", "5m"));
    expect_rows(1, "s5", "s5", WORDS("sagas", "--matching", "r5"));
    expect_rows(1, "s2", "s2",
                WORDS("sagas", "--state", "suspended", "--definition", "place-order",
                      "--older-than", "5m", "--matching", "2"));
    expect_rows(0, NULL, NULL, WORDS("sagas", "--definition", "absent"));
    /* It has moved on, and its place in the index has not been seen to go. */
    test_do(&server, "HSET {sagas}:saga:s1 state running");
    expect_rows(5, "s6", "s2", WORDS("sagas", "--state", "suspended"));
}

static void spoiled_keys_hide_nothing_else(void **state)
{
    (void)state;
    add(1, 2, "running", "place-order", server_ms(), "1");
    test_do(&server, "ZADD {sagas}:state:running %lld spoiled", server_ms() + 1000);
    test_do(&server, "SET {sagas}:saga:spoiled x");
    expect_rows(3, "spoiled", "s1", WORDS("sagas"));
    expect_weir(0, "WRONGTYPE", NULL, WORDS("sagas"));
    test_do(&server, "SET {sagas}:state:completed x");
    expect_weir(1, NULL, "the sagas that are completed: ", WORDS("sagas"));
}

#define LONG_ID "0123456789abcdef0123456789abcdef"

/* However narrow it is, what belongs behind weir saga can be copied. */
static void ids_are_shown_whole(void **state)
{
    static const int columns[] = {40, 60, 80};
    (void)state;
    test_do(&server,
            "HSET {sagas}:saga:" LONG_ID " definition a-name-of-thirty-two-characters-x "
            "version 1 state suspended reason %s",
            "a reason that is much longer than there is room for on such a terminal");
    test_do(&server, "ZADD {sagas}:state:suspended %lld " LONG_ID, server_ms());
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        struct test_run run = run_on_terminal(columns[i], "NO_COLOR=1", "sagas");
        assert_non_null(strstr(run.out, LONG_ID));
        assert_non_null(strstr(run.out, "…"));
        test_run_close(&run);
    }
}

static void refuses_what_cannot_be_meant(void **state)
{
    (void)state;
    expect_weir(64, NULL, "--definition", WORDS("sagas", "--definition", "a b"));
    expect_weir(64, NULL, "--older-than", WORDS("sagas", "--older-than", "5x"));
    expect_weir(64, NULL, "--older-than",
                WORDS("sagas", "--older-than", "5m", "--younger-than", "5m"));
    expect_weir(64, NULL, "--before", WORDS("sagas", "--before", "s1"));
    expect_weir(64, NULL, "--before", WORDS("sagas", "--before", "1x/s1"));
    expect_weir(64, NULL, "--page", WORDS("sagas", "--page"));
    test_do(&server, "SET {sagas}:state:running 1");
    expect_weir(1, NULL, "WRONGTYPE", WORDS("sagas"));
}

/* Walks page by page and counts; each saga comes once, the newer before the older. */
static size_t count_by_pages(const char *limit)
{
    char cursor[200] = "9000000000000/~";
    json_t *seen = json_object();
    json_int_t since = INT64_MAX;
    for (int pages = 0; *cursor; pages++) {
        json_t *page =
                   ask_weir_json(0, WORDS("sagas", "--page", "--limit", limit, "--before", cursor)),
               *rows = json_object_get(page, "sagas"), *row;
        size_t i;
        assert_in_range(pages, 0, 100);
        json_array_foreach(rows, i, row)
        {
            assert_null(json_object_get(seen, shown_text(row, "saga")));
            json_object_set_new(seen, shown_text(row, "saga"), json_true());
            assert_true(shown_number(row, "since") <= since);
            since = shown_number(row, "since");
        }
        const json_t *next = json_object_get(page, "next");
        assert_true(json_is_null(next) == json_is_true(json_object_get(page, "complete")));
        snprintf(cursor, sizeof(cursor), "%s", json_is_null(next) ? "" : json_string_value(next));
        json_decref(page);
    }
    size_t count = json_object_size(seen);
    json_decref(seen);
    return count;
}

/* More sagas of one time than any batch holds, in two states, and some around them. */
static void pages_meet_each_saga_once(void **state)
{
    (void)state;
    add(1, 1300, "completed", "d", 1700000000000, "0");
    add(2001, 2700, "running", "d", 1700000000000, "0");
    add(3001, 3100, "suspended", "d", 1699999999990, "0.2");
    assert_int_equal(count_by_pages("73"), 2100);
    assert_int_equal(count_by_pages("1000"), 2100);
    test_do(&server, "ZREM {sagas}:state:completed s7"); /* a cursor's saga may be gone */
    expect_rows(1, "s699", "s699", WORDS("sagas", "--before", "1700000000000/s7", "--limit", "1"));
    expect_rows(2100 - 1, "s3100", "s3001", WORDS("sagas", "--limit", "10000"));
}

static void stops_after_100000_and_says_so(void **state)
{
    (void)state;
    test_do(&server, "EVAL %s 0",
            "for i = 1, 100010 do redis.call('ZADD', '{sagas}:state:running', i, 's' .. i) end");
    add(5, 5, "running", "rare", 5, "0");
    struct test_run run = run_weir(0, WORDS("sagas", "--definition", "rare"), NULL);
    assert_null(strstr(run.out, "s5\t"));
    assert_non_null(strstr(run.error, "looked at 100000 sagas and stopped; go on with --before "
                                      "11/s11\n"));
    test_run_close(&run);
    expect_rows(1, "s5", "s5", WORDS("sagas", "--definition", "rare", "--before", "11/s11"));
    json_t *page = ask_weir_json(0, WORDS("sagas", "--page", "--definition", "rare"));
    assert_int_equal(shown_number(page, "lookedAt"), 100000);
    assert_string_equal(shown_text(page, "next"), "11/s11");
    assert_true(json_is_false(json_object_get(page, "complete")));
    json_decref(page);
    /* What is not filtered reads no more than it shows. */
    test_do(&server, "CONFIG RESETSTAT");
    expect_rows(5, "s100010", "s100006", WORDS("sagas", "--limit", "5"));
    assert_int_equal(test_calls_of(&server, "hmget"), 5);
}

static void hostile_sagas_are_shown_as_text(void **state)
{
    (void)state;
    test_do(&server, "ZADD {sagas}:state:suspended 7 %b", "a\033[2J\"/\xff", (size_t)8);
    test_do(&server, "ZADD {sagas}:state:suspended 8 s2 9 s3");
    test_do(&server, "HSET {sagas}:saga:s2 definition d state suspended reason %s",
            "\033]0;t\a\"quoted\"\r\n");
    struct test_run run = run_on_terminal(80, "NO_COLOR=1", "sagas --limit 2");
    assert_null(strchr(run.out, '\033'));
    assert_null(strchr(run.out, '\a'));
    assert_non_null(strstr(run.out, "there may be more: --before 8/s2"));
    assert_in_range(longest_line(run.out), 1, 80);
    test_run_close(&run);
    expect_weir(0, "\na\\u001b[2J\"/\357\277\275\t", NULL, WORDS("sagas"));
    expect_weir(0, "\\u001b]0;t\\u0007\"quoted\"\\u000d\\n\n", NULL, WORDS("sagas"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(filters, clear),
        cmocka_unit_test_setup(spoiled_keys_hide_nothing_else, clear),
        cmocka_unit_test_setup(ids_are_shown_whole, clear),
        cmocka_unit_test_setup(refuses_what_cannot_be_meant, clear),
        cmocka_unit_test_setup(pages_meet_each_saga_once, clear),
        cmocka_unit_test_setup(stops_after_100000_and_says_so, clear),
        cmocka_unit_test_setup(hostile_sagas_are_shown_as_text, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
