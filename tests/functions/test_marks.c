/* DONE and FAILED: what the mark of an id says, and what it may not be written over. */
#include "functions.h"

#define MARK "{s}:seen:m1"
#define COMMIT "FCALL weir_commit 4 {s}:commands {s}:good " MARK " {s}:events s 1-1 1 "
#define COMMIT_DURABLE                                                                             \
    "FCALL weir_commit_durable 4 {s}:commands {s}:good " MARK " {s}:events s 1-1 1 "
#define PUBLISH "XADD 4 2 type Marked "

static int deliver(void **state)
{
    empty(state);
    test_do(&server, "XGROUP CREATE {s}:commands s 0 MKSTREAM");
    test_do(&server, "XADD {s}:commands 1-1 type Charge");
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    return 0;
}

static const char *const names[] = {"DONE", "FAILED"};

static void refuses_malformed_arguments(void **state)
{
    (void)state;
    static const char *const arguments[] = {
        "0",       "1 1000", "4 1000 a b c", "2 0 a",      "3 0 a b",
        "3 x a b", "2 -1 a", "2 x a",        "2 1000.5 a", "2 9223372036854775807 a"};
    for (size_t name = 0; name < 2; name++)
        for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
            char line[256];
            snprintf(line, sizeof line, COMMIT PUBLISH "HSET 2 2 f v %s 3 %s", names[name],
                     arguments[i]);
            expect_untouched("[refused, 3, *", line);
        }
}

/* Only what is done has a need: 4 1000 a b is one argument too many for what failed. */
static void failed_takes_no_need(void **state)
{
    (void)state;
    expect_untouched("[refused, 3, wrong number of arguments]",
                     COMMIT PUBLISH "HSET 2 2 f v FAILED 3 3 1000 refused disk");
}

static void a_mark_of_another_type_refuses_what_is_done_alone(void **state)
{
    (void)state;
    test_do(&server, "HSET " MARK " f v");
    expect_untouched("[refused, 3, it is a hash, not a string]",
                     COMMIT PUBLISH "HSET 2 2 f v DONE 3 2 1000 {s}:events");
    expect("1", COMMIT "HSET 2 2 f v FAILED 3 2 1000 refused");
    expect("[f, v]", "HGETALL " MARK);
    expect("[f, v]", "HGETALL {s}:good");
}

static void a_missing_right_refuses_the_whole_commit(void **state)
{
    (void)state;
    test_do(&server, "ACL SETUSER default -set");
    expect("!NOPERM*", COMMIT PUBLISH "DONE 3 2 1000 {s}:events");
    expect("!NOPERM*", COMMIT PUBLISH "FAILED 3 2 1000 refused");
    test_do(&server, "ACL SETUSER default +@all");
    expect("0", "EXISTS {s}:good {s}:events " MARK);
    expect("1", "XLEN {s}:commands");
}

static void what_is_done_is_in_the_way_of_another_done(void **state)
{
    (void)state;
    static const char *const marks[] = {"1", "done", "done {s}:events 5-0", "done - - disk"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        test_do(&server, "SET " MARK " %s", marks[i]);
        expect_untouched("[conflict, 3]", COMMIT PUBLISH "HSET 2 2 f v DONE 3 2 1000 {s}:events");
    }
}

static void what_failed_is_not_in_the_way(void **state)
{
    (void)state;
    static const char *const marks[] = {
        "refused 1-1 no money", "unknown 1-1 crashed", "", "11", "doner", "anything"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        deliver(state);
        test_do(&server, "SET " MARK " %s", marks[i]);
        expect("1", COMMIT "DONE 3 2 100000 {s}:events");
        expect("done", "GET " MARK);
    }
}

static void done_tells_where_its_last_event_is(void **state)
{
    (void)state;
    char wanted[64];
    test_do(&server, "XADD {s}:events * type Earlier");
    expect("1", COMMIT "DONE 3 2 100000 {s}:events " PUBLISH PUBLISH "XADD 2 2 type Elsewhere");
    redisReply *last = test_ask(&server, "XREVRANGE {s}:events + - COUNT 1");
    snprintf(wanted, sizeof wanted, "done {s}:events %s", last->element[0]->element[0]->str);
    freeReplyObject(last);
    expect(wanted, "GET " MARK);
    expect("3", "XLEN {s}:events");
    assert_in_range(test_ask_integer(&server, "PTTL " MARK), 90000, 100000);
}

