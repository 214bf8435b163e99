/* Ended sagas leave the server when the coordinator that began them has said, and their places in
 * the indexes go behind them, whatever the coordinators of today are told. */
#include "integration/step_moves.h"

enum { STAY = 1200 }; /* more than one call looks at */

/* Sagas as they are left behind, the oldest first. */
static void leave(const char *state, int first, int count)
{
    test_do(&server, "EVAL %s 0 %s %d %d",
            "for i = ARGV[2], ARGV[2] + ARGV[3] - 1 do "
            "  redis.call('HSET', '{sagas}:saga:s' .. i, 'state', ARGV[1]) "
            "  redis.call('ZADD', '{sagas}:state:' .. ARGV[1], i, 's' .. i) "
            "end",
            state, first, count);
}

static bool listed(const char *state, const char *saga)
{
    char *score = test_ask_text(&server, "ZSCORE {sagas}:state:%s %s", state, saga);
    free(score);
    return score != NULL;
}

/* They were begun by a coordinator that let them stay longer. */
static void their_places_do_not_go_before_them(void **state)
{
    (void)state;
    leave("completed", 1, STAY);
    leave("compensated", 10001, 3);
    test_do(&server, "ZADD {sagas}:state:completed 0 first %d last", STAY + 1);
    test_do(&server, "ZADD {sagas}:state:compensated 0 first 20000 last");
    struct test_worker one = test_coordinator_start(&server, "c0", OPTIONS("--retention", "1s"));
    AWAIT(!listed("compensated", "last"));
    assert_false(listed("completed", "first") || listed("completed", "last"));
    assert_false(listed("compensated", "first"));
    assert_int_equal(test_sagas_in(&server, "completed"), STAY);
    assert_int_equal(test_sagas_in(&server, "compensated"), 3);
    test_worker_end_well(&one);
}

/* From beginning to end: the hash goes by itself, its place when that is seen. */
static void a_saga_goes_with_its_place(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator =
        test_coordinator_start(&server, "c0", OPTIONS("--retention", "300ms"));
    test_define(&server, "chain", 1, CHAIN);
    test_saga_begin(&server, "s", "chain", "{}");
    AWAIT(test_ask_integer(&server, "EXISTS {sagas}:saga:s") == 1);
    test_worker_end_well(&coordinator);
    coordinator = test_coordinator_start(&server, "c0", NULL); /* for 7 days */
    AWAIT(listed("completed", "s"));
    AWAIT(test_ask_integer(&server, "EXISTS {sagas}:saga:s") == 0);
    test_worker_end_well(&coordinator);
    coordinator = test_coordinator_start(&server, "c0", OPTIONS("--retention", "300ms"));
    AWAIT(!listed("completed", "s"));
    test_worker_end_well(&coordinator);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(their_places_do_not_go_before_them),
        CASE(a_saga_goes_with_its_place),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
