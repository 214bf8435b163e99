/* The line that says why a saga has not ended. */
#include "saga/waiting.h"
#include "scenario.h"

#define NOON INT64_C(1782993600000) /* 2 July 2026, 12:00 */

static const struct scenario_limits thrice = {.timeout = 5000, .backoff = 200, .attempts = 3};
static const struct scenario_limits once = {.timeout = 5000, .backoff = 0, .attempts = 1};

static struct scenario at_noon(const char *steps, struct scenario_limits limits)
{
    struct scenario s = scenario_new(steps, limits);
    s.now = NOON;
    scenario_start(&s);
    return s;
}

static void assert_waits(const struct scenario *s, const char *expected)
{
    struct weir_text line = {0};
    weir_saga_waiting(s->definition, &s->saga, s->now, &line);
    assert_string_equal(line.at == NULL ? "" : line.at, expected);
    weir_text_close(&line);
}

static void an_answer(void **state)
{
    (void)state;
    struct scenario s = at_noon("a", thrice);
    s.now += 1234;
    assert_waits(&s, "a: waits for an answer from x to attempt 1 of 3, since 12:00:00.000 (1.2 s), "
                     "until 12:00:05.000; then it is tried again");
    s.now = s.effects.wake_at;
    scenario_wake(&s);
    struct weir_text line = {0};
    weir_saga_waiting(s.definition, &s.saga, s.now, &line);
    assert_non_null(strstr(line.at, "a: waits before attempt 2 of 3, since 12:00:00.000 (5.0 s), "
                                    "until 12:00:05."));
    assert_non_null(strstr(line.at, "; then it is sent to x"));
    weir_text_close(&line);
    scenario_sleep(&s);
    scenario_sleep(&s);
    scenario_sleep(&s);
    assert_int_equal(s.saga.steps[0].attempts, 3);
    s.saga.steps[0].sent_at = NOON + 59000;
    s.saga.steps[0].due_at = NOON + 64000;
    s.now = NOON + 59600;
    assert_waits(&s, "a: waits for an answer from x to attempt 3 of 3, since 12:00:59.000 "
                     "(600 ms), until 12:01:04.000; then the saga compensates");
    s.now = NOON + 4 * 3600000 + 64000;
    assert_waits(&s, "a: waits for an answer from x to attempt 3 of 3, since 12:00:59.000 "
                     "(4.0 h), until 12:01:04.000 (overdue by 4.0 h); then the saga compensates");
    s.now = NOON + 3 * 86400000 + 64000;
    assert_waits(&s, "a: waits for an answer from x to attempt 3 of 3, since 2026-07-02 "
                     "12:00:59.000 (3.0 d), until 2026-07-02 12:01:04.000 (overdue by 3.0 d); "
                     "then the saga compensates");
    scenario_close(&s);
}

static void branches_and_a_deadline(void **state)
{
    (void)state;
    struct scenario_limits limits = once;
    limits.saga_timeout = 600000;
    struct scenario s = at_noon("a b", limits);
    s.now += 300000;
    assert_waits(&s, "a: waits for an answer from x to attempt 1 of 1, since 12:00:00.000 "
                     "(5.0 min), until 12:00:05.000 (overdue by 4.9 min); then the saga "
                     "compensates; b: waits for an answer from x to attempt 1 of 1, since "
                     "12:00:00.000 (5.0 min), until 12:00:05.000 (overdue by 4.9 min); then the "
                     "saga compensates; the whole saga, until 12:10:00.000; then it compensates");
    scenario_close(&s);
}

static void signals(void **state)
{
    (void)state;
    struct scenario s = at_noon("a? b*:a c?+:b", once);
    assert_waits(&s, "a: waits for the signal go-a, since 12:00:00.000 (0 ms), until 12:00:05.000; "
                     "then the saga compensates");
    signalled(&s, 'a', NULL);
    assert_waits(&s, "b: waits for an answer from x to attempt 1 of 1, since 12:00:00.000 (0 ms), "
                     "until 12:00:05.000; then the saga is suspended");
    executed(&s, 'b', SUCCEEDED);
    assert_waits(&s, "c: waits for the signal go-c, since 12:00:00.000 (0 ms), until 12:00:05.000; "
                     "then the saga is suspended");
    scenario_sleep(&s);
    assert_waits(&s, "c: is stuck without the signal go-c (no signal go-c), until an operator "
                     "resumes it with retry or skip");
    signalled(&s, 'c', NULL);
    assert_waits(&s, "");
    scenario_close(&s);
}

static void compensations(void **state)
{
    (void)state;
    struct scenario_limits limits = once;
    limits.backoff = 60000;
    struct scenario s = at_noon("a b c:ab", limits);
    executed(&s, 'a', SUCCEEDED);
    executed(&s, 'b', SUCCEEDED);
    executed(&s, 'c', REFUSED);
    s.definition->steps[1].attempts = 2;
    assert_waits(&s, "a: waits for an answer from x to attempt 1 of 1 of its compensation, since "
                     "12:00:00.000 (0 ms), until 12:00:05.000; then the saga is suspended; b: "
                     "waits for an answer from x to attempt 1 of 2 of its compensation, since "
                     "12:00:00.000 (0 ms), until 12:00:05.000; then it is tried again");
    compensated(&s, 'b', 1, REFUSED);
    s.saga.steps[1].due_at = NOON + 60000;
    compensated(&s, 'a', 1, REFUSED);
    assert_waits(&s, "a: is stuck after attempt 1 of 1 of its compensation (no money), since "
                     "12:00:00.000 (0 ms), until an operator resumes it with retry or skip; b: "
                     "waits before attempt 2 of 2 of its compensation, since 12:00:00.000 (0 ms), "
                     "until 12:01:00.000; then it is sent to x, once the saga is no longer "
                     "suspended");
    scenario_close(&s);
}

static void nothing_before_the_start_and_after_the_end(void **state)
{
    (void)state;
    struct scenario s = scenario_new("a", once);
    assert_waits(&s, "");
    scenario_start(&s);
    executed(&s, 'a', SUCCEEDED);
    assert_waits(&s, "");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer),
        cmocka_unit_test(branches_and_a_deadline),
        cmocka_unit_test(signals),
        cmocka_unit_test(compensations),
        cmocka_unit_test(nothing_before_the_start_and_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
