/* The pivot and what is behind it, operators, signals, late answers. */
#include "scenario.h"

static const struct scenario_limits twice = {.timeout = 100, .backoff = 40, .attempts = 2};
static const struct scenario_limits once = {.timeout = 100, .backoff = 40, .attempts = 1};

/* The pivot is under way: "a" is done, "b" sent. */
static struct scenario at_pivot(struct scenario_limits limits)
{
    struct scenario s = scenario_new("a b*:a c+:b", limits);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    return s;
}

static void deadline_does_not_fire_behind_the_pivot(void **state)
{
    (void)state;
    struct scenario_limits limits = once;
    limits.saga_timeout = 50;
    struct scenario s = scenario_new("a b*:a c+:b", limits);
    scenario_start(&s);
    assert_int_equal(s.effects.wake_at, SCENARIO_START + 50);
    s.now += 49;
    executed(&s, 'a', SUCCEEDED);
    assert_int_equal(s.effects.wake_at, s.now + 100);
    assert_true(weir_saga_is_committed(s.definition, &s.saga));
    s.now += 50;
    assert_string_equal(scenario_wake(&s), "stale");
    executed(&s, 'b', SUCCEEDED);
    assert_string_equal(executed(&s, 'c', SUCCEEDED),
                        "completed: a succeeded b succeeded c succeeded; SagaCompleted");
    assert_false(weir_saga_is_committed(s.definition, &s.saga));
    scenario_close(&s);
}

static void deadline_fires_at_the_latest_before_the_pivot(void **state)
{
    (void)state;
    struct scenario_limits limits = once;
    limits.saga_timeout = 50;
    struct scenario s = scenario_new("a b*:a", limits);
    scenario_start(&s);
    s.now += 50;
    assert_string_equal(scenario_wake(&s), "compensating: a compensating b skipped; "
                                           "compensate a#1/1; SagaCompensating");
    scenario_close(&s);
}

static void silent_pivot_is_asked_again_then_stuck(void **state)
{
    (void)state;
    struct scenario s = at_pivot(twice);
    scenario_sleep(&s);
    assert_string_equal(scenario_sleep(&s),
                        "running: a succeeded b running c pending; execute b#1/2");
    assert_string_equal(scenario_sleep(&s),
                        "suspended: a succeeded b running c pending; SagaSuspended");
    assert_string_equal(s.saga.reason, "b: no answer in 2 attempts of 100 ms; the pivot may have "
                                       "taken effect or not");
    assert_string_equal(s.saga.steps[1].error, "no answer in 2 attempts");
    assert_int_equal(s.saga.suspended_from, WEIR_SAGA_RUNNING);
    assert_int_equal(s.effects.wake_at, 0);
    assert_int_equal(weir_saga_stuck_steps(&s.saga), 2);
    s.now += 1000;
    assert_string_equal(resumed(&s, "b", false),
                        "running: a succeeded b running c pending; execute b#1/3");
    assert_null(s.saga.reason);
    assert_int_equal(s.saga.suspended_from, WEIR_SAGA_NONE);
    assert_int_equal(s.effects.wake_at, s.now + 100);
    scenario_sleep(&s);
    assert_string_equal(scenario_sleep(&s),
                        "running: a succeeded b running c pending; execute b#1/4");
    assert_string_equal(scenario_sleep(&s),
                        "suspended: a succeeded b running c pending; SagaSuspended");
    assert_string_equal(resumed(&s, "b", true),
                        "running: a succeeded b skipped c running; execute c#1/1");
    scenario_close(&s);
}

static void unknown_pivot_is_neither_undone_nor_passed(void **state)
{
    (void)state;
    struct scenario s = at_pivot(twice);
    assert_string_equal(executed(&s, 'b', UNKNOWN),
                        "suspended: a succeeded b running c pending; SagaSuspended");
    assert_string_equal(s.saga.reason, "b: no money; the pivot may have taken effect or not");
    assert_string_equal(s.saga.steps[1].error, "no money");
    assert_string_equal(executed(&s, 'b', SUCCEEDED), "stale");
    assert_string_equal(resumed(&s, "b", false),
                        "running: a succeeded b running c pending; execute b#2/2");
    assert_string_equal(executed(&s, 'b', REFUSED),
                        "compensating: a compensating b failed c skipped; compensate a#1/1; "
                        "SagaCompensating");
    assert_string_equal(s.saga.reason, "b: no money");
    scenario_close(&s);
}