/* A program that knows no need reads the same place, and "-" for none. */
static void done_says_how_durable_it_has_to_be(void **state)
{
    char wanted[96];
    expect("1", COMMIT "DONE 3 3 100000 {s}:events replicas:1,disk");
    expect("done - - replicas:1,disk", "GET " MARK);
    deliver(state);
    expect("1", COMMIT "DONE 3 3 100000 {s}:events disk " PUBLISH);
    redisReply *last = test_ask(&server, "XREVRANGE {s}:events + - COUNT 1");
    snprintf(wanted, sizeof wanted, "done {s}:events %s disk", last->element[0]->element[0]->str);
    freeReplyObject(last);
    expect(wanted, "GET " MARK);
    deliver(state);
    expect("1", COMMIT_DURABLE "DONE 3 3 100000 {s}:events disk");
    expect("done - - disk", "GET " MARK);
    expect_untouched("0", COMMIT_DURABLE "DONE 3 3 100000 {s}:events disk");
}

static void done_without_an_event_says_no_more(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:events * type Earlier");
    expect("1", COMMIT "XADD 2 2 type Elsewhere DONE 3 2 100000 {s}:events");
    expect("done", "GET " MARK);
}

static void a_commit_that_was_fenced_marks_nothing(void **state)
{
    (void)state;
    expect("1", COMMIT);
    expect_untouched("0", COMMIT "DONE 3 2 1000 {s}:events");
    expect_untouched("0", COMMIT "FAILED 3 2 1000 refused");
}

static void done_stays_done(void **state)
{
    (void)state;
    static const char *const marks[] = {"1", "done", "done {s}:events 5-0"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        deliver(state);
        test_do(&server, "SET " MARK " %s", marks[i]);
        expect("1", COMMIT "HSET 2 2 f v FAILED 3 2 100000 %s", "refused 1-1 no");
        expect(marks[i], "GET " MARK);
        expect("-1", "PTTL " MARK);
    }
}

static void what_failed_last_counts(void **state)
{
    (void)state;
    expect("1", COMMIT "FAILED 3 2 100000 %s", "refused 1-1 no\r\nmoney");
    expect("refused 1-1 no\\x0d\\x0amoney", "GET " MARK);
    assert_in_range(test_ask_integer(&server, "PTTL " MARK), 90000, 100000);
    test_do(&server, "XADD {s}:commands 1-2 type Charge");
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    expect("1", "FCALL weir_commit 2 {s}:commands " MARK " s 1-2 1 FAILED 2 2 100000 %s",
           "unknown 1-2 crashed");
    expect("unknown 1-2 crashed", "GET " MARK);
}

/* No write behind a mark may fail in the middle. */
static void others_agree_with_the_mark_on_its_type(void **state)
{
    (void)state;
    static const char *const others[] = {"HSET 3 2 f v", "INCRBY 3 1 1", "SADD 3 1 m"};
    for (size_t name = 0; name < 2; name++)
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
            char line[256];
            snprintf(line, sizeof line, COMMIT PUBLISH "%s 3 2 1000 {s}:events %s", names[name],
                     others[i]);
            expect_untouched("[refused, 3, *", line);
        }
    expect_untouched("[refused, 3, *", COMMIT "HSET 3 2 f v DONE 3 2 1000 {s}:events");
    expect("1", COMMIT "HSET 3 2 f v FAILED 3 2 1000 refused");
    expect("[f, v]", "HGETALL " MARK);
}

#define EACH(test) cmocka_unit_test_setup(test, deliver)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(refuses_malformed_arguments),
        EACH(a_mark_of_another_type_refuses_what_is_done_alone),
        EACH(a_missing_right_refuses_the_whole_commit),
        EACH(what_is_done_is_in_the_way_of_another_done),
        EACH(what_failed_is_not_in_the_way),
        EACH(done_tells_where_its_last_event_is),
        EACH(done_without_an_event_says_no_more),
        EACH(done_says_how_durable_it_has_to_be),
        EACH(failed_takes_no_need),
        EACH(a_commit_that_was_fenced_marks_nothing),
        EACH(done_stays_done),
        EACH(what_failed_last_counts),
        EACH(others_agree_with_the_mark_on_its_type),
    };
    return cmocka_run_group_tests_name("marks", tests, start_functions, stop_functions);
}
