/* weir_trim: events go when all have read them and they are old or too many, and never before. */
#include "functions.h"

#include <inttypes.h>

#include "base/backoff.h"

#define TRIM "FCALL weir_trim 2 {s}:events {s}:readers "
#define ROUNDS 150

/* Entries 1-1 … count-1; one entry a node, so that trimming by whole nodes is exact. */
static void publish(int count)
{
    test_do(&server, "FLUSHALL");
    test_do(&server, "CONFIG SET stream-node-max-entries 1");
    for (int i = 1; i <= count; i++)
        test_do(&server, "XADD {s}:events %d-1 type T", i);
}

static const char *first_id(void)
{
    static char id[64];
    redisReply *range = test_ask(&server, "XRANGE {s}:events - + COUNT 1");
    snprintf(id, sizeof id, "%s", range->elements ? range->element[0]->element[0]->str : "none");
    freeReplyObject(range);
    return id;
}

static void read_by(const char *group, int count)
{
    test_do(&server, "XREADGROUP GROUP %s w COUNT %d STREAMS {s}:events >", group, count);
}

/* The number removed. */
static long long trimmed(const char *call)
{
    redisReply *reply = test_ask(&server, call);
    assert_true(reply->elements == 1 || reply->elements == 5);
    long long number = reply->element[0]->integer;
    freeReplyObject(reply);
    return number;
}

static const char *number_call(int newest)
{
    static char call[128];
    snprintf(call, sizeof call, TRIM "99999999999999 1000 %d", newest);
    return call;
}

static void wrong_types_remove_nothing(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    test_do(&server, "SET {s}:events 1");
    expect_untouched("!WRONGTYPE*", TRIM "0 1000");
    publish(5);
    test_do(&server, "SET {s}:readers 1");
    expect_untouched("!WRONGTYPE*", TRIM "0 1000");
    test_do(&server, "DEL {s}:readers");
    expect_untouched("!*", TRIM "x 1000");
    expect_untouched("!*", TRIM "0 x 3");
    expect_untouched("!*", TRIM "0 1000 x");
}

static void no_stream_is_nothing_to_do(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    expect("[0]", TRIM "0 1000 1");
    assert_int_equal(test_ask_integer(&server, "DBSIZE"), 0);
    test_do(&server, "XGROUP CREATE {s}:events g 0 MKSTREAM");
    test_do(&server, "HSET {s}:readers r 0-0");
    expect("[0]", TRIM "0 1000 1");
}

static void age_keeps_events(void **state)
{
    (void)state;
    char call[128];
    long long now = server_now();
    publish(3); /* of 1970 */
    test_do(&server, "XADD {s}:events %lld-0 type T", now - 60000);
    test_do(&server, "XADD {s}:events %lld-0 type T", now);
    snprintf(call, sizeof call, TRIM "%lld 1000", now + 3600000);
    expect("[0]", call); /* kept for longer than there has been time */
    expect("[3]", TRIM "3600000 1000");
    expect("[0]", TRIM "3600000 1000");
    expect("[1]", TRIM "30000 1000");
    expect("1", "XLEN {s}:events");
}

static void age_never_removes_what_a_group_has_not_read(void **state)
{
    (void)state;
    publish(10);
    test_do(&server, "XGROUP CREATE {s}:events g 0");
    expect("[0, g, 0-0, 1-1, *", TRIM "0 1000"); /* it has read nothing */
    read_by("g", 4);
    test_do(&server, "XACK {s}:events g 1-1 2-1 4-1");
    expect("[2, g, 3-1, 3-1, *", TRIM "0 1000"); /* 3-1 is pending */
    assert_string_equal(first_id(), "3-1");
    test_do(&server, "XACK {s}:events g 3-1");
    expect("[1, g, 4-1, 5-1, *", TRIM "0 1000"); /* up to what it was given last */
    assert_string_equal(first_id(), "4-1");
}

static void the_slowest_group_counts(void **state)
{
    (void)state;
    publish(10);
    test_do(&server, "XGROUP CREATE {s}:events fast 0");
    test_do(&server, "XGROUP CREATE {s}:events slow 0");
    read_by("fast", 9);
    read_by("slow", 2);
    test_do(&server, "XACK {s}:events slow 1-1 2-1");
    test_do(&server, "XACK {s}:events fast 1-1 2-1 3-1 4-1 5-1 6-1 7-1 8-1");
    expect("[1, slow, 2-1, 3-1, *", TRIM "0 1000");
    assert_string_equal(first_id(), "2-1");
    test_do(&server, "XGROUP DESTROY {s}:events slow");
    expect("[7, fast, 9-1, 9-1, *", TRIM "0 1000");
    assert_string_equal(first_id(), "9-1");
}

