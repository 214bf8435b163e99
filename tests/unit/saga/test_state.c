/* The words for states and the doors: every move of a saga and of a step, listed or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "saga/change.h"

#define NOW 5000

/* Rows: from; columns: to; both in the order of the enum. A letter is the event of the move, a dash
 * a move without one: back to where a suspended saga came from, here running. Written by hand from
 * the contract. */
static const char *const saga_moves[] = {
    /* none         */ ".R....",
    /* running      */ "..PC.S",
    /* compensating */ "....US",
    /* completed    */ "......",
    /* compensated  */ "......",
    /* suspended    */ ".-....",
};

static const char *const step_moves[] = {
    /* pending      */ ".x.....x",
    /* running      */ "..xxx..x",
    /* succeeded    */ ".....x..",
    /* failed       */ ".....x..",
    /* timed-out    */ ".....x..",
    /* compensating */ "......xx",
    /* compensated  */ "........",
    /* skipped      */ "........",
};

static char event_letter(const struct weir_saga_effects *effects)
{
    static const char letters[] = "RCPUS"; /* in the order of enum weir_saga_event */
    return effects->event_count == 0 ? '-' : letters[effects->events[0]];
}

static void every_move_of_a_saga(void **state)
{
    (void)state;
    for (unsigned cell = 0; cell < 36; cell++) {
        enum weir_saga_state from = cell / 6, to = cell % 6;
        struct weir_saga saga = {.state = from};
        struct weir_saga_effects effects = {0};
        struct weir_saga_change change = {.saga = &saga, .effects = &effects, .now = NOW};
        if (from == WEIR_SAGA_SUSPENDED)
            saga.suspended_from = WEIR_SAGA_RUNNING;
        enum weir_saga_state kept = saga.suspended_from;
        weir_change_saga_move(&change, to);
        bool listed = saga_moves[from][to] != '.';
        assert_int_equal(change.status, listed ? WEIR_OK : WEIR_INVALID);
        assert_int_equal(saga.state, listed ? to : from);
        assert_int_equal(event_letter(&effects), listed ? saga_moves[from][to] : '-');
        bool ends = listed && (to == WEIR_SAGA_COMPLETED || to == WEIR_SAGA_COMPENSATED);
        assert_int_equal(saga.ended_at, ends ? NOW : 0);
        bool suspends = listed && to == WEIR_SAGA_SUSPENDED;
        assert_int_equal(saga.suspended_from, suspends ? from : listed ? WEIR_SAGA_NONE : kept);
    }
}

static void every_move_of_a_step(void **state)
{
    (void)state;
    for (unsigned cell = 0; cell < 64; cell++) {
        enum weir_step_state from = cell / 8, to = cell % 8;
        struct weir_step_record record = {.state = from, .due_at = 7, .waiting_to_send = true};
        struct weir_saga saga = {.step_count = 1, .steps = &record};
        struct weir_saga_effects effects = {0};
        struct weir_saga_change change = {.saga = &saga, .effects = &effects, .now = NOW};
        weir_change_step_move(&change, 0, to);
        bool listed = step_moves[from][to] == 'x';
        bool is_end = to != WEIR_STEP_RUNNING && to != WEIR_STEP_COMPENSATING;
        assert_int_equal(change.status, listed ? WEIR_OK : WEIR_INVALID);
        assert_int_equal(record.state, listed ? to : from);
        assert_int_equal(record.ended_at, listed && is_end ? NOW : 0);
        assert_int_equal(record.due_at, listed ? 0 : 7);
        assert_int_equal(record.waiting_to_send, !listed);
    }
}

/* The first failure stays: what came after it says nothing. */
static void first_failure_stays(void **state)
{
    (void)state;
    struct weir_saga saga = {.state = WEIR_SAGA_COMPLETED};
    struct weir_saga_effects effects = {0};
    struct weir_saga_change change = {.saga = &saga, .effects = &effects};
    change.status = WEIR_NO_MEMORY;
    weir_change_saga_move(&change, WEIR_SAGA_RUNNING);
    assert_int_equal(change.status, WEIR_NO_MEMORY);
}

