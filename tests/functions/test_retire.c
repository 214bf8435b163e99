/* weir_retire: a reader goes when nobody uses it, or by force, and only that one. */
#include "functions.h"

#define RETIRE "FCALL weir_retire 2 {s}:events {s}:readers "

/* Ten events, the groups "one", which has read and finished 1-1 to 4-1, and "two", and a
 * projection. The consumer of "one" was last heard of a while ago. */
static int publish(void **state)
{
    empty(state);
    test_do(&server, "CONFIG SET stream-node-max-entries 1"); /* age trims whole nodes */
    for (int i = 1; i <= 10; i++)
        test_do(&server, "XADD {s}:events %d-1 type T", i);
    test_do(&server, "XGROUP CREATE {s}:events one 0");
    test_do(&server, "XGROUP CREATE {s}:events two 2-1");
    test_do(&server, "XREADGROUP GROUP one w COUNT 4 STREAMS {s}:events >");
    test_do(&server, "XACK {s}:events one 1-1 2-1 3-1 4-1");
    test_do(&server, "HSET {s}:readers views/shop 7-1 views/other 3-1");
    return 0;
}

/* Until the consumer of "one" has been silent for a ms. */
static void let_time_pass(void)
{
    long long idle = 0;
    while (idle < 1) {
        redisReply *consumers = test_ask(&server, "XINFO CONSUMERS {s}:events one");
        assert_string_equal(consumers->element[0]->element[4]->str, "idle");
        idle = consumers->element[0]->element[5]->integer;
        freeReplyObject(consumers);
    }
}

static void wrong_types_and_missing_rights_write_nothing(void **state)
{
    (void)state;
    test_do(&server, "SET {s}:text 1");
    expect_untouched("!WRONGTYPE*", "FCALL weir_retire 2 {s}:text {s}:readers one 0 0");
    expect_untouched("!WRONGTYPE*", "FCALL weir_retire 2 {s}:events {s}:text two 0 0");
    test_do(&server, "ACL SETUSER default -xgroup|destroy");
    expect_untouched("!*", RETIRE "two 0 0");
    test_do(&server, "ACL SETUSER default +@all -hdel");
    expect_untouched("!*", RETIRE "views/shop 0 0");
    test_do(&server, "ACL SETUSER default +@all");
    expect_untouched("!*", RETIRE "one x 0");
}

static void who_is_not_there_cannot_go(void **state)
{
    (void)state;
    expect_untouched("[none]", RETIRE "three 0 0");
    expect_untouched("[none]", RETIRE "views 0 1");
    expect_untouched("[none]", RETIRE "ONE 0 1");
    test_do(&server, "FLUSHALL");
    expect_untouched("[none]", RETIRE "one 0 1");
    test_do(&server,
            "HSET {s}:readers views/shop 7-1"); /* of a service that has published nothing */
    expect("[projection, 7-1]", RETIRE "views/shop 0 0");
    assert_int_equal(test_ask_integer(&server, "DBSIZE"), 0);
}

static void a_silent_group_goes_alone(void **state)
{
    (void)state;
    let_time_pass();
    expect("[group, 4-1]", RETIRE "one 1 0");
    expect("[none]", RETIRE "one 1 0");
    expect("1", "EVAL %s 1 {s}:events", "return #redis.call('XINFO', 'GROUPS', KEYS[1])");
    expect("[group, 2-1]", RETIRE "two 1 0");
    expect("10", "XLEN {s}:events");
    expect("2", "HLEN {s}:readers");
}

static void an_active_group_stays(void **state)
{
    (void)state;
    expect_untouched("[active, w, *", RETIRE "one 86400000 0");
    expect("[group, 2-1]", RETIRE "two 86400000 0"); /* has no consumers */
    expect("[group, 4-1]", RETIRE "one 86400000 1");
}

static void a_group_with_pending_entries_stays(void **state)
{
    (void)state;
    test_do(&server, "XREADGROUP GROUP one w COUNT 3 STREAMS {s}:events >");
    let_time_pass();
    expect_untouched("[pending, 3]", RETIRE "one 1 0");
    expect("[group, 7-1]", RETIRE "one 1 1");
}

static void a_projection_goes_alone(void **state)
{
    (void)state;
    expect("[projection, 7-1]", RETIRE "views/shop 86400000 0");
    expect("3-1", "HGET {s}:readers views/other");
    test_do(&server, "HSET {s}:readers views/other nonsense");
    expect("[projection, nonsense]", RETIRE "views/other 0 0");
    expect("0", "EXISTS {s}:readers");
}

static void of_one_name_the_group_goes_first(void **state)
{
    (void)state;
    test_do(&server, "HSET {s}:readers two 9-1");
    expect("[group, 2-1]", RETIRE "two 0 0");
    expect("[projection, 9-1]", RETIRE "two 0 0");
    expect("[none]", RETIRE "two 0 0");
}

static void events_may_go_afterwards(void **state)
{
    (void)state;
    test_do(&server, "HDEL {s}:readers views/shop");
    expect("[1, two, 2-1, 3-1, *", "FCALL weir_trim 2 {s}:events {s}:readers 0 1000 0");
    expect("[group, 2-1]", RETIRE "two 0 0");
    expect("[1, views/other, 3-1, 4-1, *", "FCALL weir_trim 2 {s}:events {s}:readers 0 1000 0");
    expect("[projection, 3-1]", RETIRE "views/other 0 0");
    expect("[1, one, 4-1, 5-1, *", "FCALL weir_trim 2 {s}:events {s}:readers 0 1000 0");
    expect("[group, 4-1]", RETIRE "one 0 0");
    expect("[7]", "FCALL weir_trim 2 {s}:events {s}:readers 0 1000 0");
}

static void goes_without_memory(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    expect("[group, 2-1]", RETIRE "two 0 0");
    expect("[projection, 7-1]", RETIRE "views/shop 0 0");
    test_do(&server, "CONFIG SET maxmemory 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(wrong_types_and_missing_rights_write_nothing, publish),
        cmocka_unit_test_setup(who_is_not_there_cannot_go, publish),
        cmocka_unit_test_setup(a_silent_group_goes_alone, publish),
        cmocka_unit_test_setup(an_active_group_stays, publish),
        cmocka_unit_test_setup(a_group_with_pending_entries_stays, publish),
        cmocka_unit_test_setup(a_projection_goes_alone, publish),
        cmocka_unit_test_setup(of_one_name_the_group_goes_first, publish),
        cmocka_unit_test_setup(events_may_go_afterwards, publish),
        cmocka_unit_test_setup(goes_without_memory, publish),
    };
    return cmocka_run_group_tests_name("retire", tests, start_functions, stop_functions);
}