static void retriable_is_retried_with_backoff_then_stuck(void **state)
{
    (void)state;
    struct scenario s = at_pivot(twice);
    executed(&s, 'b', SUCCEEDED);
    assert_string_equal(executed(&s, 'c', REFUSED), "running: a succeeded b succeeded c running");
    assert_in_range(s.effects.wake_at, s.now + 20, s.now + 40);
    assert_string_equal(executed(&s, 'c', REFUSED), "stale");
    assert_string_equal(scenario_sleep(&s),
                        "running: a succeeded b succeeded c running; execute c#2/2");
    assert_string_equal(executed(&s, 'c', UNKNOWN),
                        "suspended: a succeeded b succeeded c running; SagaSuspended");
    assert_string_equal(s.saga.reason, "c: no money");
    assert_string_equal(cancelled(&s, NULL),
                        "the saga can only go forward: its pivot, or a step that is tried until "
                        "it succeeds, has begun");
    s.now += 500;
    assert_string_equal(resumed(&s, "c", false),
                        "running: a succeeded b succeeded c running; execute c#3/3");
    assert_string_equal(executed(&s, 'c', REFUSED), "running: a succeeded b succeeded c running");
    assert_in_range(s.effects.wake_at, s.now + 20, s.now + 40); /* the back-off begins again */
    scenario_close(&s);
}

static void late_refusal_of_a_stuck_step_takes_the_next_number(void **state)
{
    (void)state;
    struct scenario s = at_pivot(once);
    executed(&s, 'b', SUCCEEDED);
    scenario_sleep(&s);
    assert_string_equal(executed(&s, 'c', REFUSED), "suspended: a succeeded b succeeded c running");
    assert_int_equal(s.saga.steps[2].number, 2);
    assert_string_equal(resumed(&s, "c", false),
                        "running: a succeeded b succeeded c running; execute c#2/2");
    scenario_close(&s);
}

static void stuck_branch_holds_the_others(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a+ b+: c+:b d+:a", twice);
    scenario_start(&s);
    s.definition->steps[0].attempts = 1;
    assert_string_equal(executed(&s, 'a', REFUSED),
                        "suspended: a running b running c pending d pending; SagaSuspended");
    assert_string_equal(executed(&s, 'b', REFUSED),
                        "suspended: a running b running c pending d pending");
    s.now += 1000;
    assert_string_equal(scenario_wake(&s), "stale");
    assert_string_equal(resumed(&s, "a", true),
                        "running: a skipped b running c pending d running; execute b#2/2; "
                        "execute d#1/1");
    scenario_close(&s);
}

static void suspended_again(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a", once);
    scenario_start(&s);
    scenario_sleep(&s);
    assert_string_equal(scenario_sleep(&s), "suspended: a compensating; SagaSuspended");
    assert_string_equal(s.saga.reason_before, "a: no answer in 1 attempt of 100 ms");
    assert_string_equal(resumed(&s, "a", false), "compensating: a compensating; compensate a#1/2");
    assert_string_equal(s.saga.reason, "a: no answer in 1 attempt of 100 ms");
    assert_null(s.saga.reason_before);
    assert_string_equal(scenario_sleep(&s), "suspended: a compensating; SagaSuspended");
    assert_string_equal(cancelled(&s, NULL), "stale");
    assert_string_equal(resumed(&s, "a", true), "compensated: a skipped; SagaCompensated");
    scenario_close(&s);
}

