/* weir_commit and weir_settle: the fence, what was read, what is refused, and what is written. */
#include "functions.h"

#define COMMIT "FCALL weir_commit 3 {s}:commands {s}:good {s}:key s 1-1 1 "

static const char *pending(void)
{
    return answer("XPENDING {s}:commands s");
}

static void refuses_a_malformed_operation(void **state)
{
    (void)state;
    static const char *const operations[] = {
        "FROB 2 1 a",
        "hset 2 2 f v",
        "GET 2 0",
        "type 2 0",
        "HSET 0 2 f v",
        "HSET 4 2 f v",
        "HSET -1 2 f v",
        "HSET x 2 f v",
        "HSET 1.5 2 f v",
        "HSET nan 2 f v",
        "HSET 2 x f v",
        "HSET 2 3 f v",
        "HSET 2 2 f",
        "HSET 2 -1 f v",
        "HSET 2 1.5 f v",
        "HDEL 2 nan f",
        "HDEL 2 -nan f",
        "HSET 2 inf f v",
        "HSET 2 1e9 f v",
        "HDEL 2 0.5 f",
        "HDEL 2 1.5 f",
        "HSET 2",
        "HSET",
        "DEL 2",
        "SADD 2 7001 a",
        "DEL 2 -1",
        "DEL 2 -3",
        "DEL 2 0 HSET",
        "DEL 2 0 DEL 9 0",
        "XADD 2 2.5 f v",
        "SET 2 18446744073709551616 v",
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, COMMIT "HSET 2 2 before 1 %s", operations[i]);
        uint64_t before = dataset();
        const char *given = answer(line);
        if (strncmp(given, "[refused, ", 10) != 0 && strcmp(given, "[refused]") != 0)
            fail_msg("%s: %s", operations[i], given);
        assert_int_equal(dataset(), before);
    }
}

static void refuses_the_wrong_number_of_arguments(void **state)
{
    (void)state;
    static const char *const operations[] = {
        "HSET 3 0",         "HSET 3 1 f",         "HSET 3 3 f v g",    "HDEL 3 0",
        "HINCRBY 3 0",      "HINCRBY 3 1 f",      "HINCRBY 3 3 f 1 g", "SADD 3 0",
        "SREM 3 0",         "ZADD 3 0",           "ZADD 3 1 1",        "ZADD 3 3 1 m 2",
        "ZREM 3 0",         "INCRBY 3 0",         "INCRBY 3 2 1 1",    "DEL 3 1 x",
        "PEXPIRE 3 0",      "PEXPIRE 3 2 1 1",    "SET 3 0",           "SET 3 3 v 1 2",
        "XADD 3 0",         "XADD 3 1 f",         "XADD 3 3 f v g",    "SCHEDULE 3 0",
        "SCHEDULE 3 1 5",   "SCHEDULE 3 3 5 m 5", "EXPECT 3 0",        "EXPECT 3 1 f",
        "EXPECT 3 3 f - g", "EXISTS 3 0",         "EXISTS 3 2 0 0",
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, COMMIT "HSET 2 2 before 1 %s", operations[i]);
        uint64_t before = dataset();
        const char *given = answer(line);
        if (strncmp(given, "[refused, 3, ", 13) != 0)
            fail_msg("%s: %s", operations[i], given);
        assert_int_equal(dataset(), before);
    }
}

static void bounds_the_arguments_of_an_operation(void **state)
{
    (void)state;
    static struct words words;
    static const char *const head[] = {"FCALL", "weir_commit", "2", "{s}:commands", "{s}:key",
                                       "s",     "1-1",         "1", "XADD",         "2"};
    for (int limit = 7002; limit >= 7000; limit -= 2) {
        char count[16];
        snprintf(count, sizeof count, "%d", limit);
        words.count = 0;
        for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
            add_word(&words, head[i]);
        add_word(&words, count);
        for (int i = 0; i < limit; i++)
            add_word(&words, i % 2 ? "value" : "field");
        check_answer(__FILE__, __LINE__, limit > 7000 ? "[refused, 2, malformed operation]" : "1",
                     answer_words(&words));
    }
    expect("1", "XLEN {s}:key");
}

