/* Read models from outside: whatever their type and size, and never older than asked for. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define VIEW "view"
#define LONG_MS 15000
#define SHORT_MS 150
#define MANY 5000
#define WRITES 500

static struct test_server server;
static weir_caller *caller;

/* ---- The view: how often a mark was told of ------------------------------------------------ */

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    const char *n = weir_message_subject(message);
    weir_hincrby(context, NULL, "times", 1);
    weir_sadd(context, "all", n ? n : "none");
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    if (strcmp(name, VIEW) != 0)
        return test_work_service(name);
    weir_service *service = weir_service_new(name);
    weir_project(service, "marks", WORK, "Marked", fold, "mark:{n}");
    return service;
}

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
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
    char why[256];
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    caller = weir_caller_open(server.url, NULL, why, sizeof(why));
    if (!caller)
        fail_msg("%s", why);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weir_caller_close(caller);
    caller = NULL;
    test_workers_clear();
    return 0;
}

/* ---- Asking -------------------------------------------------------------------------------- */

static struct weir_query_answer ask(enum weir_query_result wanted, const char *key,
                                    const struct weir_query_options *options)
{
    struct weir_query_answer answer;
    memset(&answer, 'x', sizeof(answer));
    enum weir_query_result result = weir_query(caller, VIEW, key, options, &answer);
    if (result != wanted)
        fail_msg("%s: result %d instead of %d: %s", key, (int)result, (int)wanted, answer.reason);
    assert_int_equal(result == WEIR_QUERY_FOUND, answer.value != NULL);
    assert_int_equal(result == WEIR_QUERY_FOUND, answer.reason[0] == '\0');
    return answer;
}