static void resume_is_refused_with_the_stuck_steps(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a+ b+: c+:", once);
    assert_string_equal(resumed(&s, "a", true), "the saga has not started");
    scenario_start(&s);
    assert_string_equal(resumed(&s, "a", true), "the saga is running: no step is stuck");
    executed(&s, 'a', REFUSED);
    executed(&s, 'c', REFUSED);
    assert_string_equal(resumed(&s, "b", true), "step b is not stuck; stuck: a, c");
    assert_string_equal(resumed(&s, "z", true), "step z is no step of this saga; stuck: a, c");
    assert_string_equal(resumed(&s, NULL, true), "step  is no step of this saga; stuck: a, c");
    executed(&s, 'b', SUCCEEDED);
    resumed(&s, "a", true);
    resumed(&s, "c", true);
    assert_string_equal(resumed(&s, "c", true), "the saga has ended: it is completed");
    scenario_close(&s);
}

static void cancel_undoes(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a", once);
    assert_string_equal(cancelled(&s, NULL), "the saga has not started");
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    assert_string_equal(cancelled(&s, "no longer wanted"),
                        "compensating: a succeeded b compensating; compensate b#1/1; "
                        "SagaCompensating");
    assert_string_equal(s.saga.reason, "cancelled: no longer wanted");
    assert_string_equal(cancelled(&s, "again"), "stale");
    compensated(&s, 'b', 1, SUCCEEDED);
    compensated(&s, 'a', 1, SUCCEEDED);
    assert_string_equal(cancelled(&s, NULL), "the saga has ended: it is compensated");
    scenario_close(&s);

    s = scenario_new("a", once);
    scenario_start(&s);
    cancelled(&s, "");
    assert_string_equal(s.saga.reason, "cancelled");
    scenario_close(&s);
}

/* No saga comes to this by itself; one that was brought to it by hand can still be cancelled. */
static void cancel_of_a_suspended_saga_that_is_not_committed(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a", once);
    scenario_start(&s);
    s.saga.state = WEIR_SAGA_SUSPENDED;
    s.saga.suspended_from = WEIR_SAGA_RUNNING;
    s.saga.steps[0].due_at = 0;
    assert_string_equal(cancelled(&s, NULL), "compensating: a compensating; compensate a#1/1; "
                                             "SagaCompensating");
    scenario_close(&s);
}

static void signal_before_and_after_its_step(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b?:a c?:b", once);
    assert_string_equal(signalled(&s, 'b', NULL), "the saga has not started");
    scenario_start(&s);
    assert_string_equal(signalled(&s, 'b', "{\"by\":1}"), "running: a running b pending c pending");
    assert_string_equal(signalled(&s, 'b', "{\"by\":2}"), "stale");
    assert_string_equal(s.saga.steps[1].signal, "{\"by\":1}");
    assert_string_equal(signalled(&s, 'a', NULL), "no step of this saga waits for the signal go-a");
    assert_string_equal(executed(&s, 'a', SUCCEEDED), "running: a succeeded b succeeded c running");
    assert_string_equal(s.saga.steps[1].result, "{\"by\":1}");
    assert_null(s.saga.steps[1].signal);
    assert_int_equal(s.effects.wake_at, s.now + 100);
    assert_string_equal(signalled(&s, 'b', NULL), "stale");
    assert_string_equal(signalled(&s, 'c', NULL),
                        "completed: a succeeded b succeeded c succeeded; SagaCompleted");
    assert_string_equal(s.saga.steps[2].result, "{}");
    assert_string_equal(signalled(&s, 'c', NULL), "stale");
    scenario_close(&s);
}

static void signal_that_does_not_come(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b?:a c?:b", once);
    scenario_start(&s);
    signalled(&s, 'c', NULL);
    executed(&s, 'a', SUCCEEDED);
    assert_string_equal(scenario_sleep(&s), "compensating: a compensating b timed-out c skipped; "
                                            "compensate a#1/1; SagaCompensating");
    assert_string_equal(s.saga.reason, "b: no signal go-b in 100 ms");
    assert_string_equal(s.saga.steps[1].error, "no signal go-b");
    assert_null(s.saga.steps[2].signal);
    assert_string_equal(signalled(&s, 'b', NULL), "stale");
    assert_string_equal(executed(&s, 'b', SUCCEEDED), "stale");
    scenario_close(&s);
}