static void a_group_set_back_reads_again(void **state)
{
    (void)state;
    publish(10);
    test_do(&server, "XGROUP CREATE {s}:events g 0");
    read_by("g", 8);
    test_do(&server, "XGROUP SETID {s}:events g 3-1");
    expect("[0, g, 1-1, 1-1, *", TRIM "0 1000"); /* 1-1 is pending */
    test_do(&server, "XACK {s}:events g 1-1 2-1 3-1 4-1 5-1 6-1 7-1");
    expect("[2, g, 3-1, 4-1, *", TRIM "0 1000");
    assert_string_equal(first_id(), "3-1");
}

static void projections_count(void **state)
{
    (void)state;
    publish(10);
    test_do(&server, "HSET {s}:readers views/shop 7-1 views/other 4-1");
    expect("[3, views/other, 4-1, 5-1, *", TRIM "0 1000");
    test_do(&server, "HSET {s}:readers views/other 9-1");
    expect("[3, views/shop, 7-1, 8-1, *", TRIM "0 1000");
    assert_string_equal(first_id(), "7-1");
    test_do(&server, "HSET {s}:readers views/new 0-0");
    expect("[0, views/new, 0-0, 7-1, *", TRIM "0 1000");
}

static void a_position_that_cannot_be_read_keeps_all(void **state)
{
    (void)state;
    static const char *const positions[] = {"x",
                                            "5",
                                            "5-",
                                            "-5",
                                            "5-1 ",
                                            " 5-1",
                                            "5-1-1",
                                            "+",
                                            "$",
                                            "99999999999999999999-1",
                                            "5-99999999999999999999"};
    publish(10);
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        test_do(&server, "HSET {s}:readers r %s", positions[i]);
        expect("[0, r, 0-0, 1-1, *", TRIM "0 1000");
    }
    test_do(&server, "HSET {s}:readers r %b", "", (size_t)0);
    expect("[0, r, 0-0, 1-1, *", TRIM "0 1000");
}

static void at_most_the_limit_goes(void **state)
{
    (void)state;
    publish(100);
    test_do(&server, "HSET {s}:readers r 100-1");
    expect("[30]", TRIM "0 30");
    expect("[30]", TRIM "0 30");
    expect("[39]", TRIM "0 1000");
    assert_string_equal(first_id(), "100-1");
}

static void whole_nodes_only(void **state)
{
    (void)state;
    publish(0);
    test_do(&server, "CONFIG SET stream-node-max-entries 100");
    for (int i = 1; i <= 250; i++)
        test_do(&server, "XADD {s}:events %d-1 type T", i);
    test_do(&server, "HSET {s}:readers r 150-1");
    expect("[100, r, 150-1, 151-1, *", TRIM "0 1000");
}

static void old_events_go_without_memory(void **state)
{
    (void)state;
    publish(10);
    test_do(&server, "CONFIG SET maxmemory 1");
    expect("[10]", TRIM "0 1000");
    test_do(&server, "CONFIG SET maxmemory 0");
}

/* ---- By number --------------------------------------------------------------------------- */

/* Of 1970, kept for longer than that. */
#define YOUNG TRIM "99999999999999 1000 "

static void only_the_newest_stay(void **state)
{
    (void)state;
    publish(10);
    expect("[0]", YOUNG "0");
    expect("[0]", YOUNG "11");
    expect("[0]", YOUNG "10");
    expect("[1]", YOUNG "9");
    expect("[0]", YOUNG "9");
    expect("[6]", YOUNG "3");
    assert_string_equal(first_id(), "8-1");
    expect("[2]", YOUNG "1");
    assert_string_equal(first_id(), "10-1");
    expect("[1]", TRIM "0 1000 5"); /* age removes fewer than there may be, too */
    expect("[0]", YOUNG "1");
}

static void the_number_is_exact_within_nodes(void **state)
{
    (void)state;
    static const int counts[] = {1, 7, 99, 100, 101, 150, 249};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        char wanted[16];
        publish(0);
        test_do(&server, "CONFIG SET stream-node-max-entries 100");
        for (int number = 1; number <= 250; number++)
            test_do(&server, "XADD {s}:events 7-%d type T", number); /* all in one ms */
        snprintf(wanted, sizeof wanted, "7-%d", 250 - counts[i] + 1);
        assert_int_equal(trimmed(number_call(counts[i])), 250 - counts[i]);
        assert_string_equal(first_id(), wanted);
    }
}

static void large_nodes_go_bit_by_bit(void **state)
{
    (void)state;
    publish(0);
    test_do(&server, "CONFIG SET stream-node-max-entries 1000");
    for (int i = 1; i <= 250; i++)
        test_do(&server, "XADD {s}:events %d-1 type T", i);
    expect("[100]", YOUNG "20");
    expect("[100]", YOUNG "20");
    expect("[30]", YOUNG "20");
    expect("[0]", YOUNG "20");
}

