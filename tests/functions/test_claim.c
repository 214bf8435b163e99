/* weir_claim, weir_recover, weir_refresh: who holds a message, and what becomes of bodies that
 * somebody has deleted. */
#include "functions.h"

#define STREAM "{s}:commands"
#define CLAIM "FCALL weir_claim 2 {s}:commands {s}:dead s "
#define RECOVER "FCALL weir_recover 2 {s}:commands {s}:dead s "
#define REFRESH "FCALL weir_refresh 1 {s}:commands s "

/* `count` messages 1-0, 2-0, … pending for "old". */
static void deliver(int count)
{
    test_do(&server, "FLUSHALL");
    test_do(&server, "XGROUP CREATE " STREAM " s 0 MKSTREAM");
    for (int i = 1; i <= count; i++)
        test_do(&server, "XADD " STREAM " %d-0 type T%d", i, i);
    if (count > 0)
        test_do(&server, "XREADGROUP GROUP s old COUNT %d STREAMS " STREAM " >", count);
}

static const char *holder(const char *id)
{
    static char name[64];
    redisReply *rows = test_ask(&server, "XPENDING " STREAM " s %s %s 1", id, id);
    snprintf(name, sizeof name, "%s",
             rows->elements > 0 ? rows->element[0]->element[1]->str : "nobody");
    freeReplyObject(rows);
    return name;
}

static void set_idle(const char *id, const char *ms)
{
    test_do(&server, "XCLAIM " STREAM " s old 0 %s IDLE %s JUSTID", id, ms);
}

static void refuses_what_is_not_there_or_no_stream(void **state)
{
    (void)state;
    static const char *const calls[] = {CLAIM "w 0 0-0 10", RECOVER "w - 10", REFRESH "w 1-0"};
    for (size_t i = 0; i < 3; i++) {
        test_do(&server, "FLUSHALL");
        expect_untouched("!NOGROUP*", calls[i]);
        test_do(&server, "XADD " STREAM " 1-0 f v");
        expect_untouched("!NOGROUP*", calls[i]);
        test_do(&server, "SET " STREAM " 1");
        expect_untouched("!WRONGTYPE*", calls[i]);
    }
}

static void dead_letters_of_another_type_stop_nothing(void **state)
{
    (void)state;
    deliver(3);
    test_do(&server, "SET {s}:dead 1");
    test_do(&server, "XDEL " STREAM " 2-0");
    expect("[0-0, [[1-0, 1, [type, T1]], [3-0, 1, [type, T3]]], 1]", CLAIM "new 0 0-0 10");
    test_do(&server, "XDEL " STREAM " 3-0");
    expect("[3-0, [[1-0, 1, [type, T1]]], 1]", RECOVER "new - 10");
}

/* ---- Claiming ----------------------------------------------------------------------------- */

static void claims_what_has_been_idle(void **state)
{
    (void)state;
    deliver(3);
    set_idle("1-0", "50000");
    set_idle("3-0", "30000");
    expect("[0-0, [[1-0, 1, [type, T1]], [3-0, 1, [type, T3]]], 0]", CLAIM "new 30000 0-0 10");
    assert_string_equal(holder("1-0"), "new");
    assert_string_equal(holder("2-0"), "old");
    assert_string_equal(holder("3-0"), "new");
    expect("[0-0, [], 0]", CLAIM "other 30000 0-0 10"); /* it is not idle any more */
}

static void nothing_idle_nothing_claimed(void **state)
{
    (void)state;
    deliver(0);
    test_do(&server, "CONFIG RESETSTAT");
    expect("[0-0, [], 0, 0]", CLAIM "new 0 0-0 10");
    assert_int_equal(test_calls_of(&server, "xautoclaim"), 0);
    deliver(2);
    expect("[0-0, [], 0]", CLAIM "new 30000 0-0 10");
    assert_string_equal(holder("1-0"), "old");
    expect("0", "EXISTS {s}:dead");
}

static void the_delivery_counter_is_left_alone(void **state)
{
    (void)state;
    deliver(1);
    test_do(&server, "XCLAIM " STREAM " s old 0 1-0 RETRYCOUNT 4 JUSTID");
    for (int i = 0; i < 5; i++)
        expect("[0-0, [[1-0, 4, [type, T1]]], 0]", CLAIM "new 0 0-0 10");
    expect("[1-0, [[1-0, 4, [type, T1]]], 0]", RECOVER "new - 10");
    expect("1", REFRESH "new 1-0");
    expect("[1-0, [[1-0, 4, [type, T1]]], 0]", RECOVER "new - 10");
}