static void retriable_signal_waits_anew(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a?+ b+:a", once);
    scenario_start(&s);
    assert_string_equal(scenario_sleep(&s), "suspended: a running b pending; SagaSuspended");
    assert_string_equal(resumed(&s, "a", false), "running: a running b pending");
    assert_int_equal(s.effects.wake_at, s.now + 100);
    scenario_sleep(&s);
    assert_string_equal(signalled(&s, 'a', NULL), "running: a succeeded b running; execute b#1/1");
    scenario_close(&s);
}

static void size_of_a_signal(void **state)
{
    (void)state;
    static char data[WEIR_SAGA_SIGNAL_MAX + 2];
    struct scenario s = scenario_new("a? b:a", once);
    scenario_start(&s);
    memset(data, ' ', sizeof data - 1);
    assert_string_equal(signalled(&s, 'a', data),
                        "the data of a signal may have 16384 bytes at most, not 16385");
    data[WEIR_SAGA_SIGNAL_MAX] = '\0';
    assert_string_equal(signalled(&s, 'a', data), "running: a succeeded b running; execute b#1/1");
    scenario_close(&s);
}

/* A success that was heard in time and comes again is no late one. */
static void late_is_what_was_cut_off(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b!:a", once);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    scenario_sleep(&s);
    assert_string_equal(executed(&s, 'a', SUCCEEDED), "stale");
    assert_string_equal(executed(&s, 'b', REFUSED), "stale");
    s.now += 7;
    assert_string_equal(executed(&s, 'b', SUCCEEDED), "compensating: a compensating b timed-out");
    assert_int_equal(s.saga.steps[1].late_at, s.now);
    assert_int_equal(s.effects.changed_steps, 2);
    compensated(&s, 'a', 1, SUCCEEDED);
    assert_int_equal(s.saga.state, WEIR_SAGA_COMPENSATED);
    assert_string_equal(executed(&s, 'b', SUCCEEDED), "stale");
    scenario_close(&s);
}

static void many_names_are_left_out_whole(void **state)
{
    (void)state;
    struct weir_text json = {0};
    struct weir_error error = {0};
    struct scenario s = {.now = SCENARIO_START};
    weir_text_append_string(&json, "{\"name\":\"many\",\"version\":1,\"steps\":[");
    for (int i = 0; i < 20; i++)
        weir_text_format(&json,
                         "%s{\"name\":\"a-name-of-some-length-%d\",\"service\":\"x\",\"after\":[],"
                         "\"command\":\"Do\",\"kind\":\"retriable\",\"attempts\":1}",
                         i == 0 ? "" : ",", i);
    weir_text_append_string(&json, "]}");
    s.definition = weir_saga_definition_parse(json.at, json.length, &error);
    weir_text_close(&json);
    assert_non_null(s.definition);
    assert_int_equal(weir_saga_init(&s.saga, s.definition), WEIR_OK);
    scenario_start(&s);
    scenario_sleep(&s);
    assert_string_equal(resumed(&s, "b", true),
                        "step b is no step of this saga; stuck: a-name-of-some-length-0, "
                        "a-name-of-some-length-1, a-name-of-some-length-2, "
                        "a-name-of-some-length-3");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadline_does_not_fire_behind_the_pivot),
        cmocka_unit_test(deadline_fires_at_the_latest_before_the_pivot),
        cmocka_unit_test(silent_pivot_is_asked_again_then_stuck),
        cmocka_unit_test(unknown_pivot_is_neither_undone_nor_passed),
        cmocka_unit_test(retriable_is_retried_with_backoff_then_stuck),
        cmocka_unit_test(late_refusal_of_a_stuck_step_takes_the_next_number),
        cmocka_unit_test(stuck_branch_holds_the_others),
        cmocka_unit_test(suspended_again),
        cmocka_unit_test(resume_is_refused_with_the_stuck_steps),
        cmocka_unit_test(cancel_undoes),
        cmocka_unit_test(cancel_of_a_suspended_saga_that_is_not_committed),
        cmocka_unit_test(signal_before_and_after_its_step),
        cmocka_unit_test(signal_that_does_not_come),
        cmocka_unit_test(retriable_signal_waits_anew),
        cmocka_unit_test(size_of_a_signal),
        cmocka_unit_test(late_is_what_was_cut_off),
        cmocka_unit_test(many_names_are_left_out_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
