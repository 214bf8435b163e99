/* A saga's way back: what is undone, in which order, and what if that fails. */
#include "scenario.h"

static const struct scenario_limits twice = {.timeout = 100, .backoff = 40, .attempts = 2};
static const struct scenario_limits once = {.timeout = 100, .backoff = 40, .attempts = 1};

static void refusal_undoes_a_chain_in_reverse(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a c:b d:c", twice);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    executed(&s, 'b', SUCCEEDED);
    assert_string_equal(executed(&s, 'c', REFUSED),
                        "compensating: a succeeded b compensating c failed d skipped; "
                        "compensate b#1/1; SagaCompensating");
    assert_string_equal(s.saga.reason, "c: no money");
    assert_string_equal(s.saga.steps[2].error, "no money");
    assert_int_equal(s.effects.wake_at, SCENARIO_START + 100);
    assert_string_equal(compensated(&s, 'b', 1, SUCCEEDED),
                        "compensating: a compensating b compensated c failed d skipped; "
                        "compensate a#1/1");
    assert_string_equal(compensated(&s, 'a', 0, SUCCEEDED),
                        "compensated: a compensated b compensated c failed d skipped; "
                        "SagaCompensated");
    assert_int_equal(s.saga.ended_at, SCENARIO_START);
    assert_int_equal(s.effects.wake_at, 0);
    scenario_close(&s);
}

static void unknown_failure_is_undone(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a", twice);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    assert_string_equal(executed(&s, 'b', UNKNOWN), "compensating: a succeeded b compensating; "
                                                    "compensate b#1/1; SagaCompensating");
    assert_true(s.saga.steps[1].may_have_effect);
    assert_string_equal(compensated(&s, 'b', 1, SUCCEEDED),
                        "compensating: a compensating b compensated; compensate a#1/1");
    scenario_close(&s);
}

static void nothing_to_undo(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a! b:a", twice);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    assert_string_equal(executed(&s, 'b', REFUSED), "compensated: a succeeded b failed; "
                                                    "SagaCompensating; SagaCompensated");
    assert_int_equal(s.effects.wake_at, 0);
    scenario_close(&s);
}

static void diamond_is_undone_side_by_side(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a c:a d:bc", twice);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    executed(&s, 'b', SUCCEEDED);
    executed(&s, 'c', SUCCEEDED);
    assert_string_equal(executed(&s, 'd', REFUSED),
                        "compensating: a succeeded b compensating c compensating d failed; "
                        "compensate b#1/1; compensate c#1/1; SagaCompensating");
    assert_string_equal(compensated(&s, 'c', 1, SUCCEEDED),
                        "compensating: a succeeded b compensating c compensated d failed");
    assert_string_equal(compensated(&s, 'b', 1, SUCCEEDED),
                        "compensating: a compensating b compensated c compensated d failed; "
                        "compensate a#1/1");
    scenario_close(&s);
}

/* The outcome of the sibling under way is unknown; undoing it bars it. */
static void sibling_under_way_is_undone_first(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b:a c:a d:bc", twice);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    assert_string_equal(executed(&s, 'b', REFUSED),
                        "compensating: a succeeded b failed c compensating d skipped; "
                        "compensate c#1/1; SagaCompensating");
    s.now += 5;
    assert_string_equal(executed(&s, 'c', SUCCEEDED),
                        "compensating: a succeeded b failed c compensating d skipped");
    assert_int_equal(s.saga.steps[2].late_at, s.now);
    assert_null(s.saga.steps[2].result);
    assert_string_equal(executed(&s, 'c', SUCCEEDED), "stale");
    assert_string_equal(compensated(&s, 'c', 1, SUCCEEDED),
                        "compensating: a compensating b failed c compensated d skipped; "
                        "compensate a#1/1");
    scenario_close(&s);
}

