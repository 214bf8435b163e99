/* Checked views of replies: every shape against every view. */
#include "redis/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replies.h"

static void texts(void **state)
{
    (void)state;
    struct weir_slice text = {0};
    redisReply *reply = REPLY("$4\r\na\0\r\n\r\n");
    assert_true(weir_reply_text(reply, &text));
    assert_int_equal(text.length, 4);
    assert_memory_equal(text.at, "a\0\r\n", 4);
    freeReplyObject(reply);
    reply = REPLY("+OK\r\n");
    assert_true(weir_reply_text(reply, &text));
    assert_true(weir_slice_equals(text, "OK"));
    freeReplyObject(reply);
    reply = REPLY("$0\r\n\r\n");
    assert_true(weir_reply_text(reply, &text));
    assert_int_equal(text.length, 0);
    freeReplyObject(reply);
}

/* Seconds and microseconds, as TIME answers, in ms. */
static void times(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int64_t ms; /* -1: it is none */
    } cases[] = {
        {"*2\r\n$1\r\n0\r\n$1\r\n0\r\n", 0},
        {"*2\r\n$10\r\n1700000000\r\n$6\r\n123999\r\n", INT64_C(1700000000123)},
        {"*2\r\n$10\r\n1700000000\r\n$3\r\n999\r\n", INT64_C(1700000000000)},
        {"*2\r\n:5\r\n:6000\r\n", 5006},
        {"*1\r\n$1\r\n5\r\n", -1},
        {"*0\r\n", -1},
        {"*2\r\n$1\r\nx\r\n$1\r\n0\r\n", -1},
        {"*2\r\n$1\r\n5\r\n$1\r\nx\r\n", -1},
        {"*2\r\n$1\r\n5\r\n$-1\r\n", -1},
        {"$1\r\n5\r\n", -1},
        {"-ERR no\r\n", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redisReply *reply = reply_of(cases[i].bytes, strlen(cases[i].bytes));
        int64_t ms = 77;
        assert_int_equal(weir_reply_time(reply, &ms), cases[i].ms >= 0);
        assert_int_equal(ms, cases[i].ms >= 0 ? cases[i].ms : 77);
        freeReplyObject(reply);
    }
    int64_t ms = 77;
    assert_false(weir_reply_time(NULL, &ms));
}

