/* weir_project: a batch of events is folded once, whoever folds it, and its position moves with
 * what it writes. */
#include "functions.h"

/* Streams a and b folded from "5-0" and from the beginning. */
#define PROJECT "FCALL weir_project 2 {v}:checkpoint {v}:row 2 a 5-0 7-0 b %b 3-1 "
#define NONE "", (size_t)0

static int begin(void **state)
{
    empty(state);
    test_do(&server, "HSET {v}:checkpoint a 5-0 c 9-9");
    return 0;
}

static void positions_and_writes_move_together(void **state)
{
    (void)state;
    expect("1", PROJECT "HSET 2 2 price 5 HINCRBY 2 2 stock -1", NONE);
    expect("[a, 7-0, c, 9-9, b, 3-1]", "HGETALL {v}:checkpoint");
    expect("[price, 5, stock, -1]", "HGETALL {v}:row");
}

static void the_same_batch_counts_once(void **state)
{
    (void)state;
    expect("1", PROJECT "HINCRBY 2 2 stock 1", NONE);
    expect_untouched("[moved, a]", PROJECT "HINCRBY 2 2 stock 1", NONE);
    expect("1", "HGET {v}:row stock");
}

static void one_stream_that_moved_stops_the_batch(void **state)
{
    (void)state;
    test_do(&server, "HSET {v}:checkpoint b 1-0");
    expect_untouched("[moved, b]", PROJECT "HSET 2 2 f v", NONE);
    test_do(&server, "DEL {v}:checkpoint");
    expect_untouched("[moved, a]", PROJECT "HSET 2 2 f v", NONE);
    test_do(&server, "HSET {v}:checkpoint a 5-00");
    expect_untouched("[moved, a]", PROJECT "HSET 2 2 f v", NONE);
}

static void a_first_batch_needs_no_checkpoint(void **state)
{
    (void)state;
    test_do(&server, "DEL {v}:checkpoint");
    expect("1", "FCALL weir_project 1 {v}:checkpoint 1 a %b 1-0", NONE);
    expect("1", "FCALL weir_project 1 {v}:checkpoint 0"); /* nothing to do is done */
    expect("[a, 1-0]", "HGETALL {v}:checkpoint");
}

static void positions_move_without_writes(void **state)
{
    (void)state;
    expect("1", PROJECT, NONE);
    expect("[a, 7-0, c, 9-9, b, 3-1]", "HGETALL {v}:checkpoint");
    expect("0", "EXISTS {v}:row");
}

static void conflicts_and_refusals_write_nothing(void **state)
{
    (void)state;
    expect_untouched("[conflict, 2]", PROJECT "HSET 2 2 f v EXISTS 2 1 1", NONE);
    expect_untouched("[conflict, 2]", PROJECT "EXPECT 2 2 f =1 HSET 2 2 f v", NONE);
    expect_untouched("[refused, 2, malformed operation]", PROJECT "FROB 2 1 x", NONE);
    expect_untouched("[refused, 3, malformed operation]", PROJECT "HSET 3 2 f v", NONE);
    expect_untouched("[refused, 1, it is a hash, not a set]", PROJECT "SADD 1 1 x", NONE);
    test_do(&server, "HSET {v}:row stock lots");
    expect_untouched("[refused, 2, field stock is not a whole number]",
                     PROJECT "HINCRBY 2 2 stock 1", NONE);
    expect_untouched("[refused, 2, it is a hash, not a zset]", PROJECT "ZADD 2 2 1 m", NONE);
    /* moved goes first: what is stored is another runner's, and newer */
    expect_untouched("[moved, a]", "FCALL weir_project 2 {v}:checkpoint {v}:row 1 a 1-0 2-0"
                                   " SADD 2 1 m");
}

static void a_checkpoint_of_another_type_is_an_error(void **state)
{
    (void)state;
    test_do(&server, "SET {v}:text 1");
    expect_untouched("!WRONGTYPE*", "FCALL weir_project 2 {v}:text {v}:row 1 a %b 1-0 HSET 2 2 f v",
                     NONE);
}

/* The checkpoint comes into being by the call itself; an operation on it has to fit. */
static void a_new_checkpoint_is_a_hash_for_operations_too(void **state)
{
    (void)state;
    expect_untouched("[refused, 1, it is a hash, not a string]",
                     "FCALL weir_project 1 {v}:new 1 a %b 1-0 SET 1 1 v", NONE);
}

static void malformed_calls_write_nothing(void **state)
{
    (void)state;
    expect_untouched("!ERR*", "FCALL weir_project 2 {v}:checkpoint {v}:row");
    expect_untouched("!ERR*", "FCALL weir_project 2 {v}:checkpoint {v}:row x a 5-0 6-0");
    expect_untouched("!ERR*", "FCALL weir_project 2 {v}:checkpoint {v}:row 2 a 5-0 6-0");
}

static void stream_names_are_bytes(void **state)
{
    (void)state;
    const char name[] = "a\0\xff\r\n";
    expect("1", "FCALL weir_project 1 {v}:checkpoint 1 %b %b 1-0", name, sizeof name, NONE);
    expect_untouched("[moved, a\\x00\\xff\\x0d\\x0a\\x00]",
                     "FCALL weir_project 1 {v}:checkpoint 1 %b %b 1-0", name, sizeof name, NONE);
    expect("1-0", "HGET {v}:checkpoint %b", name, sizeof name);
}

static void without_memory_nothing_is_written(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    expect_untouched("!OOM*", PROJECT "HSET 2 2 f v", NONE);
    test_do(&server, "CONFIG SET maxmemory 0");
}

#define EACH(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(positions_and_writes_move_together),
        EACH(the_same_batch_counts_once),
        EACH(one_stream_that_moved_stops_the_batch),
        EACH(a_first_batch_needs_no_checkpoint),
        EACH(positions_move_without_writes),
        EACH(conflicts_and_refusals_write_nothing),
        EACH(a_checkpoint_of_another_type_is_an_error),
        EACH(a_new_checkpoint_is_a_hash_for_operations_too),
        EACH(malformed_calls_write_nothing),
        EACH(stream_names_are_bytes),
        EACH(without_memory_nothing_is_written),
    };
    return cmocka_run_group_tests_name("project", tests, start_functions, stop_functions);
}