/* The value as JSON has to read like this, and be all there is. */
static void expect_page(const char *wanted, const char *type, const char *key,
                        const struct weir_query_options *options)
{
    struct weir_query_answer answer = ask(WEIR_QUERY_FOUND, key, options);
    char *text = json_dumps(answer.value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    assert_string_equal(text, wanted);
    assert_string_equal(answer.type, type);
    assert_string_equal(answer.cursor, "");
    free(text);
    json_decref(answer.value);
}

static void expect_failure(enum weir_query_result wanted, const char *word, const char *key,
                           const struct weir_query_options *options)
{
    struct weir_query_answer answer = ask(wanted, key, options);
    if (!strstr(answer.reason, word))
        fail_msg("'%s' expected in: %s", word, answer.reason);
}

static const struct weir_query_options reversed = {.reverse = true};

/* ---- Types --------------------------------------------------------------------------------- */

static void reads_each_type(void **state)
{
    (void)state;
    test_do(&server, "HSET {view}:order:o1 status paid amount 5 empty %b", "", (size_t)0);
    test_do(&server, "SET {view}:text:1 hello");
    test_do(&server, "SET {view}:text:2 %b", "", (size_t)0);
    test_do(&server, "SADD {view}:set:1 only");
    test_do(&server, "ZADD {view}:sorted:1 3 c -1 a 2.5 b inf z");
    expect_page("{\"amount\":\"5\",\"empty\":\"\",\"status\":\"paid\"}", "hash", "order:o1", NULL);
    expect_page("\"hello\"", "string", "text:1", NULL);
    expect_page("\"\"", "string", "text:2", NULL);
    expect_page("[\"only\"]", "set", "set:1", NULL);
    expect_page("[{\"member\":\"a\",\"score\":-1},{\"member\":\"b\",\"score\":2.5},"
                "{\"member\":\"c\",\"score\":3},{\"member\":\"z\",\"score\":\"inf\"}]",
                "zset", "sorted:1", NULL);
    expect_page("[{\"member\":\"z\",\"score\":\"inf\"},{\"member\":\"c\",\"score\":3},"
                "{\"member\":\"b\",\"score\":2.5},{\"member\":\"a\",\"score\":-1}]",
                "zset", "sorted:1", &reversed);
}

/* The cursor may be that of the answer which is filled anew. */
static void pages_come_with_one_answer(void **state)
{
    (void)state;
    struct weir_query_answer answer = {.cursor = ""};
    size_t members = 0, pages = 0;
    for (int i = 0; i < 25; i++)
        test_do(&server, "ZADD {view}:long:1 %d member%d", i, i);
    do {
        struct weir_query_options options = {.page = 10, .cursor = answer.cursor};
        assert_int_equal(weir_query(caller, "view", "long:1", &options, &answer), WEIR_QUERY_FOUND);
        members += json_array_size(answer.value);
        json_decref(answer.value);
        assert_true(++pages <= 3);
    } while (answer.cursor[0] != '\0');
    assert_int_equal(members, 25);
}

static void tells_what_is_absent(void **state)
{
    (void)state;
    expect_failure(WEIR_QUERY_ABSENT, "there is no {view}:order:o1", "order:o1", NULL);
    expect_failure(WEIR_QUERY_ABSENT, "there is no", "order:o1",
                   &(struct weir_query_options){.cursor = "h5"});
    expect_failure(WEIR_QUERY_ABSENT, "there is no", "order:o1", &reversed);
}

static void refuses_what_is_no_read_model(void **state)
{
    (void)state;
    test_do(&server, "XADD {view}:commands * type A");
    test_do(&server, "RPUSH {view}:list a");
    test_do(&server, "SET {view}:text 1");
    expect_failure(WEIR_QUERY_FAILED, "{view}:commands is a stream; a read model is", "commands",
                   NULL);
    expect_failure(WEIR_QUERY_FAILED, "is a list", "list", NULL);
    expect_failure(WEIR_QUERY_FAILED, "only a sorted set has an order", "text", &reversed);
}

static void takes_keys_and_values_of_odd_bytes(void **state)
{
    (void)state;
    static const char *const keys[] = {"a b", "ö{}", "\"x\\", "%s%n", "\xff\xfe", "a:b/c", "{x}:y"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        test_do(&server, "SET {view}:%s v", keys[i]);
        expect_page("\"v\"", "string", keys[i], NULL);
    }
    test_do(&server, "HSET {view}:odd %b %b", "f\0g\xff", (size_t)4, "v\0\xff", (size_t)3);
    test_do(&server, "SADD {view}:oddset %b", "\0", (size_t)1);
    expect_page("{\"f\xef\xbf\xbdg\xef\xbf\xbd\":\"v\\u0000\xef\xbf\xbd\"}", "hash", "odd", NULL);
    expect_page("[\"\\u0000\"]", "set", "oddset", NULL);
}

/* ---- Arguments ----------------------------------------------------------------------------- */

static void refuses_malformed_arguments(void **state)
{
    (void)state;
    static const char *const views[] = {"", "9", "a b", "vi}ew", "vi{ew", "view:", "\xff"};
    char long_key[300];
    struct weir_query_answer answer;
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        assert_int_equal(weir_query(caller, views[i], "k", NULL, &answer), WEIR_QUERY_FAILED);
        assert_non_null(strstr(answer.reason, "no name of a service"));
    }
    memset(long_key, 'k', sizeof(long_key));
    long_key[257] = '\0';
    expect_failure(WEIR_QUERY_FAILED, "key: ", long_key, NULL);
    expect_failure(WEIR_QUERY_FAILED, "key: ", "", NULL);
    expect_failure(WEIR_QUERY_FAILED, "key: ", "a\nb", NULL);
    long_key[256] = '\0';
    expect_failure(WEIR_QUERY_ABSENT, "there is no", long_key, NULL);
    static const struct {
        struct weir_query_options options;
        const char *word;
    } cases[] = {
        {{.page = -1}, "page: "},
        {{.page = 10001}, "page: "},
        {{.page = INT64_MAX}, "page: "},
        {{.cursor = "0"}, "cursor: "},
        {{.cursor = "h99999999999999999999999"}, "cursor: "},
        {{.cursor = "h1 COUNT"}, "cursor: "},
        {{.projection = "a b"}, "projection: "},
        {{.projection = ""}, "projection: "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_failure(WEIR_QUERY_FAILED, cases[i].word, "k", &cases[i].options);
}

static void a_cursor_belongs_to_its_type_and_order(void **state)
{
    (void)state;
    test_do(&server, "HSET {view}:hash f v");
    test_do(&server, "SET {view}:text v");
    test_do(&server, "ZADD {view}:sorted 1 a");
    static const struct {
        const char *key, *cursor;
        bool reverse;
    } cases[] = {{"hash", "s1", false},   {"hash", "z1", false},   {"text", "h1", false},
                 {"sorted", "h1", false}, {"sorted", "r1", false}, {"sorted", "z1", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_failure(
            WEIR_QUERY_FAILED, "the cursor is of another", cases[i].key,
            &(struct weir_query_options){.cursor = cases[i].cursor, .reverse = cases[i].reverse});
    expect_failure(WEIR_QUERY_FAILED, "HSCAN", "hash",
                   &(struct weir_query_options){.cursor = "h99999999999999999999"});
    expect_page("[]", "zset", "sorted",
                &(struct weir_query_options){.cursor = "z99999999999999999"});
}

/* ---- Pages --------------------------------------------------------------------------------- */

static void fill(const char *command, const char *key, int count)
{
    for (int i = 0; i < count; i++) {
        bool set = strcmp(command, "SADD") == 0, hash = strcmp(command, "HSET") == 0;
        redisAppendCommand(server.connection,
                           set    ? "%s {view}:%s m%d"
                           : hash ? "%s {view}:%s m%d v%d"
                                  : "%s {view}:%s %d m%d",
                           command, key, i, i);
    }
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(server.connection, (void **)&reply), REDIS_OK);
        freeReplyObject(reply);
    }
}

/* Reads all pages; counts how often each m<i> has come, and gives back the number of pages. */
static int read_pages(const char *key, struct weir_query_options options, int *seen, int *order)
{
    char cursor[32] = "";
    int pages = 0, members = 0;
    memset(seen, 0, MANY * sizeof(*seen));
    do {
        options.cursor = cursor;
        struct weir_query_answer answer = ask(WEIR_QUERY_FOUND, key, &options);
        const char *name;
        json_t *value;
        size_t i;
        json_object_foreach(answer.value, name, value) seen[atoi(name + 1)]++;
        json_array_foreach(answer.value, i, value)
        {
            const json_t *member = json_is_object(value) ? json_object_get(value, "member") : value;
            int number = atoi(json_string_value(member) + 1);
            seen[number]++;
            if (order)
                order[members++] = number;
        }
        memcpy(cursor, answer.cursor, sizeof(cursor));
        json_decref(answer.value);
        assert_true(++pages < 2 * MANY);
    } while (cursor[0]);
    return pages;
}

static void assert_all(const int *seen, int most)
{
    for (int i = 0; i < MANY; i++)
        assert_in_range(seen[i], 1, most);
}

static void pages_show_all_that_is_there(void **state)
{
    (void)state;
    static int seen[MANY], order[MANY];
    fill("SADD", "set", MANY);
    fill("HSET", "hash", MANY);
    fill("ZADD", "sorted", MANY);
    assert_true(read_pages("set", (struct weir_query_options){0}, seen, NULL) > 10);
    assert_all(seen, 2);
    assert_true(read_pages("hash", (struct weir_query_options){.page = 7}, seen, NULL) > 100);
    assert_all(seen, 2);
    assert_int_equal(read_pages("set", (struct weir_query_options){.page = MANY}, seen, NULL), 1);
    assert_all(seen, 1);
    assert_int_equal(read_pages("sorted", (struct weir_query_options){0}, seen, order), MANY / 100);
    assert_all(seen, 1);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(read_pages("sorted", (struct weir_query_options){.page = 999, .reverse = true},
                                seen, order),
                     6);
    assert_all(seen, 1);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(order[i], MANY - 1 - i);
}

static void a_page_is_about_as_large_as_asked_for(void **state)
{
    (void)state;
    fill("SADD", "set", MANY);
    fill("ZADD", "sorted", MANY);
    struct weir_query_options options = {.page = 50};
    struct weir_query_answer answer = ask(WEIR_QUERY_FOUND, "set", &options);
    assert_in_range(json_array_size(answer.value), 50, 100);
    assert_int_equal(answer.cursor[0], 's');
    json_decref(answer.value);
    answer = ask(WEIR_QUERY_FOUND, "sorted", &options);
    assert_int_equal(json_array_size(answer.value), 50);
    assert_string_equal(answer.cursor, "z50");
    json_decref(answer.value);
}

/* What is there all the time is shown even where the set changes its size between two pages. */
static void pages_of_a_set_that_shrinks(void **state)
{
    (void)state;
    static int seen[MANY];
    char cursor[32] = "";
    memset(seen, 0, sizeof(seen));
    fill("SADD", "set", MANY);
    do {
        struct weir_query_options options = {.cursor = cursor, .page = 500};
        struct weir_query_answer answer = ask(WEIR_QUERY_FOUND, "set", &options);
        json_t *value;
        size_t i;
        json_array_foreach(answer.value, i, value) seen[atoi(json_string_value(value) + 1)]++;
        if (!cursor[0])
            for (int gone = 100; gone < MANY; gone++)
                test_do(&server, "SREM {view}:set m%d", gone);
        memcpy(cursor, answer.cursor, sizeof(cursor));
        json_decref(answer.value);
    } while (cursor[0]);
    for (int i = 0; i < 100; i++)
        assert_true(seen[i] > 0);
}

/* ---- Read your writes ---------------------------------------------------------------------- */

static struct weir_token call_mark(const char *n)
{
    struct weir_call_answer answer;
    json_t *data = json_pack("{s:s}", "n", n);
    enum weir_call_result result = weir_call(caller, WORK, "Mark", NULL, data, LONG_MS, &answer);
    json_decref(data);
    if (result != WEIR_CALL_DONE)
        fail_msg("%s", answer.reason);
    return answer.token;
}

static struct weir_query_options after(const struct weir_token *token, int64_t limit_ms)
{
    return (struct weir_query_options){.after = token, .after_count = 1, .limit_ms = limit_ms};
}

static void the_reader_sees_its_own_writes(void **state)
{
    (void)state;
    struct test_worker worker = test_worker_start(&server, WORK, "w", NULL);
    struct test_worker view = test_worker_start(&server, VIEW, "v", NULL);
    test_do(&server, "HSET {weir}:projections view/marks %s other/marks work view/x elsewhere",
            "other work third");
    for (int i = 0; i < WRITES; i++) {
        char n[16], key[32], wanted[32];
        snprintf(n, sizeof(n), "%d", i % 50);
        snprintf(key, sizeof(key), "mark:%d", i % 50);
        snprintf(wanted, sizeof(wanted), "{\"times\":\"%d\"}", i / 50 + 1);
        struct weir_token token = call_mark(n);
        struct weir_query_options options = after(&token, LONG_MS);
        if (i % 2)
            options.projection = "marks";
        expect_page(wanted, "hash", key, &options);
    }
    assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
    assert_int_equal(test_worker_end(&view, SIGTERM), 0);
}

static void a_view_that_is_behind_is_waited_for(void **state)
{
    (void)state;
    struct test_worker worker = test_worker_start(&server, WORK, "w", NULL);
    struct weir_token token = call_mark("a"), nowhere = {0};
    struct weir_query_options options = after(&token, SHORT_MS);
    options.projection = "marks";
    expect_failure(WEIR_QUERY_WAITED, "projection marks of view has not come to", "mark:a",
                   &options);
    expect_failure(WEIR_QUERY_WAITED, "it is at its beginning", "mark:a", &options);
    options.limit_ms = INT64_MIN;
    expect_failure(WEIR_QUERY_WAITED, "has not come to", "mark:a", &options);
    struct test_worker view = test_worker_start(&server, VIEW, "v", NULL);
    options.limit_ms = INT64_MAX;
    expect_page("{\"times\":\"1\"}", "hash", "mark:a", &options);
    struct weir_token both[] = {nowhere, token};
    options.after = both;
    options.after_count = 2;
    options.limit_ms = 0;
    expect_page("{\"times\":\"1\"}", "hash", "mark:a", &options);
    assert_int_equal(test_worker_end(&view, SIGKILL), 128 + SIGKILL);
    both[0] = call_mark("a");
    options.limit_ms = SHORT_MS;
    expect_failure(WEIR_QUERY_WAITED, token.entry, "mark:a", &options); /* where it is */
    assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
}

/* As numbers, not as texts. */
static void positions_are_compared_as_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *at;
        bool passed;
    } cases[] = {{"9-0", false},     {"10-8", false}, {"10-9", true}, {"10-10", true},
                 {"100-0", true},    {"2-11", false}, {"", false},    {"x", false},
                 {"9-99999", false}, {"11-0", true}};
    struct weir_token token;
    assert_true(weir_token_read("{work}:events/10-9", &token));
    test_do(&server, "SET {view}:k v");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_query_options options = after(&token, 0);
        options.projection = "p";
        test_do(&server, "HSET {view}:checkpoint:p {work}:events %s", cases[i].at);
        if (cases[i].passed)
            expect_page("\"v\"", "string", "k", &options);
        else
            expect_failure(WEIR_QUERY_WAITED, "has not come to 10-9", "k", &options);
    }
}