static void an_expectation_that_fails_is_a_conflict(void **state)
{
    (void)state;
    test_do(&server, "HSET {s}:key name old empty %b", "", (size_t)0);
    expect_untouched("[conflict, 3]", COMMIT "HSET 2 2 f v EXPECT 3 2 name =new");
    expect_untouched("[conflict, 3]", COMMIT "HSET 2 2 f v EXPECT 3 2 name -");
    expect_untouched("[conflict, 3]", COMMIT "EXPECT 3 2 other = HSET 2 2 f v");
    expect_untouched("[conflict, 3]", COMMIT "EXPECT 3 2 empty - HSET 2 2 f v");
    expect_untouched("[conflict, 3]", COMMIT "EXPECT 3 4 name =old empty =x HSET 2 2 f v");
    expect_untouched("[conflict, 3]", COMMIT "EXPECT 3 2 name old HSET 2 2 f v");
    expect_untouched("[conflict, 2]", COMMIT "EXPECT 2 2 name =old HSET 2 2 f v");
    expect_untouched("[conflict, 3]", COMMIT "EXISTS 3 1 0 HSET 2 2 f v");
    expect_untouched("[conflict, 2]", COMMIT "EXISTS 2 1 1 HSET 2 2 f v");
    expect_untouched("[conflict, 2]", COMMIT "EXISTS 2 1 yes HSET 2 2 f v");
    /* a refusal behind a conflict does not hide it, and the other way round */
    expect_untouched("[conflict, 3]", COMMIT "EXISTS 3 1 0 SADD 3 1 m");
    expect_untouched("[refused, 3, it is a hash, not a set]", COMMIT "SADD 3 1 m EXISTS 3 1 0");
}

static void a_full_stream_refuses_the_whole_commit(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:key 18446744073709551615-18446744073709551615 a b");
    expect("[refused, 3, it takes no further entries]", COMMIT "HSET 2 2 f v XADD 3 2 type E");
    expect("0", "EXISTS {s}:good");
    expect("1", "XLEN {s}:commands");
    expect("[1, 1-1, 1-1, [[worker, 1]]]", "XPENDING {s}:commands s");
}

static void a_missing_right_refuses_the_whole_commit(void **state)
{
    (void)state;
    test_do(&server, "ACL SETUSER default -xadd");
    expect("!NOPERM*", COMMIT "HSET 2 2 f v XADD 3 2 type E");
    test_do(&server, "ACL SETUSER default +@all");
    expect("0", "EXISTS {s}:good");
    expect("1", "XLEN {s}:commands");
}

/* A refusal would be for good; a right can be given. */
static void what_may_not_be_read_is_no_refusal(void **state)
{
    (void)state;
    static const struct {
        const char *right, *operations, *wanted;
    } rows[] = {
        {"hget", "EXPECT 3 2 f -", "!NOPERM*"},
        {"get", "DONE 3 2 60000 {s}:events", "!NOPERM*"},
        {"hget", "HSET 3 2 f v EXPECT 3 2 f -", "!NOPERM*"},
        {"xdel", "XADD 3 2 type E", "!NOPERM*"},
        {"xadd", "HSET 2 2 f v XADD 3 2 type E", "!NOPERM*"},
        {"zadd", "ZADD 2 2 1 m ZREM 2 1 m ZADD 3 2 1 m", "!NOPERM*"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, COMMIT "%s", rows[i].operations);
        test_do(&server, "ACL SETUSER default -%s", rows[i].right);
        const char *given = answer(line);
        test_do(&server, "ACL SETUSER default +@all");
        check_answer(__FILE__, __LINE__, rows[i].wanted, given);
        expect("0", "EXISTS {s}:good {s}:key");
        expect("[1, 1-1, 1-1, [[worker, 1]]]", "XPENDING {s}:commands s");
    }
}

/* Whether somebody else has finished it would not be known: said to be finished it would come back
 * again and again, and in the end be buried for that. */
