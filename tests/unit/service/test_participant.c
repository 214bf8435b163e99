/* A service's part in a saga: every record against every command, whatever a saga may tell of a
 * step, and every order in which an execution and its compensation can come. */
#include "service/participant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define NUMBERS 3

/* ---- The full table ------------------------------------------------------------------------ */

/* Fields of a record: not there, unreadable, or one of the three outcomes of number 1 … 3. */
static const char *const fields[] = {
    NULL,
    "nonsense",
    "1 succeeded {\"n\":1}",
    "2 succeeded {\"n\":2}",
    "3 succeeded {\"n\":3}",
    "1 failed {\"n\":1}",
    "2 failed {\"n\":2}",
    "3 failed {\"n\":3}",
    "1 unknown {\"n\":1}",
    "2 unknown {\"n\":2}",
    "3 unknown {\"n\":3}",
};

static enum weir_step_outcome outcome_of(size_t field)
{
    return field < 2   ? WEIR_OUTCOME_NONE
           : field < 5 ? WEIR_OUTCOME_SUCCEEDED
           : field < 8 ? WEIR_OUTCOME_FAILED
                       : WEIR_OUTCOME_UNKNOWN;
}

static unsigned number_of(size_t field)
{
    return field < 2 ? 0 : (unsigned)(field - 2) % 3 + 1;
}

/* The rules as the contract has them, each on its own. */
static enum weir_participant_verdict wanted(size_t execute, size_t compensate, bool compensating,
                                            unsigned number)
{
    size_t own = compensating ? compensate : execute;
    enum weir_step_outcome executed = outcome_of(execute), compensated = outcome_of(compensate);
    if (outcome_of(own) == WEIR_OUTCOME_SUCCEEDED)
        return WEIR_PARTICIPANT_REPEAT; /* a success is final, whatever is asked later */
    if (outcome_of(own) != WEIR_OUTCOME_NONE && number_of(own) >= number)
        return WEIR_PARTICIPANT_REPEAT; /* this command, or one before it, is answered for good */
    if (!compensating)
        return compensated == WEIR_OUTCOME_NONE ? WEIR_PARTICIPANT_HANDLE : WEIR_PARTICIPANT_BARRED;
    if (executed == WEIR_OUTCOME_SUCCEEDED || executed == WEIR_OUTCOME_UNKNOWN)
        return WEIR_PARTICIPANT_HANDLE; /* it has, or may have, taken effect */
    return WEIR_PARTICIPANT_NULL;
}

static struct weir_participant_decision decide(const char *execute, const char *compensate,
                                               bool compensating, unsigned number)
{
    struct weir_step_ends ends = {weir_step_end_parse(execute), weir_step_end_parse(compensate)};
    return weir_participant_decide(&ends, compensating, number);
}

static void check_cell(size_t execute, size_t compensate, bool compensating, unsigned number)
{
    struct weir_participant_decision decision =
        decide(fields[execute], fields[compensate], compensating, number);
    size_t own = compensating ? compensate : execute;
    if (decision.verdict != wanted(execute, compensate, compensating, number))
        fail_msg("execute '%s', compensate '%s', %s #%u: verdict %d",
                 fields[execute] ? fields[execute] : "-",
                 fields[compensate] ? fields[compensate] : "-",
                 compensating ? "compensate" : "execute", number, (int)decision.verdict);
    if (decision.verdict != WEIR_PARTICIPANT_REPEAT)
        return;
    assert_int_equal(decision.answer.outcome, outcome_of(own));
    assert_int_equal(decision.answer.number, number_of(own));
    assert_int_equal(decision.answer.data.length, 7);
    assert_ptr_equal(decision.answer.data.at, strchr(fields[own], '{'));
}

static void the_full_table(void **state)
{
    (void)state;
    size_t cells = 0;
    for (size_t execute = 0; execute < COUNT(fields); execute++)
        for (size_t compensate = 0; compensate < COUNT(fields); compensate++)
            for (int compensating = 0; compensating < 2; compensating++)
                for (unsigned number = 1; number <= NUMBERS + 1; number++, cells++)
                    check_cell(execute, compensate, compensating, number);
    assert_int_equal(cells, 11 * 11 * 2 * 4);
}

/* ---- What the saga tells: the full table --------------------------------------------------- */

