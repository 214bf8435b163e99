/* A success that is not durable yet: the saga stands still, counts no attempt, and still keeps its
 * deadline. */
#include "saga/waiting.h"
#include "scenario.h"

#define LIFE 60000 /* of a success that was heard: at least so long nothing is sent again */

static const struct scenario_limits once = {.timeout = 5000, .backoff = 0, .attempts = 1};
static const struct scenario_limits thrice = {.timeout = 5000, .backoff = 10, .attempts = 3};

static const char *heard(struct scenario *s, enum weir_step_action action, char step,
                         unsigned number)
{
    struct weir_saga_input input = scenario_reply(action, step, number, SUCCEEDED);
    input.unconfirmed = "1 replica";
    return scenario_input(s, input);
}

static struct scenario begun(const char *steps, struct scenario_limits limits)
{
    struct scenario s = scenario_new(steps, limits);
    scenario_start(&s);
    return s;
}

static void the_step_stays_and_its_limit_is_renewed(void **state)
{
    (void)state;
    struct scenario s = begun("a b:a", once);
    int64_t began = s.now;
    s.now += 4000;
    assert_string_equal(heard(&s, WEIR_STEP_EXECUTE, 'a', 1), "running: a running b pending");
    assert_int_equal(s.effects.wake_at, s.now + LIFE);
    assert_int_equal(s.saga.steps[0].heard_at, s.now);
    assert_int_equal(s.saga.steps[0].attempts, 1);
    assert_null(s.saga.steps[0].result);
    s.now = began + 5000; /* when it would have run out */
    assert_string_equal(scenario_wake(&s), "stale");
    assert_string_equal(executed(&s, 'a', SUCCEEDED),
                        "running: a succeeded b running; execute b#1/1");
    assert_null(s.saga.steps[0].awaits);
    assert_int_equal(s.saga.steps[0].heard_at, 0);
    scenario_close(&s);
}

static void what_is_known_is_not_written_again_until_it_gets_short(void **state)
{
    (void)state;
    struct scenario s = begun("a", once);
    heard(&s, WEIR_STEP_EXECUTE, 'a', 1);
    int64_t first = s.now;
    s.now += LIFE / 2 - 1;
    assert_string_equal(heard(&s, WEIR_STEP_EXECUTE, 'a', 1), "stale");
    assert_int_equal(s.effects.wake_at, first + LIFE);
    s.now += 1;
    assert_string_equal(heard(&s, WEIR_STEP_EXECUTE, 'a', 1), "running: a running");
    assert_int_equal(s.effects.wake_at, s.now + LIFE);
    assert_int_equal(s.saga.steps[0].heard_at, first);
    struct weir_saga_input other = scenario_reply(WEIR_STEP_EXECUTE, 'a', 1, SUCCEEDED);
    other.unconfirmed = "the disk";
    assert_string_equal(scenario_input(&s, other), "running: a running");
    assert_string_equal(s.saga.steps[0].awaits, "the disk");
    scenario_close(&s);
}

/* The reply comes again well within the limit; where it does not, it is lost. */
static void what_is_not_heard_again_is_sent_again(void **state)
{
    (void)state;
    struct scenario s = begun("a", thrice);
    heard(&s, WEIR_STEP_EXECUTE, 'a', 1);
    scenario_sleep(&s);
    assert_null(s.saga.steps[0].awaits);
    assert_true(s.saga.steps[0].waiting_to_send);
    assert_string_equal(scenario_sleep(&s), "running: a running; execute a#1/2");
    scenario_close(&s);
}

static void the_deadline_of_the_saga_counts(void **state)
{
    (void)state;
    struct scenario_limits limits = once;
    limits.saga_timeout = 20000;
    struct scenario s = begun("a b:a", limits);
    heard(&s, WEIR_STEP_EXECUTE, 'a', 1);
    assert_int_equal(s.effects.wake_at, SCENARIO_START + 20000);
    assert_string_equal(scenario_sleep(&s), "compensating: a compensating b skipped; "
                                            "compensate a#1/1; SagaCompensating");
    assert_null(s.saga.steps[0].awaits);
    scenario_close(&s);
}