static void an_answer_that_may_come_too_late_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *operations, *wanted;
    } rows[] = {
        {"EXISTS 3 1 0", "[conflict, 3]"},
        {"HSET 2 2 f v SADD 2 1 m", "[refused, 2, it is a hash, not a set]"},
        {"XADD 3 2 type E", "[refused, 3, it takes no further entries]"},
    };
    test_do(&server, "XADD {s}:key 18446744073709551615-18446744073709551615 a b");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, COMMIT "%s", rows[i].operations);
        test_do(&server, "ACL SETUSER default -xpending");
        expect_untouched("!NOPERM this user may not run XPENDING*", line);
        test_do(&server, "ACL SETUSER default +@all");
        expect_untouched(rows[i].wanted, line);
    }
    test_do(&server, "ACL SETUSER default -xpending");
    expect("1", COMMIT "HSET 2 2 f v"); /* it can do without */
    expect_untouched("!NOPERM*", COMMIT "EXISTS 3 1 0");
    test_do(&server, "ACL SETUSER default +@all");
    expect_untouched("0", COMMIT "EXISTS 3 1 0");
    test_do(&server, "DEL {s}:commands"); /* no group, so nothing is pending */
    expect_untouched("0", COMMIT "EXISTS 3 1 0");
}

/* The right to one key says nothing of the next: who may call with both may not write both. */
static void each_key_needs_its_right(void **state)
{
    (void)state;
    test_do(&server, "ACL SETUSER default -hset (+hset ~{s}:good)");
    const char *given = answer(COMMIT "HSET 2 2 f v HSET 3 2 f v");
    test_do(&server, "ACL SETUSER default clearselectors +@all");
    check_answer(__FILE__, __LINE__, "!NOPERM*", given);
    expect("0", "EXISTS {s}:good {s}:key");
}

/* Types are told by commands that a user may lack. */
static void types_are_known_without_further_rights(void **state)
{
    (void)state;
    test_do(&server, "ACL SETUSER default -hlen -scard -zcard -strlen -xlen");
    const char *wrong = answer(COMMIT "HSET 2 2 f v SADD 2 1 m");
    const char *right = answer(COMMIT "HSET 2 2 f v XADD 3 2 type E");
    test_do(&server, "ACL SETUSER default +@all");
    check_answer(__FILE__, __LINE__, "[refused, 2, it is a hash, not a set]", wrong);
    check_answer(__FILE__, __LINE__, "1", right);
}

/* Two streams, of which the second is none: the first has not been touched. */
static void only_what_is_a_stream_is_appended_to(void **state)
{
    (void)state;
    test_do(&server, "SET {s}:key text");
    test_do(&server, "XADD {s}:good 1-1 type E");
    expect_untouched("[refused, 3, it is a string, not a stream]", COMMIT "XADD 3 2 type E");
    expect_untouched("[refused, 3, it is a string, not a stream]",
                     COMMIT "XADD 2 2 type E XADD 3 2 type E");
    expect_untouched("[refused, 3, it is a string, not a stream]",
                     COMMIT "XADD 3 2 type E XADD 2 2 type E");
    expect_untouched("[refused, 2, it is a stream, not a hash]",
                     COMMIT "HSET 2 2 f v XADD 3 2 type E");
    expect_untouched("[refused, 3, it is a string, not a hash]", COMMIT "EXPECT 3 2 f -");
    test_do(&server, "DEL {s}:key {s}:good");
    expect_untouched("[refused, 2, it is a hash, not a stream]",
                     COMMIT "HSET 2 2 f v XADD 2 2 type E");
    expect_untouched("[refused, 2, it is a stream, not a hash]",
                     COMMIT "XADD 2 2 type E HSET 2 2 f v");
}

static void what_is_finished_is_not_refused_or_in_conflict(void **state)
{
    (void)state;
    expect("1", COMMIT "EXPECT 2 2 f - HSET 2 2 f v");
    expect("0", COMMIT "EXPECT 2 2 f - HSET 2 2 f v");
    expect("0", COMMIT "SADD 2 1 m");
}

static void a_commit_that_comes_too_late_is_refused(void **state)
{
    (void)state;
    expect_untouched("[refused, 2, the command has expired]", COMMIT "BEFORE 2 1 1 HSET 2 2 f v");
    expect_untouched("[refused, 2, the time is not a whole number]", COMMIT "BEFORE 2 1 soon");
    expect("1", COMMIT "BEFORE 2 1 9000000000000 HSET 2 2 f v");
}

static void expectations_that_hold_write_nothing_themselves(void **state)
{
    (void)state;
    test_do(&server, "HSET {s}:key name old empty %b", "", (size_t)0);
    expect("1", COMMIT "EXPECT 3 6 name =old empty = none - EXISTS 3 1 1 EXISTS 2 1 0");
    expect("[name, old, empty, ]", "HGETALL {s}:key");
    expect("0", "EXISTS {s}:good");
    expect("0", "XLEN {s}:commands");
}

