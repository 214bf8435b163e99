/* A transition as part of a commit: when a saga's timer is set anew, and what is queued. */
#include "saga/carry_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scenario.h"

/* ---- The timer: the full table -----------------------------------------------------------------
 */

/* 0: none; the others are moments in their order. */
static const int64_t moments[] = {0, 1000, 1001, 2000};

static bool wanted(int64_t before, int64_t at, bool rang)
{
    if (at == 0)
        return before !=
               0; /* it is taken away; one that has rung is none to take, which does no harm */
    if (before == 0)
        return true; /* there was none */
    if (rang)
        return true;    /* there is none any more */
    return at < before; /* it would ring too late */
}

static void every_timer(void **state)
{
    (void)state;
    for (size_t before = 0; before < 4; before++)
        for (size_t at = 0; at < 4; at++)
            for (int rang = 0; rang < 2; rang++) {
                struct weir_saga_case one = {.timer_consumed = rang};
                struct weir_saga_effects effects = {.wake_before = moments[before],
                                                    .wake_at = moments[at]};
                if (weir_saga_timer_changes(&one, &effects) !=
                    wanted(moments[before], moments[at], rang))
                    fail_msg("before %lld, at %lld, %s", (long long)moments[before],
                             (long long)moments[at], rang ? "rang" : "set");
            }
}

/* ---- What is queued ----------------------------------------------------------------------------
 */

struct carried {
    struct scenario scenario;
    struct weir_effects effects;
    struct weir_saga_case one;
    struct weir_loaded stored;
    char *fields[2];
};

static void open_carried(struct carried *carried)
{
    memset(carried, 0, sizeof *carried);
    carried->scenario =
        scenario_new("a b:a", (struct scenario_limits){.timeout = 100, .attempts = 1});
    (void)scenario_input(&carried->scenario, (struct weir_saga_input){.kind = WEIR_SAGA_START});
    carried->fields[0] = "revision";
    carried->fields[1] = "1";
    carried->stored = (struct weir_loaded){.values = carried->fields, .field_count = 1};
    carried->one = (struct weir_saga_case){.definition = carried->scenario.definition,
                                           .saga = &carried->scenario.saga,
                                           .id = "s",
                                           .key = "{sagas}:saga:s",
                                           .stored = &carried->stored,
                                           .data = "{}",
                                           .now = 1000,
                                           .effects = &carried->effects,
                                           .prefix = "",
                                           .data_max = 1000,
                                           .command_life_ms = 5000,
                                           .retention_ms = 7000};
}

static void close_carried(struct carried *carried)
{
    scenario_close(&carried->scenario);
    weir_effects_close(&carried->effects);
}

static void answer(struct carried *carried, size_t step, int64_t now)
{
    enum weir_saga_state before = carried->scenario.saga.state;
    struct weir_saga_commands commands = {0};
    carried->one.now = carried->scenario.now = now;
    (void)scenario_input(&carried->scenario, (struct weir_saga_input){.kind = WEIR_SAGA_REPLY,
                                                                      .step = step,
                                                                      .number = 1,
                                                                      .succeeded = true});
    assert_int_equal(weir_saga_commands_compose(&commands, &carried->one,
                                                &carried->scenario.effects,
                                                &carried->scenario.random),
                     WEIR_SAGA_MOVED);
    weir_effects_clear(&carried->effects);
    weir_saga_carry_out(&carried->one, before, &carried->scenario.effects, &commands);
    weir_saga_commands_close(&commands);
    assert_int_equal(weir_rare_error_status(&carried->effects.error), WEIR_OK);
}

/* Whether a call with this run of words is made of it. */
static bool queued(struct carried *carried, const char *words)
{
    struct weir_arguments arguments = {0};
    struct weir_text call = {0};
    assert_int_equal(weir_effects_call(&carried->effects, &arguments, "f", NULL, 0, NULL, 0),
                     WEIR_OK);
    for (size_t i = 0; i < arguments.count; i++) {
        weir_text_append_string(&call, "|");
        weir_text_append(&call, arguments.at[i], arguments.lengths[i]);
    }
    weir_text_append_string(&call, "|");
    bool found = strstr(call.at, words) != NULL;
    weir_text_close(&call);
    weir_arguments_close(&arguments);
    return found;
}

static void a_move_expects_what_was_read(void **state)
{
    (void)state;
    struct carried carried;
    open_carried(&carried);
    answer(&carried, 0, 1010);
    assert_true(queued(&carried, "|EXPECT|1|2|revision|=1|"));
    assert_true(queued(&carried, "|expires|6010|"));
    close_carried(&carried);
}

static void the_timer_stays_until_the_saga_ends(void **state)
{
    (void)state;
    struct carried carried;
    open_carried(&carried);
    answer(&carried, 0, 1010);
    assert_false(queued(&carried, "|{sagas}:scheduled|"));
    answer(&carried, 1, 1020);
    assert_int_equal(carried.scenario.saga.state, WEIR_SAGA_COMPLETED);
    assert_true(queued(&carried, "|{sagas}:scheduled|"));
    assert_true(queued(&carried, "|ZREM|"));
    assert_true(queued(&carried, "|PEXPIRE|1|1|7000|"));
    close_carried(&carried);
}

static void a_timer_that_has_rung_is_set(void **state)
{
    (void)state;
    struct carried carried;
    open_carried(&carried);
    carried.one.timer_consumed = true;
    answer(&carried, 0, 1010);
    assert_true(queued(&carried, "|1110|1:s4:type8:SagaWake4:saga1:s|"));
    close_carried(&carried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_timer),
        cmocka_unit_test(a_move_expects_what_was_read),
        cmocka_unit_test(the_timer_stays_until_the_saga_ends),
        cmocka_unit_test(a_timer_that_has_rung_is_set),
    };
    return cmocka_run_group_tests_name("carry_out", tests, NULL, NULL);
}
