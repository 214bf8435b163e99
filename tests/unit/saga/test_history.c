/* Random histories of random sagas, with every rule checked after each event; then the cases of
 * tests/cases/history, histories that broke a rule once or show one at work. What breaks a rule is
 * cut down and printed as a case. WEIR_TEST_SEED repeats a run from the history with that seed;
 * WEIR_TEST_INPUTS sets how many inputs it has. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"
#include "random_definition.h"
#include "support/saga_history.h"

#define INPUTS 1000000
#define EVENTS_OF_ONE_HISTORY 400
#define RESUMES 4
#define UNSENDABLES 3

static struct {
    uint64_t seed;
    unsigned long inputs, histories, ended_in[6], verdicts[3], late, back_again;
} run;

/* ---- Random events ----------------------------------------------------------------------- */

static struct world_event random_message(const struct world *world, struct weir_random *random,
                                         uint8_t kind, uint8_t step)
{
    struct world_event event = {.kind = kind, .step = step};
    uint8_t last;
    event.action = world->seen[step].sent[WEIR_STEP_COMPENSATE] > 0 && chance(random, 60);
    last = world->seen[step].sent[event.action];
    event.number = chance(random, 70) ? last : (uint8_t)(1 + weir_random_below(random, last));
    event.outcome = chance(random, 70) ? WORLD_OK : (uint8_t)(1 + weir_random_below(random, 3));
    if (kind == WORLD_REPLY && event.outcome == WORLD_UNKNOWN_BUT_DONE)
        event.outcome = WORLD_UNKNOWN;
    event.unnumbered = kind == WORLD_REPLY && chance(random, 10);
    event.forged = kind == WORLD_REPLY && chance(random, 3);
    if (event.forged)
        event.number = (uint8_t)(last + 1);
    return event;
}

static struct world_event random_event(const struct world *world, struct weir_random *random)
{
    uint8_t step = (uint8_t)weir_random_below(random, world->saga.step_count);
    unsigned dice = (unsigned)weir_random_below(random, 1000);
    struct world_event event = {.step = step};
    if (dice < 340)
        event = random_message(world, random, WORLD_SERVE, step);
    else if (dice < 740)
        event = random_message(world, random, WORLD_REPLY, step);
    else if (dice < 880)
        event.kind = WORLD_WAKE;
    else if (dice < 885)
        event.kind = WORLD_CANCEL;
    else if (dice < 940)
        event.kind = WORLD_SIGNAL;
    else if (dice < 990)
        event.kind = WORLD_RESUME;
    else
        event.kind = WORLD_START;
    event.skip = event.kind == WORLD_RESUME && chance(random, 40);
    event.unsendable = event.kind != WORLD_SERVE && chance(random, 3);
    event.moves = event.kind == WORLD_SERVE && chance(random, 50);
    event.recorded = event.moves && chance(random, 20);
    return event;
}

/* ---- One history ------------------------------------------------------------------------- */

static void show_and_fail(struct history *history, const struct weir_text *json)
{
    char violation[200];
    struct weir_text text = {0};
    history_shrink(history);
    assert_true(history_breaks(history, violation));
    history_write(history, &text);
    fprintf(stderr, "WEIR_TEST_SEED=%" PRIu64 "\n%s\n%s", run.seed, json->at, text.at);
    weir_text_close(&text);
    fail_msg("%s", violation);
}

static void note_end(const struct world *world)
{
    run.ended_in[world->saga.state]++;
    run.back_again += world->resumes_left < RESUMES;
    for (size_t i = 0; i < world->saga.step_count; i++)
        run.late += world->saga.steps[i].late_at != 0;
}

static void live(struct history *history, struct weir_random *random, const struct weir_text *json)
{
    struct world world;
    struct world_event event = {.kind = WORLD_START};
    history_open_world(history, &world);
    while (history->count < EVENTS_OF_ONE_HISTORY) {
        if (world_apply(&world, &event)) {
            history_add(history, event);
            run.inputs += world.verdict >= 0;
            if (world.verdict >= 0)
                run.verdicts[world.verdict]++;
        }
        if (world.violation[0] != '\0')
            show_and_fail(history, json);
        if (world.saga.ended_at != 0 && chance(random, 2))
            break;
        event = random_event(&world, random);
    }
    note_end(&world);
    world_close(&world);
}

static void live_one_history(uint64_t seed)
{
    struct weir_random random;
    weir_random_init(&random, seed);
    struct weir_text json = random_definition_json(&random);
    struct weir_saga_definition *definition = definition_of(&json);
    struct history history = {
        .definition = definition, .resumes = RESUMES, .unsendables = UNSENDABLES};
    live(&history, &random, &json);
    history_close(&history);
    weir_saga_definition_free(definition);
    weir_text_close(&json);
    run.histories++;
}

static uint64_t setting(const char *name, uint64_t initial)
{
    const char *text = getenv(name);
    return text == NULL ? initial : strtoull(text, NULL, 0);
}

