/* weir_promote: what has come due goes to the inbox, once, whole and in order. */
#include "functions.h"

#include "message/effects.h"

#define PROMOTE "FCALL weir_promote 3 {s}:scheduled {s}:commands {s}:dead "

/* Packs a token and fields as the library does and schedules them. */
static void schedule(long long score, const struct weir_slice *parts, size_t count)
{
    struct weir_text member = {0};
    weir_parts_pack(&member, parts, count);
    assert_false(member.failed);
    test_do(&server, "ZADD {s}:scheduled %lld %b", score, member.at, member.length);
    weir_text_close(&member);
}

static void schedule_text(long long score, const char *token, const char *value)
{
    const struct weir_slice parts[] = {weir_slice_of(token), weir_slice_of("type"),
                                       weir_slice_of(value)};
    schedule(score, parts, 3);
}

/* The answer's first two numbers. */
static void expect_promoted(const char *limit, long long moved, long long next)
{
    long long before = server_now();
    redisReply *reply = redisCommand(server.connection, PROMOTE "%s", limit);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(reply->elements, 3);
    assert_int_equal(reply->element[0]->integer, moved);
    assert_int_equal(reply->element[1]->integer, next);
    assert_in_range(reply->element[2]->integer, before, server_now());
    freeReplyObject(reply);
}

/* The values of the inbox, in order, as one text. */
static const char *inbox(void)
{
    static char text[1024];
    redisReply *range = test_ask(&server, "XRANGE {s}:commands - +");
    text[0] = '\0';
    for (size_t i = 0; i < range->elements; i++) {
        const redisReply *body = range->element[i]->element[1];
        assert_string_equal(body->element[0]->str, "type");
        strncat(text, body->element[1]->str, 64);
        strcat(text, " ");
    }
    freeReplyObject(range);
    return text;
}

static void wrong_types_are_refused_before_anything_is_written(void **state)
{
    (void)state;
    schedule_text(1, "1", "T");
    test_do(&server, "SET {s}:commands 1");
    expect_untouched("!WRONGTYPE*", PROMOTE "10");
    empty(state);
    test_do(&server, "SET {s}:scheduled 1");
    expect_untouched("!WRONGTYPE*", PROMOTE "10");
}

static void what_cannot_be_appended_stays(void **state)
{
    (void)state;
    schedule_text(1, "1", "T");
    test_do(&server, "ZADD {s}:scheduled 2 malformed");
    test_do(&server, "SET {s}:dead 1");
    expect_promoted("10", 1, 2);
    expect_untouched("!WRONGTYPE*", PROMOTE "10");
    empty(state);
    schedule_text(1, "1", "T");
    test_do(&server, "XADD {s}:commands 18446744073709551615-18446744073709551615 a b");
    expect_untouched("!ERR*", PROMOTE "10");
}

static void an_empty_schedule_moves_nothing(void **state)
{
    (void)state;
    expect_promoted("10", 0, -1);
    assert_int_equal(test_ask_integer(&server, "DBSIZE"), 0);
}

static void what_is_not_due_stays(void **state)
{
    (void)state;
    long long due = server_now() + 60000;
    schedule_text(due, "1", "later");
    schedule_text(due + 1, "2", "latest");
    expect_promoted("10", 0, due);
    schedule_text(1, "3", "now");
    expect_promoted("10", 1, due);
    assert_string_equal(inbox(), "now ");
    expect("2", "ZCARD {s}:scheduled");
}

static void what_is_due_moves_once_in_order_of_time(void **state)
{
    (void)state;
    schedule_text(30, "1", "c");
    schedule_text(10, "2", "a");
    schedule_text(20, "3", "b");
    schedule_text(-5, "4", "first");
    expect_promoted("10", 4, -1);
    assert_string_equal(inbox(), "first a b c ");
    expect_promoted("10", 0, -1);
    expect("4", "XLEN {s}:commands");
    expect("0", "EXISTS {s}:dead");
}

static void at_most_the_limit_moves(void **state)
{
    (void)state;
    for (int i = 1; i <= 25; i++) {
        char token[16];
        snprintf(token, sizeof token, "%d", i);
        schedule_text(i, token, "T");
    }
    expect_promoted("10", 10, 11);
    expect_promoted("10", 10, 21);
    expect_promoted("10", 5, -1);
    expect("25", "XLEN {s}:commands");
    expect_promoted("0", 0, -1);
}

