/* weir_project: a batch of events is folded once, whoever folds it, and its position moves with
 * what it writes; rebuilds and the live model keep out of each other's way. */
#include "read_models.h"

/* Streams a and b folded from "5-0" and from the beginning into the live model; operations have
 * the keys 5 and 6. */
#define KEYS_LIVE LIVE " " STATUS " " KINDS " " DONE " "
#define PROJECT                                                                                    \
    "FCALL weir_project 6 " KEYS_LIVE "{v}:row:1 {v}:dead p %s {v}: 2 0 2 a 5-0 7-0 b %s 3-1 "
#define NONE "", ""

/* The same for the rebuild `id` from `from` on; keys 5 and 6 are its model's and another. */
#define KEYS_NEW NEW " " STATUS " " KINDS " " WRITTEN " "
#define PROJECT_NEW                                                                                \
    "FCALL weir_project 6 " KEYS_NEW                                                               \
    "{v}:rebuild:p:row:1 {v}:dead p %s {v}:rebuild:p: 2 0 1 a %s 7-0 "

static int begin(void **state)
{
    empty(state);
    test_do(&server, "HSET " LIVE " a 5-0 c 9-9");
    return 0;
}

/* ---- Positions ----------------------------------------------------------------------------- */

static void positions_and_writes_move_together(void **state)
{
    (void)state;
    expect("1", PROJECT "HSET 5 2 price 5 HINCRBY 5 2 stock -1 XADD 6 2 f v", NONE);
    expect("[a, 7-0, c, 9-9, b, 3-1]", "HGETALL " LIVE);
    expect("[price, 5, stock, -1]", "HGETALL {v}:row:1");
    expect("1", "XLEN {v}:dead");
    expect("0", "EXISTS " STATUS " " KINDS " " DONE); /* nothing to tell */
}

static void the_same_batch_counts_once(void **state)
{
    (void)state;
    expect("1", PROJECT "HINCRBY 5 2 stock 1", NONE);
    expect_untouched("[moved, a]", PROJECT "HINCRBY 5 2 stock 1", NONE);
    expect("1", "HGET {v}:row:1 stock");
}

static void one_stream_that_moved_stops_the_batch(void **state)
{
    (void)state;
    test_do(&server, "HSET " LIVE " b 1-0");
    expect_untouched("[moved, b]", PROJECT "HSET 5 2 f v", NONE);
    test_do(&server, "DEL " LIVE);
    expect_untouched("[moved, a]", PROJECT "HSET 5 2 f v", NONE);
    test_do(&server, "HSET " LIVE " a 5-00");
    expect_untouched("[moved, a]", PROJECT "HSET 5 2 f v", NONE);
    /* it goes before refusals: what is stored is another runner's, and newer */
    expect_untouched("[moved, a]", PROJECT "SADD 5 1 m", NONE);
}

static void a_first_batch_needs_no_checkpoint(void **state)
{
    (void)state;
    test_do(&server, "DEL " LIVE);
    expect("1", "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 1 0 1 a %s 1-0", NONE);
    expect("1", "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 0 0 0", ""); /* nothing to do */
    expect("[a, 1-0]", "HGETALL " LIVE);
}

static void stream_names_are_bytes(void **state)
{
    (void)state;
    const char name[] = "a\0\xff\r\n";
    expect("1", "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 1 0 1 %b %s 1-0", "", name,
           sizeof name, "");
    expect_untouched("[moved, a\\x00\\xff\\x0d\\x0a\\x00]",
                     "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 1 0 1 %b %s 1-0", "", name,
                     sizeof name, "");
    expect("1-0", "HGET " LIVE " %b", name, sizeof name);
}

/* ---- Refusals ------------------------------------------------------------------------------ */

static void conflicts_and_refusals_write_nothing(void **state)
{
    (void)state;
    expect_untouched("[conflict, 5]", PROJECT "HSET 5 2 f v EXISTS 5 1 1", NONE);
    expect_untouched("[conflict, 5]", PROJECT "EXPECT 5 2 f =1 HSET 5 2 f v", NONE);
    expect_untouched("[refused, 5, malformed operation]", PROJECT "FROB 5 1 x", NONE);
    expect_untouched("[refused, 7, malformed operation]", PROJECT "HSET 7 2 f v", NONE);
    expect_untouched("[refused, 1, it is a hash, not a set]", PROJECT "SADD 1 1 x", NONE);
    expect_untouched("[refused, 4, it is a set, not a hash]", PROJECT "HSET 4 2 f v", NONE);
    test_do(&server, "HSET {v}:row:1 stock lots");
    expect_untouched("[refused, 5, field stock is not a whole number]",
                     PROJECT "HINCRBY 5 2 stock 1", NONE);
    expect_untouched("[refused, 5, it is a hash, not a zset]", PROJECT "ZADD 5 2 1 m", NONE);
    test_do(&server, "XADD {v}:dead 18446744073709551615-18446744073709551615 f v");
    expect_untouched("[refused, 6, it takes no further entries]",
                     PROJECT "HSET 5 2 f v XADD 6 2 f v", NONE);
}

