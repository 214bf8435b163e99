/* Every cell: each saga state with each input, each step state with each reply and timer, those
 * that cannot come about included. A cell that is not listed here changes nothing. */
#include "scenario.h"

#define NUMBER 3
#define SAGA_STATES 6
#define STEP_STATES 8

static const struct scenario_limits thrice = {
    .saga_timeout = 500, .timeout = 100, .backoff = 40, .attempts = 3};

/* One saga of a and, behind it, b; a stands as the cell says. */
static struct scenario cell(enum weir_saga_state saga, enum weir_step_state step)
{
    struct scenario s = scenario_new("a b:a", thrice);
    s.saga.state = saga;
    if (saga == WEIR_SAGA_SUSPENDED)
        s.saga.suspended_from = WEIR_SAGA_COMPENSATING;
    s.saga.revision = 7;
    s.saga.steps[0] = (struct weir_step_record){.state = step,
                                                .attempts = 2,
                                                .compensation_attempts = 2,
                                                .number = NUMBER,
                                                .due_at = SCENARIO_START + 50};
    return s;
}

/* For the comparison of everything but the texts, whose addresses do as well. */
struct snapshot {
    struct weir_saga saga;
    struct weir_step_record steps[2];
};

static struct snapshot take_snapshot(const struct weir_saga *saga)
{
    struct snapshot snapshot;
    memcpy(&snapshot.saga, saga, sizeof *saga);
    memcpy(snapshot.steps, saga->steps, sizeof snapshot.steps);
    return snapshot;
}

static void assert_unchanged(const struct snapshot *before, const struct weir_saga *saga)
{
    assert_memory_equal(&before->saga, saga, sizeof *saga);
    assert_memory_equal(before->steps, saga->steps, sizeof before->steps);
}

static void start_in_every_state(void **state)
{
    (void)state;
    for (unsigned saga = 0; saga < SAGA_STATES; saga++) {
        struct scenario s = cell(saga, WEIR_STEP_PENDING);
        struct snapshot before = take_snapshot(&s.saga);
        scenario_start(&s);
        if (saga == WEIR_SAGA_NONE) {
            assert_int_equal(s.saga.state, WEIR_SAGA_RUNNING);
            assert_int_equal(s.saga.deadline, SCENARIO_START + 500);
        } else {
            assert_int_equal(s.verdict, WEIR_SAGA_STALE);
            assert_unchanged(&before, &s.saga);
        }
        scenario_close(&s);
    }
}

/* The replies that are heard; everything else is stale. Columns by outcome. */
static const struct heard {
    enum weir_saga_state saga;
    enum weir_step_state step;
    enum weir_step_action action;
    const char *then[3];
} heard[] = {
    {WEIR_SAGA_RUNNING,
     WEIR_STEP_RUNNING,
     WEIR_STEP_EXECUTE,
     {"running: a succeeded b running; execute b#1/1",
      "compensated: a failed b skipped; SagaCompensating; SagaCompensated",
      "compensating: a compensating b skipped; compensate a#1/3; SagaCompensating"}},
    {WEIR_SAGA_COMPENSATING,
     WEIR_STEP_COMPENSATING,
     WEIR_STEP_COMPENSATE,
     {"compensated: a compensated b pending; SagaCompensated",
      "compensating: a compensating b "
      "pending",
      "compensating: a compensating b pending"}},
    /* Of a suspended saga in which no step is stuck any more the first answer is the end of it. */
    {WEIR_SAGA_SUSPENDED,
     WEIR_STEP_COMPENSATING,
     WEIR_STEP_COMPENSATE,
     {"compensated: a compensated b pending; SagaCompensated",
      "compensating: a compensating b pending", "compensating: a compensating b pending"}},
};

/* A success of a command that was given up: recorded, and nothing more. */
static bool is_late(const struct scenario *s, const struct weir_saga_input *reply)
{
    enum weir_step_state state = s->saga.steps[0].state;
    return s->saga.state != WEIR_SAGA_NONE && reply->action == WEIR_STEP_EXECUTE &&
           reply->succeeded && reply->number <= 1 &&
           (state == WEIR_STEP_TIMED_OUT || state == WEIR_STEP_COMPENSATING ||
            state == WEIR_STEP_COMPENSATED);
}

static const char *expected_words(const struct scenario *s, const struct weir_saga_input *reply)
{
    const struct weir_step_record *record = &s->saga.steps[0];
    if (record->unsent || (reply->number != 0 && reply->number != NUMBER))
        return "stale";
    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++) {
        if (heard[i].saga == s->saga.state && heard[i].step == record->state &&
            heard[i].action == reply->action)
            return heard[i].then[reply->succeeded ? SUCCEEDED : reply->unknown ? UNKNOWN : REFUSED];
    }
    return "stale";
}

enum sending { SENT, BACKING_OFF, NEW_NUMBER };

static void check_reply(enum weir_saga_state saga, enum weir_step_state step, enum sending sending,
                        const struct weir_saga_input *reply)
{
    struct scenario s = cell(saga, step);
    s.saga.steps[0].waiting_to_send = sending != SENT;
    s.saga.steps[0].unsent = sending == NEW_NUMBER;
    struct snapshot before = take_snapshot(&s.saga);
    if (is_late(&s, reply)) {
        scenario_input(&s, *reply);
        assert_int_equal(s.verdict, WEIR_SAGA_MOVED);
        assert_int_equal(s.saga.steps[0].late_at, s.now);
        assert_int_equal(s.saga.steps[0].state, step);
        scenario_close(&s);
        return;
    }
    const char *expected = expected_words(&s, reply);
    assert_string_equal(scenario_input(&s, *reply), expected);
    if (s.verdict == WEIR_SAGA_STALE)
        assert_unchanged(&before, &s.saga);
    scenario_close(&s);
}

