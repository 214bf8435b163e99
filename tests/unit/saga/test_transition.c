/* A saga's way forward: chains, graphs, time limits, and what makes it turn back. */
#include "scenario.h"

static const struct scenario_limits twice = {.timeout = 100, .backoff = 40, .attempts = 2};
static const struct scenario_limits once = {.timeout = 100, .backoff = 40, .attempts = 1};

static void chain_completes(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a c:b", twice);
    assert_string_equal(scenario_start(&s), "running: a running b pending c pending; "
                                            "execute a#1/1; SagaStarted");
    assert_int_equal(s.saga.started_at, SCENARIO_START);
    assert_int_equal(s.saga.deadline, 0);
    assert_int_equal(s.effects.wake_at, SCENARIO_START + 100);
    assert_int_equal(s.effects.changed_steps, 1);
    s.now += 5;
    assert_string_equal(executed(&s, 'a', SUCCEEDED),
                        "running: a succeeded b running c pending; execute b#1/1");
    assert_string_equal(s.saga.steps[0].result, "{\"n\":1}");
    assert_int_equal(s.saga.steps[0].ended_at, SCENARIO_START + 5);
    assert_int_equal(s.effects.changed_steps, 3);
    assert_string_equal(executed(&s, 'b', SUCCEEDED),
                        "running: a succeeded b succeeded c running; execute c#1/1");
    assert_string_equal(executed(&s, 'c', SUCCEEDED),
                        "completed: a succeeded b succeeded c succeeded; SagaCompleted");
    assert_int_equal(s.saga.ended_at, SCENARIO_START + 5);
    assert_int_equal(s.effects.wake_at, 0);
    assert_string_equal(executed(&s, 'c', SUCCEEDED), "stale");
    assert_string_equal(scenario_start(&s), "stale");
    scenario_close(&s);
}

static void diamond_completes(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a c:a d:bc", twice);
    scenario_start(&s);
    assert_string_equal(executed(&s, 'a', SUCCEEDED),
                        "running: a succeeded b running c running d pending; "
                        "execute b#1/1; execute c#1/1");
    assert_string_equal(executed(&s, 'c', SUCCEEDED),
                        "running: a succeeded b running c succeeded d pending");
    assert_string_equal(executed(&s, 'b', SUCCEEDED),
                        "running: a succeeded b succeeded c succeeded d running; execute d#1/1");
    assert_string_equal(executed(&s, 'd', SUCCEEDED),
                        "completed: a succeeded b succeeded c succeeded d succeeded; "
                        "SagaCompleted");
    scenario_close(&s);
}

static void silence_is_asked_again_under_the_same_number(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a", twice);
    scenario_start(&s);
    s.now += 99;
    assert_string_equal(scenario_wake(&s), "stale");
    assert_int_equal(s.effects.wake_at, SCENARIO_START + 100);
    s.now += 1;
    assert_string_equal(scenario_wake(&s), "running: a running");
    assert_true(s.saga.steps[0].waiting_to_send);
    assert_in_range(s.effects.wake_at, s.now + 20, s.now + 40);
    assert_string_equal(scenario_sleep(&s), "running: a running; execute a#1/2");
    assert_int_equal(s.saga.steps[0].sent_at, s.now);
    assert_int_equal(s.effects.wake_at, s.now + 100);
    assert_string_equal(scenario_sleep(&s), "compensating: a compensating; "
                                            "compensate a#1/1; SagaCompensating");
    assert_string_equal(s.saga.reason, "a: no answer in 2 attempts of 100 ms");
    assert_string_equal(s.saga.steps[0].error, "no answer in 2 attempts");
    scenario_close(&s);
}

static void late_answer_counts_while_backing_off(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a", twice);
    scenario_start(&s);
    scenario_sleep(&s);
    assert_true(s.saga.steps[0].waiting_to_send);
    assert_string_equal(executed(&s, 'a', SUCCEEDED), "completed: a succeeded; SagaCompleted");
    assert_false(s.saga.steps[0].waiting_to_send);
    scenario_close(&s);
}

static void backoff_doubles_and_is_capped(void **state)
{
    (void)state;
    struct scenario s =
        scenario_new("a", (struct scenario_limits){.timeout = 1, .backoff = 25000, .attempts = 4});
    static const int64_t expected[] = {25000, 50000, 60000};
    scenario_start(&s);
    for (size_t i = 0; i < 3; i++) {
        scenario_sleep(&s);
        assert_in_range(s.effects.wake_at - s.now, expected[i] / 2, expected[i]);
        scenario_sleep(&s);
    }
    scenario_close(&s);

    s = scenario_new("a", (struct scenario_limits){.timeout = 1, .backoff = 90000, .attempts = 4});
    scenario_start(&s);
    scenario_sleep(&s);
    scenario_sleep(&s);
    scenario_sleep(&s);
    assert_in_range(s.effects.wake_at - s.now, 45000, 90000);
    scenario_close(&s);
}