static void entries_of_a_refused_batch_are_taken_back(void **state)
{
    (void)state;
    test_do(&server, "XADD {v}:full 18446744073709551615-18446744073709551615 f v");
    expect("[refused, 5, it takes no further entries]",
           "FCALL weir_project 6 " KEYS_LIVE "{v}:full {v}:dead p %s {v}: 1 0 1 a 5-0 6-0"
           " XADD 6 2 f v XADD 5 2 f v",
           "");
    expect("0", "XLEN {v}:dead");
    expect("5-0", "HGET " LIVE " a");
}

static void keys_of_another_type_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {LIVE, STATUS, KINDS, DONE};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(state);
        test_do(&server, "SET %s text", cases[i]);
        expect_untouched("!WRONGTYPE*",
                         "FCALL weir_project 5 " KEYS_LIVE
                         "{v}:row:1 p %s {v}: 1 1 row 1 a 5-0 7-0 HSET 5 2 f v",
                         "");
    }
}

/* The checkpoint comes into being by the call itself; an operation on it has to fit. */
static void a_new_checkpoint_is_a_hash_for_operations_too(void **state)
{
    (void)state;
    test_do(&server, "DEL " LIVE);
    expect_untouched("[refused, 5, it is a hash, not a string]",
                     "FCALL weir_project 5 " KEYS_LIVE LIVE " p %s {v}: 1 0 1 a %s 1-0 SET 5 1 v",
                     NONE);
}

static void malformed_calls_write_nothing(void **state)
{
    (void)state;
    expect_untouched("!ERR*", "FCALL weir_project 2 " LIVE " {v}:row:1");
    expect_untouched("!ERR*", "FCALL weir_project 4 " KEYS_LIVE);
    expect_untouched("!ERR*", "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 1 0 x a 5-0 6-0", "");
    expect_untouched("!ERR*", "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 1 0 2 a 5-0 6-0", "");
    expect_untouched("!ERR*", "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 1 x 1 a 5-0 6-0", "");
    expect_untouched("!ERR*", "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 1 9 1 a 5-0 6-0", "");
    /* as it was before read models could be rebuilt */
    expect_untouched("!ERR*",
                     "FCALL weir_project 2 " LIVE " {v}:row:1 2 a 5-0 7-0 b %s 3-1"
                     " HSET 2 2 f v",
                     "");
}

static void without_memory_nothing_is_written(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    expect_untouched("!OOM*", PROJECT "HSET 5 2 f v", NONE);
    test_do(&server, "CONFIG SET maxmemory 0");
}

/* ---- Lives --------------------------------------------------------------------------------- */

static void a_life_may_end_at_a_given_time(void **state)
{
    (void)state;
    long long end = server_now() + 100000;
    expect("1", PROJECT "HSET 5 2 f v PEXPIREAT 5 1 %lld", NONE, end);
    assert_int_equal(test_ask_integer(&server, "PEXPIRETIME {v}:row:1"), end);
}

/* What comes behind it may have been in time: it finds the key, and the end that it was given. */
static void a_life_that_is_over_ends_soon(void **state)
{
    (void)state;
    static const char *const times[] = {"0", "1", "1700000000000"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        begin(state);
        test_do(&server, "HSET {v}:row:1 old 1 n 41");
        expect("1", PROJECT "HSET 5 2 f v PEXPIREAT 5 1 %s HINCRBY 5 2 n 1", NONE, times[i]);
        expect("[old, 1, n, 42, f, v]", "HGETALL {v}:row:1");
        assert_in_range(test_ask_integer(&server, "PTTL {v}:row:1"), 1, 60000);
        expect("7-0", "HGET " LIVE " a");
    }
}