static void at_most_the_limit_goes_by_number(void **state)
{
    (void)state;
    publish(100);
    expect("[30]", TRIM "99999999999999 30 10");
    expect("[60]", YOUNG "10");
    publish(100);
    test_do(&server, "XADD {s}:events %lld-0 type T", server_now());
    expect("[30]", TRIM "3600000 30 50"); /* all by age */
    expect("[70]", TRIM "3600000 1000 50");
}

static void number_never_removes_what_has_not_been_read(void **state)
{
    (void)state;
    publish(10);
    test_do(&server, "XGROUP CREATE {s}:events g 0");
    expect("[0, g, 0-0, 1-1, *", YOUNG "3");
    read_by("g", 5);
    test_do(&server, "XACK {s}:events g 1-1 2-1 4-1 5-1");
    expect("[2, g, 3-1, 3-1, *", YOUNG "3");
    test_do(&server, "XACK {s}:events g 3-1");
    expect("[2, g, 5-1, 6-1, *", YOUNG "3");
    test_do(&server, "HSET {s}:readers views/shop 7-1");
    read_by("g", 3);
    test_do(&server, "XACK {s}:events g 6-1 7-1 8-1");
    expect("[2]", YOUNG "3"); /* the entry that it is at stays, and holds nothing back */
    assert_string_equal(first_id(), "7-1");
    test_do(&server, "HSET {s}:readers views/shop 10-1");
    expect("[1]", YOUNG "3");
    assert_string_equal(first_id(), "8-1");
}

static void says_who_is_the_slowest(void **state)
{
    (void)state;
    long long now = server_now();
    publish(4);
    for (int i = 0; i < 4; i++)
        test_do(&server, "XADD {s}:events %lld-%d type T", now, i);
    test_do(&server, "XGROUP CREATE {s}:events g 3-1");
    test_do(&server, "HSET {s}:readers views/shop 4-1 views/other 3-2");
    redisReply *reply = test_ask(&server, TRIM "3600000 1000");
    assert_int_equal(reply->elements, 5);
    assert_string_equal(reply->element[1]->str, "g");
    assert_string_equal(reply->element[3]->str, "4-1");
    assert_true(reply->element[4]->integer >= now);
    freeReplyObject(reply);
    test_do(&server, "XGROUP DESTROY {s}:events g");
    expect("[1, views/other, 3-2, 4-1, *", TRIM "3600000 1000");
    test_do(&server, "HDEL {s}:readers views/other"); /* the other has read what is old */
    expect("[0]", TRIM "3600000 1000");
    expect("[0, views/shop, 4-1, *", TRIM "3600000 1000 2");
    /* of two at one place the one that has not finished the entry there */
    test_do(&server, "XGROUP CREATE {s}:events done 3-1");
    test_do(&server, "XGROUP CREATE {s}:events pending 3-1");
    read_by("done", 1);
    read_by("pending", 1);
    test_do(&server, "XACK {s}:events done 4-1");
    expect("[0, pending, 4-1, 4-1, *", TRIM "3600000 1000");
}

static void groups_at_the_greatest_id_hold_nothing(void **state)
{
    (void)state;
    publish(10);
    test_do(&server, "XGROUP CREATE {s}:events g 18446744073709551615-18446744073709551615");
    expect("[7]", YOUNG "3");
    expect("[3]", TRIM "0 1000");
}

/* ---- Whatever has happened before ---------------------------------------------------------- */

/* The smallest entry that somebody has still to read or has pending, asked of the server itself. */
static long long first_unread(int groups)
{
    long long first = INT64_MAX;
    redisReply *infos = test_ask(&server, "XINFO GROUPS {s}:events");
    assert_int_equal(infos->elements, (size_t)groups);
    for (int i = 0; i < groups; i++) {
        const redisReply *info = infos->element[i];
        redisReply *rows = test_ask(&server, "XPENDING {s}:events %s - + 1", info->element[1]->str);
        long long next = atoll(info->element[7]->str) + 1;
        if (rows->elements > 0 && atoll(rows->element[0]->element[0]->str) < next)
            next = atoll(rows->element[0]->element[0]->str);
        first = next < first ? next : first;
        freeReplyObject(rows);
    }
    freeReplyObject(infos);
    redisReply *positions = test_ask(&server, "HVALS {s}:readers");
    for (size_t i = 0; i < positions->elements; i++) {
        long long next = atoll(positions->element[i]->str) + 1;
        first = next < first ? next : first;
    }
    freeReplyObject(positions);
    return first;
}