static void no_backoff_sends_at_once(void **state)
{
    (void)state;
    struct scenario s =
        scenario_new("a", (struct scenario_limits){.timeout = 100, .backoff = 0, .attempts = 2});
    scenario_start(&s);
    assert_string_equal(scenario_sleep(&s), "running: a running; execute a#1/2");
    scenario_close(&s);
}

/* Nothing is sent for b, whose attempts have not ended, when the saga turns back on a. */
static void the_end_of_attempts_goes_first(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b c", once);
    s.definition->steps[0].attempts = 2;
    s.definition->steps[1].attempts = 1;
    scenario_start(&s);
    assert_string_equal(scenario_sleep(&s),
                        "compensating: a compensating b compensating c compensating; "
                        "compensate a#1/1; compensate b#1/1; compensate c#1/1; "
                        "SagaCompensating");
    assert_string_equal(s.saga.reason, "b: no answer in 1 attempt of 100 ms");
    assert_null(s.saga.steps[0].error);
    assert_string_equal(s.saga.steps[1].error, "no answer in 1 attempt");
    assert_string_equal(s.saga.steps[2].error, "no answer in 1 attempt");
    scenario_close(&s);
}

static void deadline_turns_the_saga_back(void **state)
{
    (void)state;
    struct scenario_limits limits = twice;
    limits.saga_timeout = 150;
    struct scenario s = scenario_new("a b:a", limits);
    scenario_start(&s);
    assert_int_equal(s.saga.deadline, SCENARIO_START + 150);
    s.now = SCENARIO_START + 90;
    executed(&s, 'a', SUCCEEDED);
    assert_int_equal(s.effects.wake_at, SCENARIO_START + 150);
    assert_string_equal(scenario_sleep(&s), "compensating: a succeeded b compensating; "
                                            "compensate b#1/1; SagaCompensating");
    assert_string_equal(s.saga.reason, "deadline of 150 ms passed");
    assert_int_equal(s.effects.wake_at, s.now + 100);
    s.now += 50;
    assert_string_equal(scenario_wake(&s), "stale");
    scenario_close(&s);
}

static void texts_are_cut_between_characters(void **state)
{
    (void)state;
    char reason[2000];
    for (size_t i = 0; i + 1 < sizeof reason; i += 2)
        memcpy(reason + i, "é", 2);
    reason[sizeof reason - 2] = '\0';
    struct scenario s = scenario_new("a", twice);
    scenario_start(&s);
    struct weir_saga_input input = scenario_reply(WEIR_STEP_EXECUTE, 'a', 1, REFUSED);
    input.reason = reason;
    scenario_input(&s, input);
    assert_int_equal(strlen(s.saga.steps[0].error), WEIR_SAGA_TEXT_MAX);
    assert_int_equal(strlen(s.saga.reason), WEIR_SAGA_TEXT_MAX - 1);
    assert_true(weir_utf8_valid(s.saga.reason, WEIR_SAGA_TEXT_MAX - 1));
    scenario_close(&s);
}

static void reply_without_texts(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a", twice);
    scenario_start(&s);
    struct weir_saga_input input = scenario_reply(WEIR_STEP_EXECUTE, 'a', 0, SUCCEEDED);
    input.result = NULL;
    scenario_input(&s, input);
    assert_string_equal(s.saga.steps[0].result, "{}");
    input = scenario_reply(WEIR_STEP_EXECUTE, 'b', 0, REFUSED);
    input.reason = NULL;
    scenario_input(&s, input);
    assert_string_equal(s.saga.reason, "b: no reason given");
    scenario_close(&s);
}

static void saga_of_another_definition(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a", twice), other = scenario_new("a", twice);
    struct weir_saga_input input = {.kind = WEIR_SAGA_START};
    assert_int_equal(
        weir_saga_advance(other.definition, &s.saga, &input, s.now, &s.random, &s.effects),
        -(int)WEIR_INVALID);
    scenario_close(&s);
    scenario_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_completes),
        cmocka_unit_test(diamond_completes),
        cmocka_unit_test(silence_is_asked_again_under_the_same_number),
        cmocka_unit_test(late_answer_counts_while_backing_off),
        cmocka_unit_test(backoff_doubles_and_is_capped),
        cmocka_unit_test(no_backoff_sends_at_once),
        cmocka_unit_test(the_end_of_attempts_goes_first),
        cmocka_unit_test(deadline_turns_the_saga_back),
        cmocka_unit_test(texts_are_cut_between_characters),
        cmocka_unit_test(reply_without_texts),
        cmocka_unit_test(saga_of_another_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