static void order_holds_across_a_step_without_compensation(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a b!:a c:b d:c", twice);
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    executed(&s, 'b', SUCCEEDED);
    executed(&s, 'c', SUCCEEDED);
    assert_string_equal(executed(&s, 'd', REFUSED),
                        "compensating: a succeeded b succeeded c compensating d failed; "
                        "compensate c#1/1; SagaCompensating");
    assert_string_equal(compensated(&s, 'c', 1, SUCCEEDED),
                        "compensating: a compensating b succeeded c compensated d failed; "
                        "compensate a#1/1");
    scenario_close(&s);
}

static struct scenario compensating(const char *steps, struct scenario_limits limits)
{
    struct scenario s = scenario_new(steps, limits);
    scenario_start(&s);
    for (size_t i = 0; i + 1 < s.definition->step_count; i++)
        executed(&s, (char)('a' + i), SUCCEEDED);
    executed(&s, (char)('a' + s.definition->step_count - 1), REFUSED);
    assert_int_equal(s.saga.state, WEIR_SAGA_COMPENSATING);
    return s;
}

static void refused_compensation_gets_a_new_number(void **state)
{
    (void)state;
    struct scenario s = compensating("a b:a", twice);
    assert_string_equal(compensated(&s, 'a', 1, REFUSED), "compensating: a compensating b failed");
    assert_in_range(s.effects.wake_at, s.now + 20, s.now + 40);
    assert_string_equal(s.saga.steps[0].error, "no money");
    for (unsigned number = 0; number <= 3; number++) {
        assert_string_equal(compensated(&s, 'a', number, SUCCEEDED), "stale");
        assert_string_equal(compensated(&s, 'a', number, REFUSED), "stale");
    }
    assert_string_equal(scenario_sleep(&s),
                        "compensating: a compensating b failed; compensate a#2/2");
    assert_string_equal(compensated(&s, 'a', 1, REFUSED), "stale");
    assert_string_equal(compensated(&s, 'a', 2, SUCCEEDED),
                        "compensated: a compensated b failed; SagaCompensated");
    assert_string_equal(s.saga.reason, "b: no money");
    scenario_close(&s);
}

static void refused_compensation_suspends_in_the_end(void **state)
{
    (void)state;
    struct scenario s = compensating("a b:a", twice);
    compensated(&s, 'a', 1, UNKNOWN);
    scenario_sleep(&s);
    assert_string_equal(compensated(&s, 'a', 2, REFUSED),
                        "suspended: a compensating b failed; SagaSuspended");
    assert_string_equal(s.saga.reason, "compensation of a: no money");
    assert_int_equal(s.saga.suspended_from, WEIR_SAGA_COMPENSATING);
    assert_int_equal(s.saga.steps[0].number, 3);
    assert_int_equal(s.saga.ended_at, 0);
    assert_int_equal(s.effects.wake_at, 0);
    for (unsigned number = 0; number <= 4; number++)
        assert_string_equal(compensated(&s, 'a', number, SUCCEEDED), "stale");
    s.now += 1000000;
    assert_string_equal(scenario_wake(&s), "stale");
    assert_int_equal(s.effects.wake_at, 0);
    scenario_close(&s);
}

static void silent_compensation_suspends_in_the_end(void **state)
{
    (void)state;
    struct scenario s = compensating("a b:a", twice);
    assert_string_equal(scenario_sleep(&s), "compensating: a compensating b failed");
    assert_string_equal(scenario_sleep(&s),
                        "compensating: a compensating b failed; compensate a#1/2");
    assert_string_equal(scenario_sleep(&s), "suspended: a compensating b failed; SagaSuspended");
    assert_string_equal(s.saga.reason, "compensation of a: no answer in 2 attempts of 100 ms");
    assert_string_equal(s.saga.steps[0].error, "no answer in 2 attempts");
    assert_int_equal(s.saga.steps[0].due_at, 0);
    assert_true(weir_step_is_stuck(&s.saga.steps[0]));
    assert_string_equal(compensated(&s, 'a', 1, SUCCEEDED),
                        "compensated: a compensated b failed; SagaCompensated");
    assert_string_equal(s.saga.reason, "b: no money");
    assert_int_equal(s.effects.wake_at, 0);
    scenario_close(&s);
}