/* It makes what comes behind it start from nothing, as a deletion does. */
static void sums_behind_a_life_that_is_over_are_checked(void **state)
{
    (void)state;
    test_do(&server, "HSET {v}:row:1 n -9000000000000000000");
    expect_untouched("[refused, 5, *",
                     PROJECT "XADD 6 2 f v PEXPIREAT 5 1 1 HINCRBY 5 2 n 9000000000000000000"
                             " HINCRBY 5 2 n 9000000000000000000",
                     NONE);
}

static void a_time_is_a_whole_number(void **state)
{
    (void)state;
    static const char *const times[] = {
        "-1", "x", "", "1.5", "1e3", "9007199254740994", "01", " 1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        expect_untouched("[refused, 5, the time is not a whole number of ms]",
                         PROJECT "HSET 5 2 f v PEXPIREAT 5 1 %s", NONE, times[i]);
    expect_untouched("[refused, 5, *", PROJECT "HSET 5 2 f v PEXPIREAT 5 0", NONE);
    expect_untouched("[refused, 5, *", PROJECT "HSET 5 2 f v PEXPIREAT 5 2 1 1", NONE);
    expect("1", PROJECT "HSET 5 2 f v PEXPIREAT 5 1 9007199254740992", NONE);
}

/* ---- Kinds --------------------------------------------------------------------------------- */

#define WITH_KINDS                                                                                 \
    "FCALL weir_project 5 " KEYS_LIVE "{v}:row:1 p %s {v}: 1 2 row sum 1 a 5-0 7-0 HSET 5 2 f v"

static void kinds_are_noted(void **state)
{
    (void)state;
    test_do(&server, "HSET " KINDS " other q sum p");
    expect("1", WITH_KINDS, "");
    expect("[p, p, q]", "HMGET " KINDS " row sum other");
    expect("v", "HGET {v}:row:1 f");
}

static void kinds_of_another_projection_are_refused(void **state)
{
    (void)state;
    test_do(&server, "HSET " KINDS " sum q");
    expect_untouched("[refused, 3, keys of the kind sum belong to the projection q]", WITH_KINDS,
                     "");
    test_do(&server, "HSET " LIVE " a 6-0");
    expect_untouched("[moved, a]", WITH_KINDS, "");
}

/* ---- The live model beside a rebuild ------------------------------------------------------- */

static void it_stands_still_while_keys_are_swapped(void **state)
{
    (void)state;
    static const char *const held[] = {"swapping", "comparing"};
    static const char *const free_phases[] = {"building", "sweeping", "looking", "clearing",
                                              "dropping"};
    for (size_t i = 0; i < 2; i++) {
        test_do(&server, "HSET " STATUS " rebuild r1 phase %s", held[i]);
        expect_untouched("[held]", PROJECT "HSET 5 2 f v", NONE);
    }
    for (size_t i = 0; i < sizeof free_phases / sizeof free_phases[0]; i++) {
        begin(state);
        test_do(&server, "HSET " STATUS " rebuild r1 phase %s paused 1", free_phases[i]);
        expect("1", PROJECT "HSET 5 2 f v", NONE);
    }
}

/* That it is held goes before all else: it is to come again, and then may be welcome. */
static void that_it_is_held_comes_first(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " rebuild r1 phase swapping");
    test_do(&server, "HSET " LIVE " a 6-0");
    expect_untouched("[held]", PROJECT "HSET 5 2 f v", NONE);
    test_do(&server, "HSET " KINDS " row q");
    expect_untouched("[held]", WITH_KINDS, "");
}

static void a_hold_ends_by_the_clock_of_the_server(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " rebuild r1 phase building hold %lld", server_now() + 100000);
    expect_untouched("[held]", PROJECT "HSET 5 2 f v", NONE);
    test_do(&server, "HSET " STATUS " hold %lld", server_now());
    expect("1", PROJECT "HSET 5 2 f v", NONE);
    begin(state);
    long long end = server_now() + 200;
    test_do(&server, "HSET " STATUS " rebuild r1 phase building hold %lld", end);
    while (strcmp(answer(PROJECT "HSET 5 2 f v", NONE), "[held]") == 0)
        test_pause();
    assert_true(server_now() >= end);
    expect("7-0", "HGET " LIVE " a");
}

