/* weir_rebuild_step: how a rebuilt model is swapped in, in pieces, and what is and is not removed.
 */
#include "read_models.h"

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* ---- Swapping ------------------------------------------------------------------------------ */

/* A live model and a rebuilt one, with a key of each type; those of the new one are longer. */
static void make_models(void)
{
    static const char *const lines[] = {
        "HSET {v}:row:1 name old extra 1",
        "SADD {v}:set:1 old both",
        "ZADD {v}:rank:1 1 old 2 both",
        "SET {v}:sum old",
        "HSET {v}:row:gone name old",
        "SET {v}:row:other 1",
        "HSET {v}:rebuild:p:row:1 name new",
        "SADD {v}:rebuild:p:set:1 new both",
        "ZADD {v}:rebuild:p:rank:1 3 new 4 both",
        "SET {v}:rebuild:p:sum new",
        "HSET {v}:rebuild:p:row:new name new",
        "SADD {v}:rebuild:p:row:other member",
        "PEXPIREAT {v}:rebuild:p:set:1 9000000000000",
        "PEXPIREAT {v}:row:1 8000000000000",
        "PEXPIREAT {v}:rebuild:p:sum 9000000000001",
        "PEXPIREAT {v}:sum 8000000000001",
        "SADD " WRITTEN " row:1 set:1 rank:1 sum row:gone row:new row:other",
        "HSET " LIVE " a 5-0 c 9-9",
        "HSET " NEW " a 6-0 b 7-0",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        test_do(&server, lines[i]);
}

static void expect_new_model(void)
{
    expect("[name, new]", "HGETALL {v}:row:1");
    expect("[0, 1, 1]", "SMISMEMBER {v}:set:1 old new both");
    expect("[new, 3, both, 4]", "ZRANGE {v}:rank:1 0 -1 WITHSCORES");
    expect("new", "GET {v}:sum");
    expect("0", "EXISTS {v}:row:gone");
    expect("[name, new]", "HGETALL {v}:row:new");
    expect("[member]", "SMEMBERS {v}:row:other");
    expect("-1", "PTTL {v}:row:1");
    expect("9000000000000", "PEXPIRETIME {v}:set:1");
    expect("9000000000001", "PEXPIRETIME {v}:sum");
    expect("[a, 6-0, b, 7-0]", "HGETALL " LIVE);
}

static void keys_of_all_types_are_swapped_with_their_lives(void **state)
{
    (void)state;
    make_models();
    set_phase("swapping");
    expect("[sweeping]", STEP);
    expect_new_model();
    expect("0", "EXISTS " NEW " " WRITTEN);
    expect("7", "SCARD " DONE);
    expect("7", "HGET " STATUS " moved");
    expect("[]", "KEYS {v}:rebuild:p:*");
}

/* Each key is old or new at any time, and only those of the piece have changed. */
static void keys_are_swapped_in_pieces(void **state)
{
    (void)state;
    make_models();
    set_phase("swapping");
    for (int piece = 1; piece <= 3; piece++) {
        expect("[swapping]", STEP_OF("r1", "2"));
        assert_int_equal(atoi(answer("SCARD " DONE)), 2 * piece);
        assert_int_equal(atoi(answer("SCARD " WRITTEN)), 7 - 2 * piece);
        expect("[a, 5-0, c, 9-9]", "HGETALL " LIVE);
        expect("[a, 6-0, b, 7-0]", "HGETALL " NEW);
        bool swapped = is(answer("SISMEMBER " DONE " row:1"), "1");
        expect(swapped ? "[name, new]" : "[name, old, extra, 1]", "HGETALL {v}:row:1");
        expect(swapped ? "0" : "1", "EXISTS {v}:rebuild:p:row:1");
    }
    expect("[sweeping]", STEP_OF("r1", "2"));
    expect_new_model();
    expect("7", "HGET " STATUS " moved");
}

/* Whoever repeats a step whose answer was lost, or comes late, does the next piece. */
static void any_step_may_be_another_ones(void **state)
{
    (void)state;
    make_models();
    for (int i = 0; i < 40 && !is(answer(STEP_OF("r1", "1")), "[]"); i++)
        expect_untouched("[]", STEP_OF("r2", "1"));
    expect_new_model();
    expect_untouched("[]", STEP);
}

static void a_model_may_become_empty(void **state)
{
    (void)state;
    make_models();
    test_do(&server, "DEL " WRITTEN " " NEW " " LIVE);
    set_phase("swapping");
    expect("[sweeping]", STEP);
    expect("0", "EXISTS " LIVE);
    expect("[clearing]", STEP);
    expect("0", "EXISTS {v}:row:1 {v}:set:1 {v}:rank:1 {v}:sum");
}

/* ---- Sweeping ------------------------------------------------------------------------------ */

static void what_only_the_old_model_has_is_swept(void **state)
{
    (void)state;
    make_models();
    static const char *const strangers[] = {
        "{v}:other:1", "{v}:person:1", "{v}:rowing:1",        "{v}:ro",
        "{vv}:row:1",  "{w}:row:1",    "x{v}:row:1",          "{v}row:1",
        "row:1",       "{V}:row:1",    "{v}:rebuild:q:row:1", "{v}::row",
    };
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
        test_do(&server, "SET %s 1", strangers[i]);
    test_do(&server, "MSET {v}:row 1 {v}:row: 1 {v}:row:a:b 1 {v}:row:%b 1", "\0\xff*", (size_t)3);
    step_to_the_end(10);
    expect_new_model();
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
        if (is(answer("EXISTS %s", strangers[i]), "0"))
            fail_msg("%s is gone", strangers[i]);
    expect("0", "EXISTS {v}:row {v}:row: {v}:row:a:b {v}:row:%b", "\0\xff*", (size_t)3);
}

/* The same in a namespace that would match others if it were taken for a pattern. */
static void check_namespace(const char *prefix, const char *other)
{
    begin_rebuild(NULL);
    set_phase("sweeping");
    test_do(&server, "SET %s{v}:row:1 1", prefix);
    test_do(&server, "SET %s{v}:row:2 1", other);
    test_do(&server, "SADD " DONE " row:3");
    test_do(&server, "SET %s{v}:row:3 1", prefix);
    expect("[clearing]", STEP_KEYS " r1 p %s{v}: %s{v}:rebuild:p: 200 1000 a", prefix, prefix);
    if (!is(answer("EXISTS %s{v}:row:1", prefix), "0") ||
        !is(answer("EXISTS %s{v}:row:3 %s{v}:row:2", prefix, other), "2"))
        fail_msg("%s, beside %s", prefix, other);
}

static void a_namespace_is_no_pattern(void **state)
{
    (void)state;
    check_namespace("*", "a");
    check_namespace("a*", "ab");
    check_namespace("?:", "a:");
    check_namespace("[ab]:", "a:");
    check_namespace("[^a]:", "b:");
    check_namespace("a\\", "a");
    check_namespace("a\\b", "ab");
    check_namespace("\\*", "*");
    check_namespace("[a-c]", "b");
    check_namespace("a]", "a");
    check_namespace("^", "a");
}

static void sweeping_goes_on_where_it_was(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        test_do(&server, "SET {v}:row:old%d 1", i);
        test_do(&server, "SET {v}:person:%d 1", i);
    }
    set_phase("sweeping");
    expect("[sweeping]", STEP);
    /* the live model goes on meanwhile */
    expect("1",
           "FCALL weir_project 5 " LIVE " " STATUS " " KINDS " " DONE " {v}:row:live p %s {v}:"
           " 1 0 1 a %s 1-0 HSET 5 2 f v",
           "", "");
    step_to_the_end(100);
    expect("[{v}:row:live]", "KEYS {v}:row:*");
    expect("3000", "EVAL %s 0", "return #redis.call('KEYS', '{v}:person:*')");
}