static void integers(void **state)
{
    (void)state;
    int64_t number = 0;
    static const struct {
        const char *bytes;
        bool fits;
        int64_t number;
    } cases[] = {
        {":0\r\n", true, 0},
        {":-9223372036854775808\r\n", true, INT64_MIN},
        {"$19\r\n9223372036854775807\r\n", true, INT64_MAX},
        {"+-5\r\n", true, -5},
        {"$19\r\n9223372036854775808\r\n", false, 0},
        {"$0\r\n\r\n", false, 0},
        {"$2\r\n01\r\n", false, 0},
        {"$2\r\n1 \r\n", false, 0},
        {"$3\r\n1.5\r\n", false, 0},
        {"$-1\r\n", false, 0},
        {"-1\r\n", false, 0},
        {"*1\r\n:1\r\n", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redisReply *reply = reply_of(cases[i].bytes, strlen(cases[i].bytes));
        number = 77;
        if (weir_reply_integer(reply, &number) != cases[i].fits)
            fail_msg("%s", cases[i].bytes);
        if (cases[i].fits)
            assert_true(number == cases[i].number);
        freeReplyObject(reply);
    }
}

/* Each view of each shape; 'x' where it is one. */
static void every_shape_has_its_views(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *views; /* text, nil, array of at least 0, of at least 1 */
    } shapes[] = {
        {"$1\r\na\r\n", "x..."}, {"+a\r\n", "x..."},       {":1\r\n", "...."},
        {"-ERR\r\n", "...."},    {"$-1\r\n", ".x.."},      {"*-1\r\n", ".x.."},
        {"*0\r\n", "..x."},      {"*1\r\n:1\r\n", "..xx"}, {"*1\r\n*0\r\n", "..xx"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct weir_slice text;
        redisReply *reply = reply_of(shapes[i].bytes, strlen(shapes[i].bytes));
        const char views[] = {
            weir_reply_text(reply, &text) ? 'x' : '.', weir_reply_nil(reply) ? 'x' : '.',
            weir_reply_array(reply, 0) ? 'x' : '.', weir_reply_array(reply, 1) ? 'x' : '.', '\0'};
        if (strcmp(views, shapes[i].views) != 0)
            fail_msg("%s: %s", shapes[i].bytes, views);
        freeReplyObject(reply);
    }
}

static void nothing_is_no_reply(void **state)
{
    (void)state;
    struct weir_slice text;
    struct weir_entry entry;
    int64_t number;
    assert_false(weir_reply_text(NULL, &text));
    assert_false(weir_reply_integer(NULL, &number));
    assert_false(weir_reply_nil(NULL));
    assert_false(weir_reply_array(NULL, 0));
    assert_null(weir_reply_at(NULL, 0));
    assert_false(weir_reply_entry(NULL, &entry));
}

static void elements(void **state)
{
    (void)state;
    int64_t number;
    redisReply *reply = REPLY("*2\r\n:1\r\n*1\r\n:2\r\n");
    assert_true(weir_reply_integer(weir_reply_at(reply, 0), &number) && number == 1);
    assert_true(weir_reply_integer(weir_reply_at(weir_reply_at(reply, 1), 0), &number));
    assert_int_equal(number, 2);
    assert_null(weir_reply_at(reply, 2));
    assert_null(weir_reply_at(weir_reply_at(reply, 0), 0));
    assert_true(weir_reply_array(reply, 2));
    assert_false(weir_reply_array(reply, 3));
    freeReplyObject(reply);
}

static void entries(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool fits, body;
        int64_t deliveries;
    } cases[] = {
        {"*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", true, true, 1},
        {"*3\r\n$3\r\n1-1\r\n:4\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", true, true, 4},
        {"*3\r\n$3\r\n1-1\r\n$1\r\n4\r\n*0\r\n", true, true, 4},
        {"*2\r\n$3\r\n1-1\r\n$-1\r\n", true, false, 1},
        {"*2\r\n$3\r\n1-1\r\n*-1\r\n", true, false, 1},
        {"*3\r\n$3\r\n1-1\r\n:4\r\n$-1\r\n", true, false, 4},
        {"*0\r\n", false, false, 0},
        {"*1\r\n$3\r\n1-1\r\n", false, false, 0},
        {"*2\r\n:1\r\n*0\r\n", false, false, 0},
        {"*2\r\n$3\r\n1-1\r\n$1\r\na\r\n", false, false, 0},
        {"*2\r\n$3\r\n1-1\r\n:1\r\n", false, false, 0},
        {"*3\r\n$3\r\n1-1\r\n$1\r\nx\r\n*0\r\n", false, false, 0},
        {"*3\r\n$3\r\n1-1\r\n*0\r\n*0\r\n", false, false, 0},
        {"$3\r\n1-1\r\n", false, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_entry entry;
        redisReply *reply = reply_of(cases[i].bytes, strlen(cases[i].bytes));
        if (weir_reply_entry(reply, &entry) != cases[i].fits)
            fail_msg("%s", cases[i].bytes);
        if (cases[i].fits) {
            assert_true(weir_slice_equals(entry.id, "1-1"));
            assert_int_equal(entry.body != NULL, cases[i].body);
            assert_int_equal(entry.deliveries, cases[i].deliveries);
        }
        freeReplyObject(reply);
    }
}

static void parts(void **state)
{
    (void)state;
    struct weir_slice found[4];
    redisReply *reply = REPLY("*4\r\n$1\r\na\r\n$0\r\n\r\n$2\r\n\0\n\r\n+b\r\n");
    assert_true(weir_reply_parts(reply, found));
    assert_true(weir_slice_equals(found[0], "a"));
    assert_true(weir_slice_equals(found[1], ""));
    assert_memory_equal(found[2].at, "\0\n", 2);
    assert_true(weir_slice_equals(found[3], "b"));
    freeReplyObject(reply);
    reply = REPLY("*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    assert_false(weir_reply_parts(reply, found));
    freeReplyObject(reply);
    reply = REPLY("*2\r\n$1\r\na\r\n:1\r\n");
    assert_false(weir_reply_parts(reply, found));
    freeReplyObject(reply);
    reply = REPLY("*2\r\n$-1\r\n$1\r\na\r\n");
    assert_false(weir_reply_parts(reply, found));
    freeReplyObject(reply);
    reply = REPLY("*0\r\n");
    assert_true(weir_reply_parts(reply, found));
    freeReplyObject(reply);
}

static void by_name(void **state)
{
    (void)state;
    struct weir_slice text;
    redisReply *reply = REPLY("*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nb\r\n:7\r\n$1\r\nc\r\n");
    assert_true(weir_reply_text(weir_reply_named(reply, "a"), &text));
    assert_true(weir_slice_equals(text, "b"));
    assert_int_equal(weir_reply_named(reply, "b")->integer, 7); /* names stand at even places */
    assert_null(weir_reply_named(reply, "c"));                  /* nothing stands behind it */
    assert_null(weir_reply_named(reply, "d"));
    assert_null(weir_reply_named(NULL, "a"));
    freeReplyObject(reply);
    reply = REPLY("$1\r\na\r\n");
    assert_null(weir_reply_named(reply, "a"));
    freeReplyObject(reply);
}

static void lines_of_info(void **state)
{
    (void)state;
    struct weir_slice value,
        info = weir_slice_of("# Memory\r\nb:1\r\nab:2\r\nempty:\r\na:x:y\nlast:end");
    static const struct {
        const char *name, *value;
    } cases[] = {{"b", "1"},         {"ab", "2"},   {"empty", ""}, {"a", "x:y"}, {"last", "end"},
                 {"# Memory", NULL}, {"las", NULL}, {"end", NULL}, {"c", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool found = weir_reply_info(info, cases[i].name, &value);
        if (found != (cases[i].value != NULL) ||
            (found && !weir_slice_equals(value, cases[i].value)))
            fail_msg("%s", cases[i].name);
    }
    assert_false(weir_reply_info((struct weir_slice){NULL, 0}, "a", &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(times),
        cmocka_unit_test(integers),
        cmocka_unit_test(every_shape_has_its_views),
        cmocka_unit_test(nothing_is_no_reply),
        cmocka_unit_test(elements),
        cmocka_unit_test(entries),
        cmocka_unit_test(parts),
        cmocka_unit_test(by_name),
        cmocka_unit_test(lines_of_info),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