/* All of the view that read the events, none of another view, none that reads others' events. */
static void the_registry_says_whom_to_wait_for(void **state)
{
    (void)state;
    struct weir_token token;
    assert_true(weir_token_read("{work}:events/5-0", &token));
    struct weir_query_options options = after(&token, 0);
    test_do(&server, "SET {view}:k v");
    expect_failure(WEIR_QUERY_FAILED, "no projection of view is registered that reads the events",
                   "k", &options);
    test_do(&server, "HSET {weir}:projections view/a workers view/b %s viewer/c work view work",
            "work2 wor");
    test_do(&server, "HSET {weir}:projections view/ work %s work view/d %s", "view/a b", "");
    expect_failure(WEIR_QUERY_FAILED, "no projection of view is registered", "k", &options);
    test_do(&server, "HSET {weir}:projections view/e %s view/f work", "other work");
    test_do(&server, "HSET {view}:checkpoint:e {work}:events 5-0");
    expect_failure(WEIR_QUERY_WAITED, "projection f of view", "k", &options);
    test_do(&server, "HSET {view}:checkpoint:f {work}:events 6-0");
    expect_page("\"v\"", "string", "k", &options);
    test_do(&server, "DEL {weir}:projections");
    test_do(&server, "SET {weir}:projections x");
    expect_failure(WEIR_QUERY_FAILED, "WRONGTYPE", "k", &options);
}

