/* weir_turn: one of several processes runs a projection, by the server's clock. */
#include "functions.h"

#define STATUS "{v}:projection:p"
#define TURN "FCALL weir_turn 1 " STATUS " "
#define RUNNING "running why a 5-0"

/* Asks for the turn; checks that the time given is the server's. */
static bool has_turn(const char *consumer, const char *life)
{
    long long before = server_now();
    redisReply *reply = test_ask(&server, TURN "%s %s " RUNNING, consumer, life);
    bool mine = reply->element[0]->integer == 1;
    assert_int_equal(reply->elements % 2, 0);
    assert_in_range(reply->element[1]->integer, before, server_now());
    freeReplyObject(reply);
    return mine;
}

static long long until(void)
{
    char *text = test_ask_text(&server, "HGET " STATUS " until");
    long long time = text != NULL ? atoll(text) : -1;
    free(text);
    return time;
}

static void refuses_what_it_cannot_do(void **state)
{
    (void)state;
    test_do(&server, "SET " STATUS " 1");
    expect_untouched("!WRONGTYPE*", TURN "one 1000 " RUNNING);
    test_do(&server, "DEL " STATUS);
    expect_untouched("!ERR*", TURN "one");
    expect_untouched("!ERR*", TURN "one soon " RUNNING);
    test_do(&server, "HSET " STATUS " owner one until 1");
    expect_untouched("!ERR*", TURN "two soon " RUNNING);
}

static void the_first_one_gets_it(void **state)
{
    (void)state;
    long long before = server_now();
    assert_true(has_turn("one", "60000"));
    assert_in_range(until(), before + 60000, server_now() + 60000);
    expect("[one, running]", "HMGET " STATUS " owner state");
}

static void others_stand_by_and_leave_no_trace(void **state)
{
    (void)state;
    assert_true(has_turn("one", "60000"));
    expect_untouched("[0, *", TURN "two 60000 stopped reason a 5-0");
    expect_untouched("[0, *", TURN "two 0 stopped reason a 5-0");
    expect_untouched("[0, *", TURN "%s 60000 stopped reason a 5-0", "");
}

static void who_has_it_keeps_it(void **state)
{
    (void)state;
    assert_true(has_turn("one", "1000"));
    assert_true(has_turn("one", "60000"));
    assert_true(until() > server_now() + 30000);
    assert_true(has_turn("one", "1000")); /* a shorter life counts, too */
    assert_true(until() < server_now() + 30000);
}

static void an_ended_one_goes_to_whoever_asks(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " owner one until %lld", server_now() + 100000);
    assert_false(has_turn("two", "60000"));
    test_do(&server, "HSET " STATUS " until %lld", server_now());
    assert_true(has_turn("two", "60000"));
    assert_false(has_turn("one", "60000"));
    test_do(&server, "HDEL " STATUS " until"); /* an owner without an end */
    assert_true(has_turn("three", "60000"));
}

/* It lasts to its end by the server's clock, and no longer. */
static void the_server_decides_when_it_ends(void **state)
{
    (void)state;
    assert_true(has_turn("one", "200"));
    long long end = until();
    while (!has_turn("two", "60000"))
        test_pause();
    assert_true(server_now() >= end);
    expect("two", "HGET " STATUS " owner");
}

static void who_leaves_gives_it_back(void **state)
{
    (void)state;
    expect_untouched("[0, *", TURN "one 0 " RUNNING); /* nobody has it: nothing to give */
    assert_true(has_turn("one", "60000"));
    expect("[0, *", TURN "one 0 stopped reason a 5-0");
    expect("[nil, nil]", "HMGET " STATUS " owner until");
    expect("[stopped, reason, a, 5-0]", "HMGET " STATUS " state reason stream entry");
    expect_untouched("[0, *", TURN "one 0 stopped reason a 5-0");
    assert_true(has_turn("two", "60000"));
}

static void one_that_has_ended_can_be_given_back(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " owner one until 1");
    expect_untouched("[0, *", TURN "two 0 " RUNNING);
    expect("[0, *", TURN "one 0 " RUNNING);
    expect("[nil, nil]", "HMGET " STATUS " owner until");
}

static void since_is_when_the_state_has_changed(void **state)
{
    (void)state;
    long long before = server_now();
    test_do(&server, TURN "one 60000 stopped reason a 5-0");
    assert_in_range(atoll(answer("HGET " STATUS " since")), before, server_now());
    test_do(&server, "HSET " STATUS " since 7");
    test_do(&server, TURN "one 60000 stopped reason a 5-0");
    expect("7", "HGET " STATUS " since");
    static const char *const changes[] = {"parked reason a 5-0", "parked another a 5-0",
                                          "parked another a 6-0"};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char line[128];
        test_do(&server, "HSET " STATUS " since 7");
        snprintf(line, sizeof line, TURN "one 60000 %s", changes[i]);
        test_do(&server, line);
        assert_true(atoll(answer("HGET " STATUS " since")) >= before);
    }
}

static void everybody_is_told_what_operators_want(void **state)
{
    (void)state;
    assert_true(has_turn("one", "60000"));
    test_do(&server, "HSET " STATUS " wish %b", "a\0b", (size_t)3);
    assert_non_null(strstr(answer(TURN "one 60000 " RUNNING), "wish, a\\x00b"));
    assert_non_null(strstr(answer(TURN "two 60000 " RUNNING), "wish, a\\x00b"));
    assert_non_null(strstr(answer(TURN "two 0 " RUNNING), "wish, a\\x00b"));
}

static void it_needs_no_memory(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    assert_true(has_turn("one", "60000"));
    test_do(&server, "CONFIG SET maxmemory 0");
}

#define EACH(test) cmocka_unit_test_setup(test, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(refuses_what_it_cannot_do),
        EACH(the_first_one_gets_it),
        EACH(others_stand_by_and_leave_no_trace),
        EACH(who_has_it_keeps_it),
        EACH(an_ended_one_goes_to_whoever_asks),
        EACH(the_server_decides_when_it_ends),
        EACH(who_leaves_gives_it_back),
        EACH(one_that_has_ended_can_be_given_back),
        EACH(since_is_when_the_state_has_changed),
        EACH(everybody_is_told_what_operators_want),
        EACH(it_needs_no_memory),
    };
    return cmocka_run_group_tests_name("turn", tests, start_functions, stop_functions);
}