/* ---- Dropping and clearing ----------------------------------------------------------------- */

static void what_was_given_up_is_dropped_in_pieces(void **state)
{
    (void)state;
    make_models();
    expect("[abandoned, r1]", REBUILD "abandon");
    for (int piece = 1; piece <= 3; piece++) {
        expect("[dropping]", STEP_OF("r1", "2"));
        assert_int_equal(atoi(answer("SCARD " WRITTEN)), 7 - 2 * piece);
    }
    expect("[clearing]", STEP_OF("r1", "2"));
    expect("[]", STEP);
    expect("[abandoned, nil, nil]", "HMGET " STATUS " outcome phase cursor");
    expect("0", "EXISTS " NEW " " WRITTEN " " DONE);
    expect("[]", "KEYS {v}:rebuild:p:*");
    expect("[name, old, extra, 1]", "HGETALL {v}:row:1");
    expect("old", "GET {v}:sum");
    expect("[a, 5-0, c, 9-9]", "HGETALL " LIVE);
    expect_untouched("[]", STEP);
    expect("[started, r2]", REBUILD "start r2 verify 0");
}

static void in_the_end_only_the_outcome_is_left(void **state)
{
    (void)state;
    long long before = server_now();
    make_models();
    test_do(&server, "RPUSH " DIFFERENCES " row:1 x");
    step_to_the_end(10);
    expect("[r1, rebuild, done, nil, nil, nil, nil]",
           "HMGET " STATUS " rebuild task outcome phase hold paused cursor");
    assert_in_range(atoll(answer("HGET " STATUS " endedAt")), before, server_now());
    expect("0", "EXISTS " NEW " " WRITTEN " " DONE);
    expect("1", "EXISTS " DIFFERENCES);
    expect("[refused, nothing is under way]", REBUILD "abandon");
}

static void a_failed_one_stays_failed(void **state)
{
    (void)state;
    make_models();
    expect("1", "FCALL weir_rebuild_note 1 " STATUS " r1 phase dropping outcome failed why gone");
    step_to_the_end(10);
    expect("[failed, gone]", "HMGET " STATUS " outcome why");
    expect("[name, old, extra, 1]", "HGETALL {v}:row:1");
}

/* A rebuild doubles the memory that a model takes: giving it up has to give that back. */
static void giving_up_needs_no_memory(void **state)
{
    (void)state;
    make_models();
    test_do(&server, "CONFIG SET maxmemory 1");
    const char *given = answer(REBUILD "abandon");
    if (strcmp(given, "[abandoned, r1]") == 0)
        given = answer(STEP);
    test_do(&server, "CONFIG SET maxmemory 0");
    if (strcmp(given, "[clearing]") != 0)
        fail_msg("answer %s", given);
}

#define EACH(test) cmocka_unit_test_setup(test, begin_rebuild)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(keys_of_all_types_are_swapped_with_their_lives),
        EACH(keys_are_swapped_in_pieces),
        EACH(any_step_may_be_another_ones),
        EACH(a_model_may_become_empty),
        EACH(what_only_the_old_model_has_is_swept),
        EACH(a_namespace_is_no_pattern),
        EACH(sweeping_goes_on_where_it_was),
        EACH(what_was_given_up_is_dropped_in_pieces),
        EACH(in_the_end_only_the_outcome_is_left),
        EACH(a_failed_one_stays_failed),
        EACH(giving_up_needs_no_memory),
    };
    return cmocka_run_group_tests_name("rebuild steps", tests, start_read_models, stop_read_models);
}