static void what_it_writes_is_kept_from_the_sweep(void **state)
{
    (void)state;
    static const char *const phases[] = {"sweeping", "looking"};
    for (size_t i = 0; i < 2; i++) {
        begin(state);
        test_do(&server, "HSET " STATUS " rebuild r1 phase %s", phases[i]);
        expect("1",
               "FCALL weir_project 6 " KEYS_LIVE
               "{v}:row:1 {w}:row:2 p %s {v}: 1 0 1 a 5-0 7-0 HSET 5 2 f v HSET 6 2 f v",
               "");
        expect("[row:1]", "SMEMBERS " DONE);
    }
    begin(state);
    test_do(&server, "HSET " STATUS " rebuild r1 phase building");
    expect("1", PROJECT "HSET 5 2 f v", NONE);
    expect("0", "EXISTS " DONE);
}

/* ---- A rebuild's commits ------------------------------------------------------------------- */

static void a_rebuild_writes_while_it_is_built(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " rebuild r1 phase building folded 3 hold %lld",
            server_now() + 100000);
    expect("1", PROJECT_NEW "HSET 5 2 f v XADD 6 2 f v", "r1", "");
    expect("[a, 7-0]", "HGETALL " NEW);
    expect("[a, 5-0, c, 9-9]", "HGETALL " LIVE);
    expect("[row:1]", "SMEMBERS " WRITTEN); /* the dead letters are no key of the model */
    expect("5", "HGET " STATUS " folded");
    expect_untouched("[moved, a]", PROJECT_NEW "HSET 5 2 f v", "r1", "");
}

static void keys_that_it_deletes_are_noted_as_well(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " rebuild r1 phase building");
    expect("1", PROJECT_NEW "HSET 5 2 f v DEL 5 0", "r1", "");
    expect("[row:1]", "SMEMBERS " WRITTEN);
    expect("0", "EXISTS {v}:rebuild:p:row:1");
}

static void a_rebuild_that_is_over_or_paused_is_held(void **state)
{
    (void)state;
    static const char *const states[] = {
        "rebuild r2 phase building", /* a later one */
        "rebuild r1",                /* ended */
        "phase building",
        "rebuild r1 phase building paused 1",
        "rebuild r1 phase swapping",
        "rebuild r1 phase sweeping",
        "rebuild r1 phase comparing",
        "rebuild r1 phase looking",
        "rebuild r1 phase clearing",
        "rebuild r1 phase dropping",
    };
    expect_untouched("[held]", PROJECT_NEW "HSET 5 2 f v", "r1", "");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        char line[128];
        begin(state);
        snprintf(line, sizeof line, "HSET " STATUS " %s", states[i]);
        test_do(&server, line);
        expect_untouched("[held]", PROJECT_NEW "HSET 5 2 f v", "r1", "");
    }
}

static void the_names_of_thousands_of_keys_are_noted(void **state)
{
    (void)state;
    static struct words words;
    static char names[8000][40], places[8000][16];
    const char *const rest[] = {"p", "r1", "{v}:rebuild:p:", "1", "0", "1", "a", "", "7-0"};
    words.count = 0;
    test_do(&server, "HSET " STATUS " rebuild r1 phase building");
    for (const char *const *at = (const char *const[]){"FCALL", "weir_project", "8004", NEW, STATUS,
                                                       KINDS, WRITTEN, NULL};
         *at != NULL; at++)
        add_word(&words, *at);
    for (int i = 0; i < 8000; i++) {
        snprintf(names[i], sizeof names[i], "{v}:rebuild:p:row:%d", i);
        add_word(&words, names[i]);
    }
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++)
        add_word(&words, rest[i]);
    for (int i = 0; i < 8000; i++) {
        snprintf(places[i], sizeof places[i], "%d", 5 + i);
        add_word(&words, "DEL");
        add_word(&words, places[i]);
        add_word(&words, "0");
    }
    assert_string_equal(answer_words(&words), "1");
    expect("8000", "SCARD " WRITTEN);
    expect("1", "SISMEMBER " WRITTEN " row:7999");
}

/* ---- Rights -------------------------------------------------------------------------------- */