static void a_compensation_waits_as_well(void **state)
{
    (void)state;
    struct scenario s = begun("a b:a", once);
    executed(&s, 'a', SUCCEEDED);
    executed(&s, 'b', REFUSED);
    assert_string_equal(heard(&s, WEIR_STEP_COMPENSATE, 'a', 1),
                        "compensating: a compensating b failed");
    assert_int_equal(s.saga.steps[0].compensation_attempts, 1);
    assert_string_equal(compensated(&s, 'a', 1, SUCCEEDED),
                        "compensated: a compensated b failed; SagaCompensated");
    scenario_close(&s);
}

/* An operator has to decide, or the answer has to count; that it was heard does neither. */
static void a_suspended_saga_stays_so(void **state)
{
    (void)state;
    struct scenario s = begun("a*", once);
    assert_string_equal(scenario_sleep(&s), "suspended: a running; SagaSuspended");
    assert_string_equal(heard(&s, WEIR_STEP_EXECUTE, 'a', 1), "suspended: a running");
    assert_true(weir_step_is_stuck(&s.saga.steps[0]));
    assert_string_equal(heard(&s, WEIR_STEP_EXECUTE, 'a', 1), "stale");
    assert_string_equal(executed(&s, 'a', SUCCEEDED), "completed: a succeeded; SagaCompleted");
    scenario_close(&s);
}

static void nothing_is_sent_while_it_backs_off(void **state)
{
    (void)state;
    struct scenario s = begun("a", thrice);
    scenario_sleep(&s);
    assert_true(s.saga.steps[0].waiting_to_send);
    heard(&s, WEIR_STEP_EXECUTE, 'a', 1); /* late, to the first attempt */
    assert_false(s.saga.steps[0].waiting_to_send);
    assert_int_equal(s.effects.wake_at, s.now + LIFE);
    scenario_close(&s);
}

/* Only a reply that would move its step is worth waiting for. */
static void others_are_not_awaited(void **state)
{
    (void)state;
    struct scenario s = begun("a b:a", once);
    struct weir_saga_input reply = scenario_reply(WEIR_STEP_EXECUTE, 'a', 1, SUCCEEDED);
    assert_true(weir_saga_awaits(&s.saga, &reply));
    reply.number = 2;
    assert_false(weir_saga_awaits(&s.saga, &reply));
    reply = scenario_reply(WEIR_STEP_EXECUTE, 'b', 1, SUCCEEDED);
    assert_false(weir_saga_awaits(&s.saga, &reply));
    reply.step = 2;
    assert_false(weir_saga_awaits(&s.saga, &reply));
    assert_string_equal(heard(&s, WEIR_STEP_EXECUTE, 'b', 1), "stale");
    executed(&s, 'a', SUCCEEDED);
    assert_string_equal(heard(&s, WEIR_STEP_EXECUTE, 'a', 1), "stale");
    scenario_close(&s);
}

static void weir_saga_says_what_it_waits_for(void **state)
{
    (void)state;
    struct weir_text line = {0};
    struct scenario s = begun("a", once);
    heard(&s, WEIR_STEP_EXECUTE, 'a', 1);
    weir_saga_waiting(s.definition, &s.saga, s.now + 2500, &line);
    assert_string_equal(line.at, "a: it has succeeded in x, but that has not reached 1 replica "
                                 "yet, since 00:00:01.000 (2.5 s); it counts as soon as it has");
    weir_text_close(&line);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_step_stays_and_its_limit_is_renewed),
        cmocka_unit_test(what_is_known_is_not_written_again_until_it_gets_short),
        cmocka_unit_test(what_is_not_heard_again_is_sent_again),
        cmocka_unit_test(the_deadline_of_the_saga_counts),
        cmocka_unit_test(a_compensation_waits_as_well),
        cmocka_unit_test(a_suspended_saga_stays_so),
        cmocka_unit_test(nothing_is_sent_while_it_backs_off),
        cmocka_unit_test(others_are_not_awaited),
        cmocka_unit_test(weir_saga_says_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