/* What a saga's hash may hold about a step; "" stands for a field that is not there. */
static const char *const states[] = {
    "",          "pending",      "running",     "succeeded", "failed",
    "timed-out", "compensating", "compensated", "skipped",   "nonsense",
};
static const char *const numbers[] = {"", "1", "2", "3", "none", "0", "1000001"};
static const char *const results[] = {"", "{\"n\":1}"};
static const char *const errors[] = {"", "no \"more\""};
static const char *const flags[] = {"", "1"};

struct told {
    const char *state, *number, *unknown, *result, *error, *attempts;
    unsigned number_read;
};

/* An execution, as asked for under a number: the rules one by one. */
static enum weir_step_outcome execution_wanted(const struct told *told, unsigned number)
{
    bool decided = told->state[0] != '\0' && strcmp(told->state, "pending") != 0 &&
                   strcmp(told->state, "running") != 0;
    bool undoing = told->attempts[0] != '\0';
    if (decided && told->result[0] != '\0')
        return WEIR_OUTCOME_SUCCEEDED; /* the result of a success stays, whatever came of it */
    if (decided && told->unknown[0] != '\0')
        return WEIR_OUTCOME_UNKNOWN; /* so does the word that it was given up */
    if (strcmp(told->state, "failed") == 0)
        return WEIR_OUTCOME_FAILED;
    if ((strcmp(told->state, "running") == 0 ||
         (strcmp(told->state, "skipped") == 0 && !undoing)) &&
        told->number_read > number)
        return WEIR_OUTCOME_FAILED; /* a new number follows a refusal alone */
    if (strcmp(told->state, "skipped") == 0)
        return WEIR_OUTCOME_FAILED; /* an operator has seen to it */
    return WEIR_OUTCOME_NONE;
}

static enum weir_step_outcome compensation_wanted(const struct told *told, unsigned number)
{
    bool undoing = told->attempts[0] != '\0';
    if (strcmp(told->state, "compensated") == 0)
        return WEIR_OUTCOME_SUCCEEDED;
    if ((strcmp(told->state, "compensating") == 0 ||
         (strcmp(told->state, "skipped") == 0 && undoing)) &&
        told->number_read > number)
        return WEIR_OUTCOME_FAILED;
    if (strcmp(told->state, "skipped") == 0 && undoing)
        return WEIR_OUTCOME_FAILED;
    return WEIR_OUTCOME_NONE;
}