/* A batch with nearly everything in it, for a user who may not do one of the things. */
static void check_right(const char *command, bool rebuild)
{
    begin(NULL);
    test_do(&server, "HSET " STATUS " rebuild r1 phase %s", rebuild ? "building" : "sweeping");
    test_do(&server, "HSET " NEW " a 5-0");
    forbid(command);
    uint64_t before = dataset();
    const char *given = answer_to_ann(
        "FCALL weir_project 8 %s " STATUS " " KINDS
        " %s {v}:%srow:1 {v}:%sset:1 {v}:%srank:1 {v}:%ssum p %s {v}:%s 1 1 row 1 a 5-0 6-0"
        " HSET 5 2 f v HINCRBY 5 2 n 1 HDEL 5 1 g SADD 6 1 m SREM 6 1 n ZADD 7 2 1 m"
        " INCRBY 8 1 1 SET 8 1 2 PEXPIREAT 5 1 9000000000000 DEL 8 0",
        rebuild ? NEW : LIVE, rebuild ? WRITTEN : DONE, rebuild ? "rebuild:p:" : "",
        rebuild ? "rebuild:p:" : "", rebuild ? "rebuild:p:" : "", rebuild ? "rebuild:p:" : "",
        rebuild ? "r1" : "", rebuild ? "rebuild:p:" : "");
    if (strcmp(given, "1") != 0 && (given[0] != '!' || dataset() != before))
        fail_msg("without %s: %s", command, given);
    if (strcmp(command, "hset") == 0 || strcmp(command, "sadd") == 0)
        assert_int_equal(given[0], '!');
}

static void without_a_right_nothing_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COMMANDS; i++)
        check_right(commands[i], false);
}

static void a_rebuild_without_a_right_writes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COMMANDS; i++)
        check_right(commands[i], true);
}

static void a_rebuild_that_may_not_count_writes_nothing(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " rebuild r1 phase building");
    forbid("hincrby");
    uint64_t before = dataset();
    const char *given = answer_to_ann(PROJECT_NEW "HSET 5 2 f v", "r1", "");
    if (strcmp(given, "1") != 0)
        assert_int_equal(dataset(), before);
}

/* Entries that were made for nothing have to be taken back. */
static void without_the_right_to_take_back_nothing_is_appended(void **state)
{
    (void)state;
    test_do(&server, "XADD {v}:full 18446744073709551615-18446744073709551615 f v");
    forbid("xdel");
    uint64_t before = dataset();
    (void)answer_to_ann("FCALL weir_project 6 " KEYS_LIVE
                        "{v}:full {v}:dead p %s {v}: 1 0 1 a 5-0 6-0 XADD 6 2 f v XADD 5 2 f v",
                        "");
    assert_int_equal(dataset(), before);
}

/* What others can write to the status counts like any other state. */
static void a_count_that_is_none_is_found_first(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " rebuild r1 phase building folded many");
    uint64_t before = dataset();
    const char *given = answer(PROJECT_NEW "HSET 5 2 f v", "r1", "");
    if (strcmp(given, "1") != 0)
        assert_int_equal(dataset(), before);
}

static void incomplete_positions_write_nothing(void **state)
{
    (void)state;
    expect_untouched("!*", "FCALL weir_project 4 " KEYS_LIVE "p %s {v}: 1 0 2 a 5-0 7-0 b %s", "",
                     "");
}

#define EACH(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(positions_and_writes_move_together),
        EACH(the_same_batch_counts_once),
        EACH(one_stream_that_moved_stops_the_batch),
        EACH(a_first_batch_needs_no_checkpoint),
        EACH(stream_names_are_bytes),
        EACH(conflicts_and_refusals_write_nothing),
        EACH(entries_of_a_refused_batch_are_taken_back),
        EACH(keys_of_another_type_are_refused),
        EACH(a_new_checkpoint_is_a_hash_for_operations_too),
        EACH(malformed_calls_write_nothing),
        EACH(without_memory_nothing_is_written),
        EACH(a_life_may_end_at_a_given_time),
        EACH(a_life_that_is_over_ends_soon),
        EACH(sums_behind_a_life_that_is_over_are_checked),
        EACH(a_time_is_a_whole_number),
        EACH(kinds_are_noted),
        EACH(kinds_of_another_projection_are_refused),
        EACH(it_stands_still_while_keys_are_swapped),
        EACH(that_it_is_held_comes_first),
        EACH(a_hold_ends_by_the_clock_of_the_server),
        EACH(what_it_writes_is_kept_from_the_sweep),
        EACH(a_rebuild_writes_while_it_is_built),
        EACH(keys_that_it_deletes_are_noted_as_well),
        EACH(a_rebuild_that_is_over_or_paused_is_held),
        EACH(the_names_of_thousands_of_keys_are_noted),
        EACH(without_a_right_nothing_is_written),
        EACH(a_rebuild_without_a_right_writes_nothing),
        EACH(a_rebuild_that_may_not_count_writes_nothing),
        EACH(without_the_right_to_take_back_nothing_is_appended),
        EACH(a_count_that_is_none_is_found_first),
        EACH(incomplete_positions_write_nothing),
    };
    return cmocka_run_group_tests_name("project", tests, start_read_models, stop_read_models);
}