static void suspended_saga_records_answers_and_sends_nothing(void **state)
{
    (void)state;
    struct scenario s = compensating("a b:a c:a d:a e:bcd", once);
    compensated(&s, 'b', 1, REFUSED);
    assert_int_equal(s.saga.state, WEIR_SAGA_SUSPENDED);
    assert_string_equal(compensated(&s, 'c', 1, REFUSED),
                        "suspended: a succeeded b compensating c compensating d compensating "
                        "e failed");
    assert_int_equal(s.saga.steps[2].number, 2);
    assert_string_equal(s.saga.reason, "compensation of b: no money");
    assert_string_equal(compensated(&s, 'c', 0, REFUSED), "stale");
    assert_string_equal(compensated(&s, 'd', 1, SUCCEEDED),
                        "suspended: a succeeded b compensating c compensating d compensated "
                        "e failed");
    assert_int_equal(s.effects.wake_at, 0);
    scenario_close(&s);
}

/* As many steps as allowed, each alone or each behind the one before it. */
static struct scenario sixty_four(bool chain)
{
    struct scenario s = {.now = SCENARIO_START};
    struct weir_error error = {0};
    struct weir_text json = {0};
    weir_text_append_string(&json, "{\"name\":\"many\",\"version\":1,\"steps\":[");
    for (int i = 0; i < WEIR_SAGA_STEPS_MAX; i++)
        weir_text_format(&json,
                         "%s{\"name\":\"s%d\",\"service\":\"x\",\"command\":\"Do\",%s"
                         "\"compensation\":\"Undo\"}",
                         i == 0 ? "" : ",", i, chain ? "" : "\"after\":[],");
    weir_text_append_string(&json, "]}");
    s.definition = weir_saga_definition_parse(json.at, json.length, &error);
    weir_text_close(&json);
    assert_non_null(s.definition);
    assert_int_equal(weir_saga_init(&s.saga, s.definition), WEIR_OK);
    scenario_start(&s);
    return s;
}

static struct weir_saga_input reply_at(size_t step, enum weir_step_action action, bool succeeded)
{
    return (struct weir_saga_input){
        .kind = WEIR_SAGA_REPLY, .step = step, .action = action, .succeeded = succeeded};
}

static void sixty_four_side_by_side(void **state)
{
    (void)state;
    struct scenario s = sixty_four(false);
    assert_int_equal(s.effects.send_count, 64);
    assert_true(s.effects.changed_steps == UINT64_MAX);
    scenario_input(&s, reply_at(63, WEIR_STEP_EXECUTE, false));
    assert_int_equal(s.effects.send_count, 63);
    for (size_t i = 0; i < 63; i++) {
        assert_int_equal(s.saga.state, WEIR_SAGA_COMPENSATING);
        scenario_input(&s, reply_at(i, WEIR_STEP_COMPENSATE, true));
    }
    assert_int_equal(s.saga.state, WEIR_SAGA_COMPENSATED);
    scenario_close(&s);
}

static void sixty_four_in_a_chain(void **state)
{
    (void)state;
    struct scenario s = sixty_four(true);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(s.saga.state, WEIR_SAGA_RUNNING);
        assert_int_equal(s.effects.sends[0].step, i);
        scenario_input(&s, reply_at(i, WEIR_STEP_EXECUTE, true));
    }
    assert_int_equal(s.saga.state, WEIR_SAGA_COMPLETED);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_undoes_a_chain_in_reverse),
        cmocka_unit_test(unknown_failure_is_undone),
        cmocka_unit_test(nothing_to_undo),
        cmocka_unit_test(diamond_is_undone_side_by_side),
        cmocka_unit_test(sibling_under_way_is_undone_first),
        cmocka_unit_test(order_holds_across_a_step_without_compensation),
        cmocka_unit_test(refused_compensation_gets_a_new_number),
        cmocka_unit_test(refused_compensation_suspends_in_the_end),
        cmocka_unit_test(silent_compensation_suspends_in_the_end),
        cmocka_unit_test(suspended_saga_records_answers_and_sends_nothing),
        cmocka_unit_test(sixty_four_side_by_side),
        cmocka_unit_test(sixty_four_in_a_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
