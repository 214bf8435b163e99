/* Commands whose data cannot be made up: taken back before anything is written. */
#include "scenario.h"

static const struct scenario_limits once = {.timeout = 100, .backoff = 40, .attempts = 1};

/* The pivot is under way: "a" is done, "b" sent. */
static struct scenario at_pivot(struct scenario_limits limits)
{
    struct scenario s = scenario_new("a b*:a c+:b", limits);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    return s;
}

static void unsendable_step_is_not_undone(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a c:a d?:a", once);
    scenario_start(&s);
    s.now += 5;
    executed(&s, 'a', SUCCEEDED);
    assert_string_equal(unsendable(&s, 'b', "field x: $.x leads to nothing"),
                        "compensating: a compensating b failed c skipped d timed-out; "
                        "compensate a#1/1; SagaCompensating");
    assert_string_equal(s.saga.reason, "b: field x: $.x leads to nothing");
    assert_string_equal(s.saga.steps[1].error, "field x: $.x leads to nothing");
    assert_int_equal(s.saga.steps[1].attempts + s.saga.steps[2].attempts, 0);
    assert_int_equal(s.saga.steps[1].sent_at, 0);
    assert_int_equal(s.effects.changed_steps, 15);
    assert_int_equal(s.effects.wake_at, s.now + 100);
    assert_string_equal(unsendable(&s, 'b', "again"), "stale");
    scenario_close(&s);
}

static void unsendable_repetition_may_have_had_its_effect(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a", (struct scenario_limits){.timeout = 9, .attempts = 2});
    scenario_start(&s);
    scenario_sleep(&s);
    assert_string_equal(unsendable(&s, 'a', "too large"),
                        "compensating: a compensating; compensate a#1/1; SagaCompensating");
    assert_string_equal(unsendable(&s, 'a', "too large"),
                        "suspended: a compensating; SagaCompensating; SagaSuspended");
    assert_string_equal(s.saga.reason, "compensation of a: too large");
    assert_string_equal(resumed(&s, "a", false), "compensating: a compensating; compensate a#1/1");
    scenario_close(&s);
}

static void unsendable_pivot_and_what_is_behind(void **state)
{
    (void)state;
    struct scenario_limits limits = {.timeout = 9, .attempts = 2};
    struct scenario s = at_pivot(limits);
    assert_string_equal(unsendable(&s, 'b', "no"), "compensating: a compensating b failed c "
                                                   "skipped; compensate a#1/1; SagaCompensating");
    scenario_close(&s);
    s = at_pivot(limits);
    scenario_sleep(&s);
    assert_string_equal(unsendable(&s, 'b', "no"),
                        "suspended: a succeeded b running c pending; SagaSuspended");
    scenario_close(&s);
    s = at_pivot(limits);
    executed(&s, 'b', SUCCEEDED);
    assert_string_equal(unsendable(&s, 'c', "no"),
                        "suspended: a succeeded b succeeded c running; SagaSuspended");
    assert_string_equal(s.saga.reason, "c: no");
    assert_string_equal(resumed(&s, "c", false),
                        "running: a succeeded b succeeded c running; execute c#1/1");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsendable_step_is_not_undone),
        cmocka_unit_test(unsendable_repetition_may_have_had_its_effect),
        cmocka_unit_test(unsendable_pivot_and_what_is_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