static int below(struct weir_random *random, int bound)
{
    return (int)weir_random_below(random, (uint64_t)bound);
}

static void move_a_reader(struct weir_random *random, int groups)
{
    int group = below(random, groups), id = 1 + below(random, 60);
    switch (below(random, 5)) {
    case 0:
        test_do(&server, "HSET {s}:readers r%d %d-1", group, id);
        break;
    case 1:
        test_do(&server, "XGROUP SETID {s}:events g%d %d-1", group, id);
        break;
    case 2:
        test_do(&server, "XDEL {s}:events %d-1", id);
        break;
    case 3:
        test_do(&server, "XREADGROUP GROUP g%d w COUNT %d STREAMS {s}:events >", group, id / 4 + 1);
        break;
    default:
        for (int i = 1; i <= id; i++)
            if (below(random, 8) > 0)
                test_do(&server, "XACK {s}:events g%d %d-1", group, i);
        break;
    }
}

/* By age everything would go (newest 0), or by number all but the newest. */
static void check_turn(int groups, int newest, uint64_t seed, int turn)
{
    long long unread = first_unread(groups);
    long long left = test_ask_integer(&server, "XLEN {s}:events");
    redisReply *kept = test_ask(&server, "XRANGE {s}:events %lld-0 +", unread);
    redisReply *reply = test_ask(&server, newest > 0 ? number_call(newest) : TRIM "0 1000");
    long long removed = reply->element[0]->integer;
    redisReply *after = test_ask(&server, "XRANGE {s}:events %lld-0 +", unread);
    redisReply *all = test_ask(&server, "XRANGE {s}:events - +");
    long long excess = (long long)all->elements - newest;
    long long passed = (long long)(all->elements - after->elements);
    bool held_back = newest > 0 ? excess > passed : after->elements > 0;
    if (after->elements != kept->elements || (long long)all->elements != left - removed)
        fail_msg("seed %" PRIu64 ", turn %d: an unread entry was removed", seed, turn);
    if (newest > 0 && removed > 0 && excess < 0)
        fail_msg("seed %" PRIu64 ", turn %d: too many were removed", seed, turn);
    if (newest > 0 && excess > 0 && passed > 1)
        fail_msg("seed %" PRIu64 ", turn %d: too few were removed", seed, turn);
    if ((reply->elements == 5) != held_back)
        fail_msg("seed %" PRIu64 ", turn %d: held back: %d", seed, turn, held_back);
    freeReplyObject(reply);
    freeReplyObject(kept);
    freeReplyObject(after);
    freeReplyObject(all);
}

static void check_trimming(uint64_t seed)
{
    struct weir_random random;
    int groups;
    weir_random_init(&random, seed);
    groups = 1 + below(&random, 3);
    publish(60);
    test_do(&server, "CONFIG SET stream-node-max-entries %d", 1 + below(&random, 8));
    for (int i = 0; i < groups; i++)
        test_do(&server, "XGROUP CREATE {s}:events g%d 0", i);
    for (int turn = 0; turn < 12; turn++) {
        move_a_reader(&random, groups);
        check_turn(groups, below(&random, 2) == 0 ? 0 : 1 + below(&random, 60), seed, turn);
    }
}

static void never_past_an_unread_entry(void **state)
{
    (void)state;
    const char *wish = getenv("WEIR_TEST_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 10) : weir_random_seed() % 1000000000;
    print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
    for (uint64_t round = 0; round < (wish ? 1 : ROUNDS); round++)
        check_trimming(seed + round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_types_remove_nothing),
        cmocka_unit_test(no_stream_is_nothing_to_do),
        cmocka_unit_test(age_keeps_events),
        cmocka_unit_test(age_never_removes_what_a_group_has_not_read),
        cmocka_unit_test(the_slowest_group_counts),
        cmocka_unit_test(a_group_set_back_reads_again),
        cmocka_unit_test(projections_count),
        cmocka_unit_test(a_position_that_cannot_be_read_keeps_all),
        cmocka_unit_test(at_most_the_limit_goes),
        cmocka_unit_test(whole_nodes_only),
        cmocka_unit_test(old_events_go_without_memory),
        cmocka_unit_test(only_the_newest_stay),
        cmocka_unit_test(the_number_is_exact_within_nodes),
        cmocka_unit_test(large_nodes_go_bit_by_bit),
        cmocka_unit_test(at_most_the_limit_goes_by_number),
        cmocka_unit_test(number_never_removes_what_has_not_been_read),
        cmocka_unit_test(says_who_is_the_slowest),
        cmocka_unit_test(groups_at_the_greatest_id_hold_nothing),
        cmocka_unit_test(never_past_an_unread_entry),
    };
    return cmocka_run_group_tests_name("trim", tests, start_functions, stop_functions);
}