static const char *or_none(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static struct weir_step_fields fields_of(const struct told *told)
{
    return (struct weir_step_fields){.state = or_none(told->state),
                                     .number = or_none(told->number),
                                     .unknown = or_none(told->unknown),
                                     .result = or_none(told->result),
                                     .error = or_none(told->error),
                                     .compensation_attempts = or_none(told->attempts)};
}

static const char *reason_wanted(const struct told *told, const struct weir_step_end *own)
{
    bool for_the_skip = strcmp(told->state, "skipped") == 0 && own->number == told->number_read &&
                        own->outcome == WEIR_OUTCOME_FAILED;
    return for_the_skip             ? "the step has been skipped"
           : told->error[0] != '\0' ? "no \\\"more\\\""
                                    : "refused";
}

static void check_data(const struct told *told, const struct weir_step_end *own, bool compensating)
{
    char wanted[80];
    if (own->outcome == WEIR_OUTCOME_NONE ||
        (compensating && own->outcome == WEIR_OUTCOME_SUCCEEDED))
        snprintf(wanted, sizeof wanted, "{}");
    else if (own->outcome == WEIR_OUTCOME_SUCCEEDED)
        snprintf(wanted, sizeof wanted, "%s", told->result);
    else
        snprintf(wanted, sizeof wanted, "{\"reason\":\"%s\"%s}", reason_wanted(told, own),
                 own->outcome == WEIR_OUTCOME_UNKNOWN ? ",\"unknown\":true" : "");
    if (!weir_slice_equals(own->data, wanted))
        fail_msg("%s: data %.*s instead of %s", told->state, (int)own->data.length, own->data.at,
                 wanted);
}

static void check_told(const struct told *told, bool compensating, unsigned number)
{
    struct weir_text room = {0};
    struct weir_step_fields stored = fields_of(told);
    struct weir_step_ends ends = weir_step_ends_of_saga(&stored, compensating, number, &room);
    /* of the other action it matters whether it has ended for good, under whatever number */
    enum weir_step_outcome executed = execution_wanted(told, compensating ? 1000000 : number);
    enum weir_step_outcome undone = compensation_wanted(told, compensating ? number : 1000000);
    const struct weir_step_end *own = compensating ? &ends.compensate : &ends.execute;
    const struct weir_step_end *other = compensating ? &ends.execute : &ends.compensate;
    if (ends.execute.outcome != executed || ends.compensate.outcome != undone)
        fail_msg("%s #%s unknown '%s' result '%s' attempts '%s', %s #%u: executed %d, undone %d",
                 told->state, told->number, told->unknown, told->result, told->attempts,
                 compensating ? "compensate" : "execute", number, (int)ends.execute.outcome,
                 (int)ends.compensate.outcome);
    if (own->outcome != WEIR_OUTCOME_NONE && own->outcome != WEIR_OUTCOME_SUCCEEDED)
        assert_true(own->number >= 1 &&
                    (own->number == told->number_read || own->number + 1 == told->number_read));
    check_data(told, own, compensating);
    assert_true(weir_slice_equals(other->data, "{}"));
    weir_text_close(&room);
}

static unsigned read_number(const char *text)
{
    return strcmp(text, "2") == 0 ? 2 : strcmp(text, "3") == 0 ? 3 : 1;
}

static void check_all_commands(const struct told *told)
{
    for (int compensating = 0; compensating < 2; compensating++)
        for (unsigned number = 1; number <= NUMBERS + 1; number++)
            check_told(told, compensating, number);
}

static void whatever_the_saga_tells(void **state)
{
    (void)state;
    struct told told;
    size_t tales = 0;
    size_t all = COUNT(states) * COUNT(numbers) * 16;
    for (size_t i = 0; i < all; i++, tales++) {
        size_t rest = i / 16;
        told.unknown = flags[i & 1];
        told.result = results[i >> 1 & 1];
        told.error = errors[i >> 2 & 1];
        told.attempts = flags[i >> 3 & 1];
        told.number = numbers[rest % COUNT(numbers)];
        told.state = states[rest / COUNT(numbers)];
        told.number_read = read_number(told.number);
        check_all_commands(&told);
    }
    assert_int_equal(tales, 10 * 7 * 16);
}

/* ---- Record and saga ------------------------------------------------------------------------ */

/* Both may tell of ends: each is weighed against each. */
static void the_more_final_of_both_counts(void **state)
{
    (void)state;
    for (size_t one = 0; one < COUNT(fields); one++)
        for (size_t other = 0; other < COUNT(fields); other++) {
            struct weir_step_end recorded = weir_step_end_parse(fields[one]);
            struct weir_step_end told = weir_step_end_parse(fields[other]);
            struct weir_step_end both = weir_step_end_of_both(recorded, told);
            bool success = outcome_of(one) == WEIR_OUTCOME_SUCCEEDED ||
                           outcome_of(other) == WEIR_OUTCOME_SUCCEEDED;
            if (success)
                assert_int_equal(both.outcome, WEIR_OUTCOME_SUCCEEDED);
            else
                assert_int_equal(both.number, number_of(one) > number_of(other) ? number_of(one)
                                                                                : number_of(other));
            /* where they say the same, it is in the words of the record */
            if (outcome_of(one) != WEIR_OUTCOME_NONE && number_of(one) == number_of(other) &&
                (outcome_of(one) == WEIR_OUTCOME_SUCCEEDED || !success))
                assert_ptr_equal(both.data.at, recorded.data.at);
            if (outcome_of(one) == WEIR_OUTCOME_NONE)
                assert_ptr_equal(both.data.at, told.data.at);
        }
}

/* ---- Orders -------------------------------------------------------------------------------- */

/* A service that commits what is decided at once, as the real one does. */
struct step {
    char *execute, *compensate;
    int executed, compensated; /* calls of the handlers */
};

static void record(char **field, enum weir_step_outcome outcome, unsigned number)
{
    struct weir_text text = {0};
    struct weir_step_end end = {outcome, number, weir_slice_of("{\"a\":1}")};
    weir_step_end_write(&text, &end);
    free(*field);
    *field = text.at;
}

/* One command; the handler, if it is called, ends with `ending`. Returns the answer. */
static enum weir_step_outcome give(struct step *step, bool compensating, unsigned number,
                                   enum weir_step_outcome ending)
{
    struct weir_participant_decision decision =
        decide(step->execute, step->compensate, compensating, number);
    char **own = compensating ? &step->compensate : &step->execute;
    switch (decision.verdict) {
    case WEIR_PARTICIPANT_REPEAT:
        return decision.answer.outcome;
    case WEIR_PARTICIPANT_BARRED:
        return WEIR_OUTCOME_FAILED;
    case WEIR_PARTICIPANT_NULL:
        record(own, WEIR_OUTCOME_SUCCEEDED, number);
        return WEIR_OUTCOME_SUCCEEDED;
    default:
        *(compensating ? &step->compensated : &step->executed) += 1;
        record(own, ending, number);
        return ending;
    }
}

static void close_step(struct step *step)
{
    free(step->execute);
    free(step->compensate);
}

#define EXECUTE(number, ending) give(&step, false, (number), WEIR_OUTCOME_##ending)
#define COMPENSATE(number, ending) give(&step, true, (number), WEIR_OUTCOME_##ending)
#define expect_answer(wanted, call) assert_int_equal((call), WEIR_OUTCOME_##wanted)
#define expect_calls(times, undone)                                                                \
    do {                                                                                           \
        assert_int_equal(step.executed, (times));                                                  \
        assert_int_equal(step.compensated, (undone));                                              \
        close_step(&step);                                                                         \
    } while (0)

static void execution_then_compensation(void **state)
{
    (void)state;
    struct step step = {0};
    expect_answer(SUCCEEDED, EXECUTE(1, SUCCEEDED));
    expect_answer(SUCCEEDED, COMPENSATE(1, SUCCEEDED));
    expect_answer(SUCCEEDED, EXECUTE(1, FAILED)); /* a late copy: its first outcome again */
    expect_answer(SUCCEEDED, COMPENSATE(1, FAILED));
    expect_calls(1, 1);
}

static void compensation_first_bars_the_execution(void **state)
{
    (void)state;
    struct step step = {0};
    expect_answer(SUCCEEDED, COMPENSATE(1, FAILED));
    expect_answer(FAILED, EXECUTE(1, SUCCEEDED));
    expect_answer(FAILED, EXECUTE(2, SUCCEEDED));
    expect_answer(SUCCEEDED, COMPENSATE(2, FAILED));
    expect_calls(0, 0);
}

static void compensation_alone_succeeds_without_a_handler(void **state)
{
    (void)state;
    struct step step = {0};
    expect_answer(SUCCEEDED, COMPENSATE(3, FAILED));
    expect_answer(SUCCEEDED, COMPENSATE(3, FAILED));
    expect_calls(0, 0);
}

static void an_execution_twice_is_one(void **state)
{
    (void)state;
    struct step step = {0};
    expect_answer(SUCCEEDED, EXECUTE(1, SUCCEEDED));
    expect_answer(SUCCEEDED, EXECUTE(1, FAILED));
    expect_answer(SUCCEEDED, EXECUTE(2, FAILED)); /* even asked for anew */
    expect_calls(1, 0);
}

static void a_refused_execution_has_nothing_to_undo(void **state)
{
    (void)state;
    struct step step = {0};
    expect_answer(FAILED, EXECUTE(1, FAILED));
    expect_answer(FAILED, EXECUTE(1, SUCCEEDED)); /* final for this number … */
    expect_answer(FAILED, EXECUTE(2, FAILED));    /* … and tried again under the next */
    expect_answer(FAILED, EXECUTE(1, SUCCEEDED)); /* a late copy of the first */
    expect_answer(SUCCEEDED, COMPENSATE(1, FAILED));
    expect_answer(FAILED, EXECUTE(3, SUCCEEDED));
    expect_calls(2, 0);
}

static void an_unknown_execution_is_undone(void **state)
{
    (void)state;
    struct step step = {0};
    expect_answer(UNKNOWN, EXECUTE(1, UNKNOWN));
    expect_answer(UNKNOWN, EXECUTE(1, SUCCEEDED));
    expect_answer(SUCCEEDED, COMPENSATE(1, SUCCEEDED));
    expect_calls(1, 1);
}

static void a_refused_compensation_is_tried_again_by_number(void **state)
{
    (void)state;
    struct step step = {0};
    expect_answer(SUCCEEDED, EXECUTE(1, SUCCEEDED));
    expect_answer(FAILED, COMPENSATE(1, FAILED));
    expect_answer(FAILED, COMPENSATE(1, SUCCEEDED));
    expect_answer(UNKNOWN, COMPENSATE(2, UNKNOWN));
    expect_answer(SUCCEEDED, COMPENSATE(3, SUCCEEDED));
    expect_answer(SUCCEEDED, COMPENSATE(2, FAILED));
    expect_answer(SUCCEEDED, EXECUTE(2, SUCCEEDED)); /* its own first outcome */
    expect_calls(1, 3);
}

static void a_compensation_under_way_bars_a_retry(void **state)
{
    (void)state;
    struct step step = {0};
    expect_answer(UNKNOWN, EXECUTE(1, UNKNOWN));
    expect_answer(FAILED, COMPENSATE(1, FAILED));
    expect_answer(FAILED, EXECUTE(2, SUCCEEDED));
    expect_calls(1, 1);
}

/* ---- Texts --------------------------------------------------------------------------------- */

static void numbers_of_commands(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        unsigned number;
    } cases[] = {
        {NULL, 1},
        {"", 1},
        {"s/pay/execute", 1},
        {"s/pay/execute#2", 2},
        {"s/pay/c#1", 1},
        {"s/pay/c#10", 10},
        {"s#7/pay/execute", 1},
        {"s#7/pay/execute#3", 3},
        {"s/pay/c#0", 1},
        {"s/pay/c#-2", 1},
        {"s/pay/c#", 1},
        {"s/pay/c#02", 1},
        {"s/pay/c#x", 1},
        {"#5", 5},
        {"s/pay/c#1000000", 1000000},
        {"s/pay/c#1000001", 1},
        {"s/pay/c#2 ", 1},
        {"s/pay/c#99999999999999999999", 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (weir_command_number(cases[i].id) != cases[i].number)
            fail_msg("%s: %u", cases[i].id, weir_command_number(cases[i].id));
}

static void unreadable_fields_count_as_not_there(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "1",
        "1 ",
        "x succeeded {}",
        "0 failed {}",
        "-1 failed {}",
        "01 failed {}",
        "1 Failed {}",
        "1 none {}",
        "1  failed {}",
        " 1 failed {}",
        "1 fail {}",
        "1 failedx {}",
        "1000001 failed {}",
        "failed",
        "1\tfailed {}",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct weir_step_end end = weir_step_end_parse(bad[i]);
        if (end.outcome != WEIR_OUTCOME_NONE || end.number != 0)
            fail_msg("'%s' was read", bad[i]);
        assert_true(weir_slice_equals(end.data, "{}"));
    }
    assert_int_equal(weir_step_end_parse(NULL).outcome, WEIR_OUTCOME_NONE);
    struct weir_step_end bare = weir_step_end_parse("7 unknown");
    assert_int_equal(bare.outcome, WEIR_OUTCOME_UNKNOWN);
    assert_true(weir_slice_equals(bare.data, "{}"));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const char *const data[] = {"{}", "{\"reason\":\"a b c\"}", "{\"a\":\"\xC3\xA9 \"}"};
    for (int outcome = WEIR_OUTCOME_SUCCEEDED; outcome <= WEIR_OUTCOME_UNKNOWN; outcome++)
        for (size_t i = 0; i < COUNT(data); i++)
            for (unsigned number = 1; number <= 1000000; number *= 10) {
                struct weir_step_end end = {(enum weir_step_outcome)outcome, number,
                                            weir_slice_of(data[i])};
                struct weir_text text = {0};
                weir_step_end_write(&text, &end);
                struct weir_step_end read = weir_step_end_parse(text.at);
                assert_int_equal(read.outcome, outcome);
                assert_int_equal(read.number, number);
                assert_true(weir_slice_equals(read.data, data[i]));
                weir_text_close(&text);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_full_table),
        cmocka_unit_test(whatever_the_saga_tells),
        cmocka_unit_test(the_more_final_of_both_counts),
        cmocka_unit_test(execution_then_compensation),
        cmocka_unit_test(compensation_first_bars_the_execution),
        cmocka_unit_test(compensation_alone_succeeds_without_a_handler),
        cmocka_unit_test(an_execution_twice_is_one),
        cmocka_unit_test(a_refused_execution_has_nothing_to_undo),
        cmocka_unit_test(an_unknown_execution_is_undone),
        cmocka_unit_test(a_refused_compensation_is_tried_again_by_number),
        cmocka_unit_test(a_compensation_under_way_bars_a_retry),
        cmocka_unit_test(numbers_of_commands),
        cmocka_unit_test(unreadable_fields_count_as_not_there),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests_name("participant", tests, NULL, NULL);
}