static void refuses_bad_tokens(void **state)
{
    (void)state;
    static const struct weir_token tokens[] = {
        {"{work}:commands", "1-0"},  {"work", "1-0"},         {"{}:events", "1-0"},
        {"t1:{work}:events", "1-0"}, {"{work}:events", ""},   {"{work}:events", "1"},
        {"{work}:events", "1-x"},    {"{a b}:events", "1-0"},
    };
    struct weir_token endless;
    memset(&endless, 'x', sizeof(endless));
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        struct weir_query_options options = after(&tokens[i], 0);
        expect_failure(WEIR_QUERY_FAILED, "after: ", "k", &options);
    }
    struct weir_query_options options = after(&endless, 0);
    expect_failure(WEIR_QUERY_FAILED, "after: ", "k", &options);
}

/* ---- The server ---------------------------------------------------------------------------- */

static void a_server_that_went_away_is_told(void **state)
{
    (void)state;
    test_do(&server, "SET {view}:k v");
    expect_page("\"v\"", "string", "k", NULL);
    test_server_stop(&server, SIGKILL);
    expect_failure(WEIR_QUERY_FAILED, server.url, "k", NULL);
    expect_failure(WEIR_QUERY_FAILED, "cannot reach", "k", NULL);
    test_server_restart(&server, SIGKILL);
    test_do(&server, "SET {view}:k w");
    expect_page("\"w\"", "string", "k", NULL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(reads_each_type),
        CASE(tells_what_is_absent),
        CASE(pages_come_with_one_answer),
        CASE(refuses_what_is_no_read_model),
        CASE(takes_keys_and_values_of_odd_bytes),
        CASE(refuses_malformed_arguments),
        CASE(a_cursor_belongs_to_its_type_and_order),
        CASE(pages_show_all_that_is_there),
        CASE(a_page_is_about_as_large_as_asked_for),
        CASE(pages_of_a_set_that_shrinks),
        CASE(the_reader_sees_its_own_writes),
        CASE(a_view_that_is_behind_is_waited_for),
        CASE(positions_are_compared_as_numbers),
        CASE(the_registry_says_whom_to_wait_for),
        CASE(refuses_bad_tokens),
        CASE(a_server_that_went_away_is_told),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