/* What has just been claimed has been idle for 0 ms, and need not be given that once more. */
static void what_was_claimed_is_not_claimed_again(void **state)
{
    (void)state;
    deliver(20);
    for (int i = 1; i <= 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d-0", i);
        set_idle(id, "40000");
    }
    test_do(&server, "CONFIG RESETSTAT");
    expect("[0-0, [[1-0, 1, *", CLAIM "new 30000 0-0 20");
    assert_string_equal(holder("20-0"), "new");
    assert_int_equal(test_calls_of(&server, "xautoclaim"), 1);
    assert_int_equal(test_calls_of(&server, "xclaim"), 0);
    assert_int_equal(test_calls_of(&server, "xrange"), 20);
}

/* Follows the cursor to its end; returns how many messages came, in how many calls. */
static int claim_all(const char *limit, int *calls)
{
    char cursor[64] = "0-0";
    int claimed = 0;
    long long last = 0;
    *calls = 0;
    do {
        redisReply *reply = redisCommand(server.connection, CLAIM "new 30000 %s %s", cursor, limit);
        const redisReply *entries = reply->element[1];
        assert_true(entries->elements <= (size_t)atoi(limit));
        for (size_t i = 0; i < entries->elements; i++) {
            long long id = atoll(entries->element[i]->element[0]->str);
            assert_true(id > last); /* each once, in order */
            last = id;
            claimed++;
        }
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        freeReplyObject(reply);
        assert_true(++*calls < 1000);
    } while (strcmp(cursor, "0-0") != 0);
    return claimed;
}

static void the_cursor_leads_past_many_entries(void **state)
{
    (void)state;
    int calls;
    deliver(250);
    assert_int_equal(claim_all("10", &calls), 0); /* fresh ones do not hide … */
    assert_in_range(calls, 3, 25);
    set_idle("249-0", "40000"); /* … the idle one behind them */
    assert_int_equal(claim_all("10", &calls), 1);
    for (int i = 1; i <= 250; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d-0", i);
        set_idle(id, "40000");
    }
    assert_int_equal(claim_all("7", &calls), 250);
    assert_string_equal(holder("1-0"), "new");
    assert_string_equal(holder("250-0"), "new");
}