static void random_histories(void **state)
{
    (void)state;
    run.seed = setting("WEIR_TEST_SEED", weir_random_seed());
    uint64_t inputs = setting("WEIR_TEST_INPUTS", INPUTS);
    for (; run.inputs < inputs; run.seed++)
        live_one_history(run.seed);
    print_message("%lu inputs (%lu moved, %lu stale, %lu refused), %lu histories: %lu completed, "
                  "%lu compensated, %lu suspended; %lu resumed, %lu late; next seed %" PRIu64 "\n",
                  run.inputs, run.verdicts[0], run.verdicts[1], run.verdicts[2], run.histories,
                  run.ended_in[WEIR_SAGA_COMPLETED], run.ended_in[WEIR_SAGA_COMPENSATED],
                  run.ended_in[WEIR_SAGA_SUSPENDED], run.back_again, run.late, run.seed);
    if (inputs < 10000)
        return;
    assert_true(run.ended_in[WEIR_SAGA_COMPLETED] > 0 && run.ended_in[WEIR_SAGA_COMPENSATED] > 0);
    assert_true(run.ended_in[WEIR_SAGA_SUSPENDED] > 0 && run.back_again > 0 && run.late > 0);
}

/* ---- Cases ------------------------------------------------------------------------------- */

static struct weir_text play(const char *definition_json, const char *events)
{
    struct weir_text json = {0}, played = {0};
    char violation[200];
    weir_text_append_string(&json, definition_json);
    struct weir_saga_definition *definition = definition_of(&json);
    struct history history = {.definition = definition, .resumes = 100, .unsendables = 100};
    if (!history_read(&history, events))
        fail_msg("a line is no event");
    if (history_breaks(&history, violation))
        print_error("%s\n", violation);
    history_write(&history, &played);
    history_close(&history);
    weir_saga_definition_free(definition);
    weir_text_close(&json);
    return played;
}

static bool case_holds(const char *folder)
{
    char *json = case_file(folder, "definition.json", NULL);
    char *expected = case_file(folder, "history.txt", NULL);
    const char *events = expected + strcspn(expected, "\n") + 1; /* a comment comes first */
    struct weir_text found = play(json, events);
    bool holds = found.at != NULL && strcmp(found.at, events) == 0;
    if (!holds)
        fprintf(stderr, "%s\nexpected\n%s\nfound\n%s\n", folder, events, found.at);
    weir_text_close(&found);
    free(json);
    free(expected);
    return holds;
}

static void every_case(void **state)
{
    (void)state;
    assert_true(cases_that_hold("tests/cases/history", case_holds) >= 10);
}

/* ---- The shrinker ------------------------------------------------------------------------ */

static struct weir_saga_definition *pair(const char *more)
{
    struct weir_text json = {0};
    weir_text_format(&json,
                     "{\"name\":\"pair\",\"version\":1,\"steps\":["
                     "{\"name\":\"a\",\"service\":\"x\",\"command\":\"Do\","
                     "\"compensation\":\"Undo\",\"attempts\":1,\"timeoutMs\":100},"
                     "{\"name\":\"b\",\"service\":\"x\",\"command\":\"Do\",\"attempts\":1,%s}]}",
                     more);
    struct weir_saga_definition *definition = definition_of(&json);
    weir_text_close(&json);
    return definition;
}

/* One random history, until a rule is broken. */
static bool live_until_it_breaks(struct history *history, struct weir_random *random)
{
    bool broken;
    struct world world;
    history_close(history);
    history_open_world(history, &world);
    history_add(history, (struct world_event){.kind = WORLD_START});
    (void)world_apply(&world, &history->events[0]);
    while (history->count < EVENTS_OF_ONE_HISTORY && world.violation[0] == '\0') {
        history_add(history, random_event(&world, random));
        (void)world_apply(&world, &history->events[history->count - 1]);
    }
    broken = world.violation[0] != '\0';
    world_close(&world);
    return broken;
}

/* A defect is found out, by a history without a needless event. */
static void assert_found(struct history history, const char *wanted, size_t events)
{
    struct weir_random random;
    struct weir_text shown = {0};
    char violation[200];
    size_t before;
    weir_random_init(&random, 7);
    while (!live_until_it_breaks(&history, &random))
        continue;
    before = history.count;
    history_shrink(&history);
    history_write(&history, &shown);
    print_message("%zu events shrink to %zu:\n%s", before, history.count, shown.at);
    assert_true(history_breaks(&history, violation));
    if (strstr(violation, wanted) == NULL)
        fail_msg("%s, not %s", violation, wanted);
    assert_int_equal(history.count, events);
    history_close(&history);
    weir_text_close(&shown);
}

static void a_broken_bar_is_found(void **state)
{
    (void)state;
    struct weir_saga_definition *definition = pair("\"compensation\":\"Undo\"");
    assert_found((struct history){.definition = definition, .bar_is_broken = true},
                 "the saga is compensated, and a has had its effect", 5);
    weir_saga_definition_free(definition);
}

/* Services that do not read what the saga tells execute a copy of what a move has ended. */
static void services_that_do_not_read_sagas_are_found(void **state)
{
    (void)state;
    struct weir_saga_definition *definition = pair("\"compensation\":\"Undo\"");
    assert_found((struct history){.definition = definition, .deaf = true}, "of a is handled twice",
                 5);
    weir_saga_definition_free(definition);
}

/* A saga whose time has become shorter, and whose timer was left where it is. */
static void a_timer_that_is_left_too_late_is_found(void **state)
{
    (void)state;
    struct weir_saga_definition *definition = pair("\"compensation\":\"Undo\"");
    assert_found((struct history){.definition = definition, .late_timer = true},
                 "the timer is set to", 3);
    weir_saga_definition_free(definition);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),
        cmocka_unit_test(every_case),
        cmocka_unit_test(a_broken_bar_is_found),
        cmocka_unit_test(services_that_do_not_read_sagas_are_found),
        cmocka_unit_test(a_timer_that_is_left_too_late_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