static void what_was_read_is_compared_byte_by_byte(void **state)
{
    (void)state;
    test_do(&server, "HSET {s}:key f %b", "a\0b\r\n\xff", (size_t)6);
    expect_untouched("[conflict, 3]", COMMIT "EXPECT 3 2 f %b", "=a\0c\r\n\xff", (size_t)7);
    expect_untouched("[conflict, 3]", COMMIT "EXPECT 3 2 f %b", "=a", (size_t)2);
    expect("1", COMMIT "EXPECT 3 2 f %b", "=a\0b\r\n\xff", (size_t)7);
}

static void only_the_first_of_two_writes(void **state)
{
    (void)state;
    expect("1", COMMIT "HSET 2 2 winner one");
    expect_untouched("0", COMMIT "HSET 2 2 winner two");
    expect("one", "HGET {s}:good winner");
}

static void what_is_not_pending_writes_nothing(void **state)
{
    (void)state;
    static const char *const fences[] = {"s 1-2 1", "s 0-0 0", "t 1-1 1", "t 1-1 0"};
    test_do(&server, "XADD {s}:commands 1-2 type Charge"); /* there, but not delivered */
    test_do(&server, "XGROUP CREATE {s}:commands t 0");
    for (size_t i = 0; i < sizeof fences / sizeof fences[0]; i++) {
        char line[256];
        snprintf(line, sizeof line,
                 "FCALL weir_commit 2 {s}:commands {s}:key %s HSET 2 2 f v DEL 2 0", fences[i]);
        expect_untouched("0", line);
    }
    expect_untouched("0", "FCALL weir_commit 2 {s}:gone {s}:key s 1-1 1 HSET 2 2 f v");
    test_do(&server, "SET {s}:text 1");
    expect_untouched("!WRONGTYPE*", "FCALL weir_commit 2 {s}:text {s}:key s 1-1 1 HSET 2 2 f v");
    expect_untouched("!ERR*", "FCALL weir_commit 2 {s}:commands {s}:key s x 1 HSET 2 2 f v");
}

/* What XINFO says of a stream but the id that the next entry has to be beyond. */
static const char *counted(const char *key)
{
    static char text[512];
    redisReply *about = test_ask(&server, "XINFO STREAM %s FULL", key);
    size_t length = 0;
    for (size_t i = 0; i + 1 < about->elements; i += 2)
        if (strcmp(about->element[i]->str, "entries-added") == 0)
            length += (size_t)snprintf(text + length, sizeof text - length, "added %lld",
                                       about->element[i + 1]->integer);
        else if (strcmp(about->element[i]->str, "max-deleted-entry-id") == 0)
            length += (size_t)snprintf(text + length, sizeof text - length, "deleted %s ",
                                       about->element[i + 1]->str);
    freeReplyObject(about);
    return text;
}

static void assert_lag(const char *key, long long lag)
{
    redisReply *groups = test_ask(&server, "XINFO GROUPS %s", key);
    const redisReply *last = groups->element[0]->element[groups->element[0]->elements - 1];
    assert_int_equal(last->type, REDIS_REPLY_INTEGER);
    assert_int_equal(last->integer, lag);
    freeReplyObject(groups);
}

#define APPEND "HSET 2 2 f v XADD 3 2 type E XADD 3 2 type F XADD 4 2 type G"
#define FENCED "FCALL weir_commit 4 {s}:commands {s}:good {s}:key {s}:other s 9-9 1 " APPEND