static void equal_messages_are_told_apart_by_their_token(void **state)
{
    (void)state;
    schedule_text(1, "1", "same");
    schedule_text(1, "2", "same");
    schedule_text(1, "2", "same");
    expect_promoted("10", 2, -1);
    assert_string_equal(inbox(), "same same ");
}

static void malformed_members_go_to_the_dead_letters(void **state)
{
    (void)state;
    static const char *const members[] = {
        "x",
        "5",
        ":",
        "1:",
        "-1:a",
        "1:a",
        "1:a1:b",
        "1:a1:b1:c1:d",
        "2:a1:b1:c",
        "1:a1:b9:c",
        "1:a1:b1:cx",
        "1:a1:b1:c1",
        "1:a 1:b1:c",
        "0x1:a1:b1:c",
        "1:a1:b99999999999999999999:c",
        "1:a1:b1e0:c",
        "+1:a1:b1:c",
    };
    enum { COUNT = sizeof members / sizeof members[0] };
    for (size_t i = 0; i < COUNT; i++)
        test_do(&server, "ZADD {s}:scheduled %d %s", (int)i, members[i]);
    test_do(&server, "ZADD {s}:scheduled 100 %b", "", (size_t)0);
    schedule_text(101, "1", "fine");
    expect_promoted("100", COUNT + 2, -1);
    assert_string_equal(inbox(), "fine ");
    redisReply *range = test_ask(&server, "XRANGE {s}:dead - +");
    assert_int_equal(range->elements, COUNT + 1);
    for (size_t i = 0; i < COUNT; i++) {
        const redisReply *body = range->element[i]->element[1];
        assert_int_equal(body->elements, 10);
        assert_string_equal(body->element[0]->str, "reason");
        assert_string_equal(body->element[1]->str, "malformed member of the schedule");
        assert_string_equal(body->element[5]->str, "{s}:scheduled");
        assert_string_equal(body->element[8]->str, "member");
        assert_string_equal(body->element[9]->str, members[i]);
    }
    freeReplyObject(range);
}

static void any_bytes_come_through_packing(void **state)
{
    (void)state;
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    const struct weir_slice parts[] = {
        {all, sizeof all}, {"\0\r\n", 3}, {all, sizeof all}, {"3:a:", 4}, {"", 0},
        {"", 0},           {"7:", 2},     {"\xff\xc0", 2},   {"type", 4},
    };
    schedule(1, parts, 9);
    expect_promoted("10", 1, -1);
    redisReply *range = test_ask(&server, "XRANGE {s}:commands - +");
    const redisReply *body = range->element[0]->element[1];
    assert_int_equal(body->elements, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(body->element[i]->len, parts[i + 1].length);
        assert_memory_equal(body->element[i]->str, parts[i + 1].at, parts[i + 1].length);
    }
    freeReplyObject(range);
}

static void a_message_of_too_many_fields_is_malformed(void **state)
{
    (void)state;
    static struct weir_slice parts[7003];
    for (size_t i = 0; i < 7003; i++)
        parts[i] = (struct weir_slice){"type", 4};
    schedule(1, parts, 7001);
    schedule(2, parts, 7003);
    expect_promoted("10", 2, -1);
    expect("1", "XLEN {s}:commands");
    expect("1", "XLEN {s}:dead");
}

static void without_memory_all_stays_scheduled(void **state)
{
    (void)state;
    schedule_text(1, "1", "T");
    test_do(&server, "CONFIG SET maxmemory 1");
    expect_untouched("!OOM*", PROMOTE "10");
    test_do(&server, "CONFIG SET maxmemory 0");
}

#define EACH(test) cmocka_unit_test_setup(test, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(wrong_types_are_refused_before_anything_is_written),
        EACH(an_empty_schedule_moves_nothing),
        EACH(what_is_not_due_stays),
        EACH(what_is_due_moves_once_in_order_of_time),
        EACH(at_most_the_limit_moves),
        EACH(equal_messages_are_told_apart_by_their_token),
        EACH(malformed_members_go_to_the_dead_letters),
        EACH(what_cannot_be_appended_stays),
        EACH(any_bytes_come_through_packing),
        EACH(a_message_of_too_many_fields_is_malformed),
        EACH(without_memory_all_stays_scheduled),
    };
    return cmocka_run_group_tests_name("promote", tests, start_functions, stop_functions);
}
