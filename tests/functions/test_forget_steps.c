/* Functions that sweep up behind sagas: due steps, their records, the count of those in flight. */
#include "functions/functions.h"

#define FORGET "FCALL weir_forget_steps 3 {s}:steps {s}:step:a/x {s}:step:b/y a/x b/y"

static void only_what_is_over_is_due(void **state)
{
    (void)state;
    test_do(&server, "ZADD {s}:steps 1 a/x 2 b/y 9000000000000 c/z");
    expect("[a/x, b/y]", "FCALL weir_due_steps 1 {s}:steps 10");
    expect("[a/x]", "FCALL weir_due_steps 1 {s}:steps 1");
    test_do(&server, "DEL {s}:steps");
    expect("[]", "FCALL weir_due_steps 1 {s}:steps 10");
}

static void a_step_heard_of_again_keeps_its_record(void **state)
{
    (void)state;
    test_do(&server, "ZADD {s}:steps 1 a/x 9000000000000 b/y");
    test_do(&server, "HSET {s}:step:a/x execute 1");
    test_do(&server, "HSET {s}:step:b/y execute 1");
    expect("1", FORGET);
    expect("0", "EXISTS {s}:step:a/x");
    expect("1", "EXISTS {s}:step:b/y");
    expect("[b/y]", "ZRANGE {s}:steps 0 -1");
    expect("0", FORGET);
}

static void an_index_of_another_type_is_refused(void **state)
{
    (void)state;
    test_do(&server, "SET {s}:steps 1");
    test_do(&server, "HSET {s}:step:a/x execute 1");
    expect_untouched("!WRONGTYPE*", FORGET);
    expect_untouched("!WRONGTYPE*", "FCALL weir_due_steps 1 {s}:steps 10");
}

static void sets_are_counted_together(void **state)
{
    (void)state;
    test_do(&server, "ZADD {s}:one 1 a 2 b");
    test_do(&server, "ZADD {s}:two 1 c");
    expect("3", "FCALL weir_count 3 {s}:one {s}:two {s}:none");
    test_do(&server, "SET {s}:two 1");
}

#define EACH(test) cmocka_unit_test_setup(test, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(only_what_is_over_is_due),
        EACH(a_step_heard_of_again_keeps_its_record),
        EACH(an_index_of_another_type_is_refused),
        EACH(sets_are_counted_together),
    };
    return cmocka_run_group_tests_name("forget_steps", tests, start_functions, stop_functions);
}