/* Full effects are an error, never a write behind their end. */
static void effects_have_an_end(void **state)
{
    (void)state;
    struct weir_step_definition step = {.timeout_ms = 1};
    struct weir_saga_definition definition = {.step_count = 1, .steps = &step};
    struct weir_step_record record = {.state = WEIR_STEP_RUNNING};
    struct weir_saga saga = {.step_count = 1, .steps = &record};
    struct weir_saga_effects effects = {.send_count = WEIR_SAGA_STEPS_MAX};
    struct weir_saga_change change = {
        .definition = &definition, .saga = &saga, .effects = &effects};
    weir_change_send(&change, 0);
    assert_int_equal(change.status, WEIR_INVALID);
    assert_int_equal(effects.send_count, WEIR_SAGA_STEPS_MAX);

    effects.event_count = 4;
    change.status = WEIR_OK;
    weir_change_saga_move(&change, WEIR_SAGA_RUNNING);
    assert_int_equal(change.status, WEIR_INVALID);
    assert_int_equal(effects.event_count, 4);
}

static void words_of_sagas(void **state)
{
    (void)state;
    static const char *const words[] = {"none",      "running",     "compensating",
                                        "completed", "compensated", "suspended"};
    for (unsigned i = 0; i < 6; i++) {
        enum weir_saga_state found = WEIR_SAGA_NONE;
        assert_string_equal(weir_saga_state_text(i), words[i]);
        assert_int_equal(weir_saga_state_parse(words[i], strlen(words[i]), &found), i != 0);
        assert_int_equal(found, i);
    }
    enum weir_saga_state unused;
    assert_false(weir_saga_state_parse("runnin", 6, &unused));
    assert_false(weir_saga_state_parse("", 0, &unused));
    assert_string_equal(weir_saga_state_text(99), "unknown");
}

static void words_of_steps(void **state)
{
    (void)state;
    static const char *const words[] = {"pending",   "running",      "succeeded",   "failed",
                                        "timed-out", "compensating", "compensated", "skipped"};
    for (unsigned i = 0; i < 8; i++) {
        enum weir_step_state found;
        assert_string_equal(weir_step_state_text(i), words[i]);
        assert_true(weir_step_state_parse(words[i], strlen(words[i]), &found));
        assert_int_equal(found, i);
    }
    enum weir_step_state unused;
    assert_false(weir_step_state_parse("timed_out", 9, &unused));
    assert_string_equal(weir_step_state_text(8), "unknown");
}

static void words_of_actions_and_events(void **state)
{
    (void)state;
    enum weir_step_action action;
    assert_true(weir_step_action_parse("execute", 7, &action));
    assert_int_equal(action, WEIR_STEP_EXECUTE);
    assert_true(weir_step_action_parse("compensate", 10, &action));
    assert_int_equal(action, WEIR_STEP_COMPENSATE);
    assert_false(weir_step_action_parse("Execute", 7, &action));
    assert_string_equal(weir_step_action_text(WEIR_STEP_EXECUTE), "execute");
    assert_string_equal(weir_step_action_text(WEIR_STEP_COMPENSATE), "compensate");
    static const char *const events[] = {"SagaStarted", "SagaCompleted", "SagaCompensating",
                                         "SagaCompensated", "SagaSuspended"};
    for (unsigned i = 0; i < 5; i++)
        assert_string_equal(weir_saga_event_text(i), events[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_move_of_a_saga),
        cmocka_unit_test(every_move_of_a_step),
        cmocka_unit_test(first_failure_stays),
        cmocka_unit_test(effects_have_an_end),
        cmocka_unit_test(words_of_sagas),
        cmocka_unit_test(words_of_steps),
        cmocka_unit_test(words_of_actions_and_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