static void every_reply_in_every_state(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SAGA_STATES * STEP_STATES * 2 * 3 * 3 * (NUMBER + 2); i++) {
        unsigned rest = i;
        enum weir_saga_state saga = rest % SAGA_STATES;
        enum weir_step_state step = (rest /= SAGA_STATES) % STEP_STATES;
        enum weir_step_action action = (rest /= STEP_STATES) % 2;
        enum outcome outcome = (rest /= 2) % 3;
        enum sending sending = (rest /= 3) % 3;
        unsigned number = rest / 3;
        struct weir_saga_input reply = scenario_reply(action, 'a', number, outcome);
        check_reply(saga, step, sending, &reply);
    }
}

static void reply_of_a_step_that_is_not_there(void **state)
{
    (void)state;
    for (unsigned saga = 0; saga < SAGA_STATES; saga++) {
        struct scenario s = cell(saga, WEIR_STEP_RUNNING);
        assert_string_equal(executed(&s, 'c', SUCCEEDED), "stale");
        assert_string_equal(compensated(&s, 'c', 1, SUCCEEDED), "stale");
        scenario_close(&s);
    }
}

/* Timers count where something is under way: by state of the saga, and sent or backing off, with
 * attempts left or without. */
static const struct timer {
    enum weir_saga_state saga;
    enum weir_step_state step;
    bool backing_off, attempts_left;
    const char *then;
} timers[] = {
    {WEIR_SAGA_RUNNING, WEIR_STEP_RUNNING, false, true, "running: a running b pending"},
    {WEIR_SAGA_RUNNING, WEIR_STEP_RUNNING, true, true,
     "running: a running b pending; execute a#3/3"},
    {WEIR_SAGA_RUNNING, WEIR_STEP_RUNNING, false, false,
     "compensating: a compensating b skipped; compensate a#1/3; SagaCompensating"},
    {WEIR_SAGA_COMPENSATING, WEIR_STEP_COMPENSATING, false, true,
     "compensating: a compensating b pending"},
    {WEIR_SAGA_COMPENSATING, WEIR_STEP_COMPENSATING, true, true,
     "compensating: a compensating b pending; compensate a#3/3"},
    {WEIR_SAGA_COMPENSATING, WEIR_STEP_COMPENSATING, false, false,
     "suspended: a compensating b pending; SagaSuspended"},
};

static void put_timer(struct scenario *s, const struct timer *timer)
{
    struct weir_step_record *record = &s->saga.steps[0];
    record->waiting_to_send = timer->backing_off;
    if (!timer->attempts_left && timer->step == WEIR_STEP_RUNNING)
        record->attempts = 3;
    else if (!timer->attempts_left)
        record->compensation_attempts = 3;
}

static void every_timer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        for (int early = 1; early >= 0; early--) {
            struct scenario s = cell(timers[i].saga, timers[i].step);
            put_timer(&s, &timers[i]);
            s.now = s.saga.steps[0].due_at - early;
            assert_string_equal(scenario_wake(&s), early ? "stale" : timers[i].then);
            scenario_close(&s);
        }
    }
}

/* The saga's state decides first: no timer of a step moves a saga that has ended or waits. */
static void wake_in_every_state(void **state)
{
    (void)state;
    for (unsigned saga = 0; saga < SAGA_STATES; saga++) {
        bool moves = saga == WEIR_SAGA_RUNNING || saga == WEIR_SAGA_COMPENSATING;
        struct scenario s =
            cell(saga, saga == WEIR_SAGA_RUNNING ? WEIR_STEP_RUNNING : WEIR_STEP_COMPENSATING);
        s.now = SCENARIO_START + 50;
        struct snapshot before = take_snapshot(&s.saga);
        scenario_wake(&s);
        assert_int_equal(s.verdict, moves ? WEIR_SAGA_MOVED : WEIR_SAGA_STALE);
        if (!moves) {
            assert_unchanged(&before, &s.saga);
            assert_int_equal(s.effects.wake_at, 0);
        }
        scenario_close(&s);
    }
}

static void deadline_in_every_state(void **state)
{
    (void)state;
    for (unsigned saga = 0; saga < SAGA_STATES; saga++) {
        struct scenario s = cell(saga, WEIR_STEP_SUCCEEDED);
        s.saga.steps[0].due_at = 0;
        s.saga.deadline = s.now;
        const char *words = scenario_wake(&s);
        assert_string_equal(words, saga == WEIR_SAGA_RUNNING
                                       ? "compensating: a compensating b skipped; "
                                         "compensate a#1/3; SagaCompensating"
                                       : "stale");
        scenario_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_in_every_state),
        cmocka_unit_test(every_reply_in_every_state),
        cmocka_unit_test(reply_of_a_step_that_is_not_there),
        cmocka_unit_test(every_timer),
        cmocka_unit_test(wake_in_every_state),
        cmocka_unit_test(deadline_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