static void entries_taken_back_have_never_been(void **state)
{
    (void)state;
    for (int i = 1; i <= 5; i++)
        test_do(&server, "XADD {s}:key %d-1 type E", i);
    test_do(&server, "XGROUP CREATE {s}:key reader 0");
    test_do(&server, "XDEL {s}:key 2-1");
    test_do(&server, "XTRIM {s}:key MINID 4-1"); /* 4-1 and 5-1 are left */
    test_do(&server, "XREADGROUP GROUP reader w COUNT 1 STREAMS {s}:key >");
    assert_string_equal(counted("{s}:key"), "deleted 2-1 added 5");
    assert_lag("{s}:key", 1);
    for (int i = 0; i < 3; i++)
        expect("0", FENCED);
    expect("2", "XLEN {s}:key");
    assert_string_equal(counted("{s}:key"), "deleted 2-1 added 5");
    assert_lag("{s}:key", 1);
    expect("0", "EXISTS {s}:other"); /* had been made by it */
    test_do(&server, "XREADGROUP GROUP reader w STREAMS {s}:key >");
    assert_lag("{s}:key", 0);
    expect("1", "FCALL weir_commit 4 {s}:commands {s}:good {s}:key {s}:other s 1-1 1 " APPEND);
    assert_string_equal(counted("{s}:key"), "deleted 2-1 added 7");
    assert_lag("{s}:key", 2);
}

/* Also of a stream of which nothing was ever deleted, and of a group that has read nothing. */
static void taking_back_leaves_the_lag_known(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++)
        test_do(&server, "XADD {s}:key %d-1 type E", i);
    test_do(&server, "XGROUP CREATE {s}:key reader 0");
    expect("0", FENCED);
    assert_string_equal(counted("{s}:key"), "deleted 0-1 added 3");
    assert_lag("{s}:key", 3);
    test_do(&server, "XREADGROUP GROUP reader w COUNT 2 STREAMS {s}:key >");
    expect("0", FENCED);
    assert_lag("{s}:key", 1);
    /* a stream that takes no more: what was appended before it goes again */
    test_do(&server, "XADD {s}:other 18446744073709551615-18446744073709551615 a b");
    expect("[refused, 4, it takes no further entries]",
           "FCALL weir_commit 4 {s}:commands {s}:good {s}:key {s}:other s 1-1 1 " APPEND);
    assert_string_equal(counted("{s}:key"), "deleted 0-1 added 3");
    assert_lag("{s}:key", 1);
}

static void taking_back_needs_no_further_right(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:key 1-1 type E");
    static const char *const rights[] = {"-xsetid", "-xinfo|stream"};
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        test_do(&server, "ACL SETUSER default %s", rights[i]);
        expect("0", FENCED);
        test_do(&server, "ACL SETUSER default +@all");
        expect("1", "XLEN {s}:key");
        expect("0", "EXISTS {s}:good");
    }
}

static void a_command_leaves_the_inbox_and_an_event_stays(void **state)
{
    (void)state;
    expect("1", "FCALL weir_commit 1 {s}:commands s 1-1 1");
    expect("0", "XLEN {s}:commands");
    check_answer(__FILE__, __LINE__, "[0, nil, nil, nil]", pending());
    deliver_one(state);
    expect("1", "FCALL weir_settle 1 {s}:commands s 1-1 0");
    expect("1", "XLEN {s}:commands");
    check_answer(__FILE__, __LINE__, "[0, nil, nil, nil]", pending());
}

static void whoever_holds_it_may_finish(void **state)
{
    (void)state;
    test_do(&server, "XCLAIM {s}:commands s other 0 1-1");
    expect("1", COMMIT "HSET 2 2 f v");
    expect_untouched("0", COMMIT "HSET 2 2 f w");
}

static void each_operation_writes_what_it_says(void **state)
{
    (void)state;
    expect("1", "FCALL weir_commit 8 {s}:commands h s z n v x d s 1-1 1"
                " HSET 2 4 f 1 g 2 HINCRBY 2 2 n -5 HDEL 2 2 g none SADD 3 3 a b c SREM 3 1 b"
                " ZADD 4 4 7 p -8 q ZREM 4 1 none INCRBY 5 1 -3 SET 6 1 text XADD 7 4 k 1 k 2"
                " SET 8 2 brief 100000 PEXPIRE 3 1 100000");
    expect("[f, 1, n, -5]", "HGETALL h");
    expect("2", "SCARD s");
    expect("0", "SISMEMBER s b");
    expect("[q, -8, p, 7]", "ZRANGE z 0 -1 WITHSCORES");
    expect("-3", "GET n");
    expect("text", "GET v");
    expect("1", "XLEN x");
    expect("-1", "PTTL v");
    assert_true(test_ask_integer(&server, "PTTL d") > 90000);
    assert_true(test_ask_integer(&server, "PTTL s") > 90000);
    deliver_one(state);
    test_do(&server, "SET v old PX 100000");
    expect("1", "FCALL weir_commit 3 {s}:commands v gone s 1-1 1 SET 2 1 new DEL 3 0");
    expect("-1", "PTTL v"); /* SET without a life takes the life away */
}