static void check_dead_letter(size_t index, const char *deliveries, const char *entry)
{
    static const char reason[] = "the entry was deleted before it was handled";
    const char *wanted[] = {"reason", reason, "deliveries", deliveries,
                            "stream", STREAM, "entry",      entry};
    redisReply *range = test_ask(&server, "XRANGE {s}:dead - +");
    assert_true(range->elements > index);
    const redisReply *body = range->element[index]->element[1];
    assert_int_equal(body->elements, 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(body->element[i]->str, wanted[i]);
    freeReplyObject(range);
}

static void deleted_bodies_are_noted_when_claimed(void **state)
{
    (void)state;
    deliver(4);
    test_do(&server, "XDEL " STREAM " 2-0 4-0");
    expect("[0-0, [[1-0, 1, [type, T1]], [3-0, 1, [type, T3]]], 2]", CLAIM "new 0 0-0 10");
    assert_string_equal(holder("2-0"), "nobody");
    check_dead_letter(0, "1", "2-0");
    check_dead_letter(1, "1", "4-0");
    expect("[0-0, [[1-0, 1, [type, T1]], [3-0, 1, [type, T3]]], 0]", CLAIM "new 0 0-0 10");
    expect("2", "XLEN {s}:dead");
}

/* ---- Recovering --------------------------------------------------------------------------- */

static void recovers_only_its_own_in_pages(void **state)
{
    (void)state;
    deliver(5);
    test_do(&server, "XCLAIM " STREAM " s other 0 2-0 JUSTID");
    expect("[3-0, [[1-0, 1, [type, T1]], [3-0, 1, [type, T3]]], 0]", RECOVER "old - 2");
    expect("[5-0, [[4-0, 1, [type, T4]], [5-0, 1, [type, T5]]], 0]", RECOVER "old (3-0 2");
    expect("[, [], 0]", RECOVER "old (5-0 2");
    expect("[2-0, [[2-0, 1, [type, T2]]], 0]", RECOVER "other - 10");
    expect("[, [], 0]", RECOVER "nobody - 10");
}

static void recovering_writes_nothing(void **state)
{
    (void)state;
    deliver(2);
    set_idle("1-0", "50000");
    expect_untouched("[2-0, [[1-0, 1, [type, T1]], [2-0, 1, [type, T2]]], 0]", RECOVER "old - 10");
}

static void deleted_bodies_are_acknowledged_when_recovered(void **state)
{
    (void)state;
    deliver(3);
    test_do(&server, "XCLAIM " STREAM " s old 0 2-0 RETRYCOUNT 3 JUSTID");
    test_do(&server, "XDEL " STREAM " 2-0");
    expect("[3-0, [[1-0, 1, [type, T1]], [3-0, 1, [type, T3]]], 1]", RECOVER "old - 10");
    assert_string_equal(holder("2-0"), "nobody");
    check_dead_letter(0, "3", "2-0");
    test_do(&server, "XDEL " STREAM " 1-0 3-0");
    expect("[1-0, [], 1]", RECOVER "old - 1"); /* the page goes on behind it */
    expect("[3-0, [], 1]", RECOVER "old (1-0 1");
    expect("3", "XLEN {s}:dead");
}

static void bodies_are_bytes(void **state)
{
    (void)state;
    test_do(&server, "XGROUP CREATE " STREAM " s 0 MKSTREAM");
    test_do(&server, "XADD " STREAM " 1-0 %b %b", "a\0\xff", (size_t)3, "\r\n", (size_t)2);
    test_do(&server, "XREADGROUP GROUP s old STREAMS " STREAM " >");
    expect("[1-0, [[1-0, 1, [a\\x00\\xff, \\x0d\\x0a]]], 0]", RECOVER "old - 10");
    expect("[0-0, [[1-0, 1, [a\\x00\\xff, \\x0d\\x0a]]], 0]", CLAIM "new 0 0-0 10");
}

/* ---- Refreshing --------------------------------------------------------------------------- */

static void refreshes_only_its_own(void **state)
{
    (void)state;
    deliver(3);
    test_do(&server, "XCLAIM " STREAM " s other 0 2-0 IDLE 50000 JUSTID");
    set_idle("1-0", "50000");
    set_idle("3-0", "50000");
    expect("1", REFRESH "old 1-0 2-0 9-0");
    expect("[0-0, [[2-0, 1, [type, T2]], [3-0, 1, [type, T3]]], 0]", CLAIM "new 30000 0-0 10");
    assert_string_equal(holder("1-0"), "old");
    expect("0", REFRESH "old 2-0 3-0");
    expect("0", REFRESH "old");
}

/* Whoever handles it has its body: it may still finish. */
static void a_deleted_body_does_not_cost_the_claim(void **state)
{
    (void)state;
    deliver(1);
    test_do(&server, "XDEL " STREAM " 1-0");
    expect("1", REFRESH "old 1-0");
    expect("1", "FCALL weir_commit 2 {s}:commands {s}:key s 1-0 1 HSET 2 2 f v");
}

static void claims_are_kept_without_memory(void **state)
{
    (void)state;
    deliver(1);
    set_idle("1-0", "50000");
    test_do(&server, "CONFIG SET maxmemory 1");
    expect_untouched("!OOM*", CLAIM "new 0 0-0 10");
    expect_untouched("!OOM*", RECOVER "old - 10");
    expect("1", REFRESH "old 1-0");
    test_do(&server, "CONFIG SET maxmemory 0");
    expect("[0-0, [], 0]", CLAIM "new 30000 0-0 10");
}

#define EACH(test) cmocka_unit_test_setup(test, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(refuses_what_is_not_there_or_no_stream),
        EACH(dead_letters_of_another_type_stop_nothing),
        EACH(claims_what_has_been_idle),
        EACH(nothing_idle_nothing_claimed),
        EACH(the_delivery_counter_is_left_alone),
        EACH(what_was_claimed_is_not_claimed_again),
        EACH(the_cursor_leads_past_many_entries),
        EACH(deleted_bodies_are_noted_when_claimed),
        EACH(recovers_only_its_own_in_pages),
        EACH(recovering_writes_nothing),
        EACH(deleted_bodies_are_acknowledged_when_recovered),
        EACH(bodies_are_bytes),
        EACH(refreshes_only_its_own),
        EACH(a_deleted_body_does_not_cost_the_claim),
        EACH(claims_are_kept_without_memory),
    };
    return cmocka_run_group_tests_name("claim", tests, start_functions, stop_functions);
}
