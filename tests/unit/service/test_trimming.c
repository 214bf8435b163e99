/* What a worker says of readers that hold events back: when it begins, changes, lasts and ends. */
#include <ev.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/trimming.h"
#include "unit/redis/replies.h"

#define MINUTE_MS 60000LL
#define NOW_MS 1700000000000LL

static struct weir_log log_sink;
static struct weir_worker_settings settings;
static struct weir_runtime runtime;
static struct weir_trimming trimming;
static int ends[2]; /* of the pipe that the log is written to */

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(pipe(ends), 0);
    weir_log_init(&log_sink, "orders");
    log_sink.descriptor = ends[1];
    log_sink.colour = false;
    runtime = (struct weir_runtime){.loop = ev_default_loop(0),
                                    .log = &log_sink,
                                    .settings = &settings,
                                    .service = "orders",
                                    .prefix = ""};
    weir_trimming_init(&trimming, &runtime);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weir_trimming_stop(&trimming);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* Hands an answer over, and returns after how many ms the next call is wanted; negative: later. */
static int64_t answer(const char *bytes)
{
    redisReply *reply = reply_of(bytes, strlen(bytes));
    int64_t next = trimming.calls.answered(&trimming, reply);
    freeReplyObject(reply);
    return next;
}

static void hold_back(const char *reader, long long now_ms)
{
    char bytes[512];
    snprintf(bytes, sizeof bytes,
             "*5\r\n:0\r\n$%zu\r\n%s\r\n$3\r\n5-1\r\n$15\r\n1699999990000-3\r\n:%lld\r\n",
             strlen(reader), reader, now_ms);
    assert_true(answer(bytes) < 0);
}

/* What has been logged since it was asked last. */
static const char *logged(void)
{
    static char text[4096];
    assert_int_equal(write(ends[1], "\n", 1), 1); /* so that there is something to read */
    ssize_t length = read(ends[0], text, sizeof text - 1);
    assert_true(length > 0);
    text[length] = '\0';
    return text;
}

static void assert_silent(void)
{
    assert_string_equal(logged(), "\n");
}

static void tells_when_it_begins_and_ends(void **state)
{
    (void)state;
    assert_true(answer("*1\r\n:0\r\n") < 0);
    assert_silent();
    hold_back("views/shop", NOW_MS);
    const char *line = logged();
    assert_non_null(strstr(line, "warn"));
    assert_non_null(strstr(line, "events.held_back"));
    assert_non_null(strstr(line, "reader=views/shop position=5-1 oldest_ms=10000"));
    assert_true(answer("*1\r\n:0\r\n") < 0);
    line = logged();
    assert_non_null(strstr(line, "info"));
    assert_non_null(strstr(line, "events.released reader=views/shop"));
    assert_true(answer("*1\r\n:0\r\n") < 0);
    assert_silent();
}

static void tells_again_every_hour(void **state)
{
    (void)state;
    hold_back("views", NOW_MS);
    logged();
    hold_back("views", NOW_MS + 59 * MINUTE_MS);
    assert_silent();
    hold_back("views", NOW_MS + 60 * MINUTE_MS);
    assert_non_null(strstr(logged(), "events.held_back"));
    hold_back("views", NOW_MS + 119 * MINUTE_MS);
    assert_silent();
}

static void tells_when_the_reader_changes(void **state)
{
    (void)state;
    hold_back("one", NOW_MS);
    logged();
    hold_back("two", NOW_MS + 9999); /* they may be overtaking each other */
    assert_silent();
    hold_back("two", NOW_MS + 10000);
    assert_non_null(strstr(logged(), "reader=two"));
    assert_true(answer("*1\r\n:0\r\n") < 0);
    assert_non_null(strstr(logged(), "events.released reader=two"));
    hold_back("two", NOW_MS + 12000); /* just told */
    assert_silent();
    hold_back("two", NOW_MS + 20000);
    assert_non_null(strstr(logged(), "events.held_back reader=two"));
}

static void long_names_are_the_same_when_cut(void **state)
{
    (void)state;
    char name[301];
    memset(name, 'n', 300);
    name[300] = '\0';
    hold_back(name, NOW_MS);
    assert_non_null(strstr(logged(), "events.held_back"));
    hold_back(name, NOW_MS + 20000);
    assert_silent();
}

static void comes_again_soon_while_there_is_something(void **state)
{
    (void)state;
    assert_int_equal(answer("*1\r\n:10000\r\n"), 100);
    assert_int_equal(answer("*1\r\n:1000\r\n"), 100);
    assert_int_equal(answer("*1\r\n:999\r\n"), 1000);
    assert_int_equal(answer("*1\r\n:1\r\n"), 1000);
    assert_true(answer("*1\r\n:0\r\n") < 0);
}

static void other_answers_are_not_understood(void **state)
{
    (void)state;
    static const char *const answers[] = {
        ":7\r\n",
        "*0\r\n",
        "*1\r\n$1\r\nx\r\n",
        "*2\r\n:0\r\n$1\r\nr\r\n",
        "*5\r\n:0\r\n$1\r\nr\r\n$3\r\n5-1\r\n$1\r\nx\r\n:1700000000000\r\n",
        "*5\r\n:0\r\n$1\r\nr\r\n$3\r\n5-1\r\n$3\r\nx-1\r\n:1700000000000\r\n",
        "*5\r\n:0\r\n:1\r\n$3\r\n5-1\r\n$3\r\n5-1\r\n:1700000000000\r\n",
        "*5\r\n:0\r\n$1\r\nr\r\n$3\r\n5-1\r\n$3\r\n5-1\r\n$1\r\nx\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_true(answer(answers[i]) < 0);
    assert_silent();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(tells_when_it_begins_and_ends),
        CASE(tells_again_every_hour),
        CASE(tells_when_the_reader_changes),
        CASE(long_names_are_the_same_when_cut),
        CASE(comes_again_soon_while_there_is_something),
        CASE(other_answers_are_not_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