static void a_schedule_is_counted_from_now(void **state)
{
    (void)state;
    long long before = server_now();
    expect("1", COMMIT "SCHEDULE 3 2 5000 later SCHEDULE 3 2 -5000 past SCHEDULE 3 2 0 now");
    long long after = server_now();
    static const struct {
        const char *member;
        long long delay;
    } members[] = {{"later", 5000}, {"past", -5000}, {"now", 0}};
    for (size_t i = 0; i < 3; i++) {
        long long score = atoll(answer("ZSCORE {s}:key %s", members[i].member));
        assert_in_range(score - members[i].delay, before, after);
    }
}

static void deletion_and_writing_keep_their_order(void **state)
{
    (void)state;
    test_do(&server, "HSET {s}:key old 1");
    expect("1", COMMIT "DEL 3 0 HSET 3 2 new 2");
    expect("[new, 2]", "HGETALL {s}:key");
    deliver_one(state);
    expect("1", COMMIT "HSET 3 2 new 2 DEL 3 0");
    expect("0", "EXISTS {s}:key");
}

static void all_bytes_pass_unchanged(void **state)
{
    (void)state;
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    expect("1", COMMIT "HSET 2 2 %b %b XADD 3 2 %b %b", all, sizeof all, all, sizeof all, "\r\n\0",
           (size_t)3, all, sizeof all);
    redisReply *value = test_ask(&server, "HGET {s}:good %b", all, sizeof all);
    assert_int_equal(value->len, sizeof all);
    assert_memory_equal(value->str, all, sizeof all);
    freeReplyObject(value);
    redisReply *range = test_ask(&server, "XRANGE {s}:key - +");
    const redisReply *body = range->element[0]->element[1];
    assert_memory_equal(body->element[0]->str, "\r\n\0", 3);
    assert_memory_equal(body->element[1]->str, all, sizeof all);
    freeReplyObject(range);
}

static void without_memory_only_settling_goes_on(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    expect_untouched("!OOM*", COMMIT "HSET 2 2 f v");
    expect_untouched("!OOM*", COMMIT);
    expect("1", "FCALL weir_settle 1 {s}:commands s 1-1 1");
    expect("0", "FCALL weir_settle 1 {s}:commands s 1-1 1");
    test_do(&server, "CONFIG SET maxmemory 0");
    expect("0", "XLEN {s}:commands");
}

#define EACH(test) cmocka_unit_test_setup(test, deliver_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(refuses_a_malformed_operation),
        EACH(refuses_the_wrong_number_of_arguments),
        EACH(bounds_the_arguments_of_an_operation),
        EACH(an_expectation_that_fails_is_a_conflict),
        EACH(a_full_stream_refuses_the_whole_commit),
        EACH(a_missing_right_refuses_the_whole_commit),
        EACH(what_may_not_be_read_is_no_refusal),
        EACH(an_answer_that_may_come_too_late_is_none),
        EACH(each_key_needs_its_right),
        EACH(types_are_known_without_further_rights),
        EACH(only_what_is_a_stream_is_appended_to),
        EACH(what_is_finished_is_not_refused_or_in_conflict),
        EACH(a_commit_that_comes_too_late_is_refused),
        EACH(expectations_that_hold_write_nothing_themselves),
        EACH(what_was_read_is_compared_byte_by_byte),
        EACH(only_the_first_of_two_writes),
        EACH(what_is_not_pending_writes_nothing),
        EACH(entries_taken_back_have_never_been),
        EACH(taking_back_leaves_the_lag_known),
        EACH(taking_back_needs_no_further_right),
        EACH(a_command_leaves_the_inbox_and_an_event_stays),
        EACH(whoever_holds_it_may_finish),
        EACH(each_operation_writes_what_it_says),
        EACH(a_schedule_is_counted_from_now),
        EACH(deletion_and_writing_keep_their_order),
        EACH(all_bytes_pass_unchanged),
        EACH(without_memory_only_settling_goes_on),
    };
    return cmocka_run_group_tests_name("commit", tests, start_functions, stop_functions);
}
