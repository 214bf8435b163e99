/* A saga's hash: what is written is read again, through random histories; what follows from other
 * fields is not there. WEIR_TEST_SEED repeats a run. */
#include "saga/record.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random_definition.h"
#include "scenario.h"
#include "support/saga_world.h"

#define KEY "{sagas}:saga:s"
#define FIELDS_MAX 600
#define EVENTS_MAX 512

/* ---- A hash -------------------------------------------------------------------------------- */

struct stored {
    char *texts[2 * FIELDS_MAX]; /* names and values in turn */
    struct weir_loaded view;
};

static const struct weir_loaded *loaded(struct stored *stored)
{
    stored->view.values = stored->texts;
    stored->view.loaded = true;
    return &stored->view;
}

static const char *field(struct stored *stored, const char *name)
{
    return weir_loaded_value(loaded(stored), name);
}

static size_t place_of(struct stored *stored, const char *name)
{
    size_t at = 0;
    while (at < stored->view.field_count && strcmp(stored->texts[2 * at], name) != 0)
        at++;
    return at;
}

static void drop(struct stored *stored, size_t at)
{
    size_t last = --stored->view.field_count;
    free(stored->texts[2 * at]);
    free(stored->texts[2 * at + 1]);
    stored->texts[2 * at] = stored->texts[2 * last];
    stored->texts[2 * at + 1] = stored->texts[2 * last + 1];
}

static void put(struct stored *stored, const char *name, struct weir_slice value)
{
    size_t at = place_of(stored, name);
    if (at < stored->view.field_count)
        drop(stored, at);
    at = stored->view.field_count++;
    assert_true(at < FIELDS_MAX);
    stored->texts[2 * at] = strdup(name);
    stored->texts[2 * at + 1] = strndup(value.at, value.length);
}

static void clear(struct stored *stored)
{
    while (stored->view.field_count > 0)
        drop(stored, 0);
}

static struct weir_slice argument(const struct weir_effects *effects,
                                  const struct weir_effect *effect, size_t index)
{
    const struct weir_effect_argument *at = &effects->arguments[effect->first_argument + index];
    return (struct weir_slice){effects->bytes.at + at->offset, at->length};
}

/* Carries out what was queued, as the server would. No write may change nothing. */
static void carry_out(struct stored *stored, const struct weir_effects *effects)
{
    assert_int_equal(weir_rare_error_status(&effects->error), WEIR_OK);
    for (size_t i = 0; i < effects->effect_count; i++) {
        const struct weir_effect *effect = &effects->effects[i];
        char name[300];
        struct weir_slice named = argument(effects, effect, 0);
        snprintf(name, sizeof name, "%.*s", (int)named.length, named.at);
        const char *before = field(stored, name);
        if (effect->kind == WEIR_EFFECT_REMOVE) {
            assert_non_null(before);
            drop(stored, place_of(stored, name));
        } else {
            struct weir_slice value = argument(effects, effect, 1);
            assert_int_equal(effect->kind, WEIR_EFFECT_SET);
            assert_false(before != NULL && weir_slice_equals(value, before));
            put(stored, name, value);
        }
    }
}

/* ---- Comparing ----------------------------------------------------------------------------- */

static bool same(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

#define SAME(member)                                                                               \
    do {                                                                                           \
        if (read->member != written->member)                                                       \
            fail_msg("%s: %lld was written, %lld read", #member, (long long)written->member,       \
                     (long long)read->member);                                                     \
    } while (0)
#define SAME_TEXT(member)                                                                          \
    do {                                                                                           \
        if (!same(read->member, written->member))                                                  \
            fail_msg("%s: %s was written, %s read", #member, written->member, read->member);       \
    } while (0)

static void compare_step(const struct weir_step_record *written,
                         const struct weir_step_record *read)
{
    SAME(state);
    SAME(attempts);
    SAME(compensation_attempts);
    SAME(number);
    SAME(forgiven);
    SAME(waiting_to_send);
    SAME(unsent);
    SAME(may_have_effect);
    SAME(sent_at);
    SAME(ended_at);
    SAME(due_at);
    SAME(late_at);
    SAME(heard_at);
    SAME_TEXT(result);
    SAME_TEXT(error);
    SAME_TEXT(signal);
    SAME_TEXT(awaits);
}

static void compare(const struct weir_saga *written, const struct weir_saga *read)
{
    SAME(state);
    SAME(suspended_from);
    SAME(started_at);
    SAME(updated_at);
    SAME(ended_at);
    SAME(deadline);
    SAME(revision);
    SAME_TEXT(reason);
    SAME_TEXT(reason_before);
    for (size_t i = 0; i < written->step_count; i++)
        compare_step(&written->steps[i], &read->steps[i]);
}

/* ---- Histories ----------------------------------------------------------------------------- */

static struct {
    unsigned long writes, without_number, without_due, with_number, with_due;
} run;

static void count_left_out(const struct weir_saga_definition *definition,
                           const struct weir_saga *saga, struct stored *stored)
{
    for (size_t i = 0; i < saga->step_count; i++) {
        char name[96];
        const char *step = definition->steps[i].name;
        snprintf(name, sizeof name, "step:%s:number", step);
        run.without_number += saga->steps[i].number == 1 && field(stored, name) == NULL;
        run.with_number += field(stored, name) != NULL;
        snprintf(name, sizeof name, "step:%s:dueAt", step);
        run.without_due += saga->steps[i].due_at != 0 && field(stored, name) == NULL;
        run.with_due += field(stored, name) != NULL;
    }
}

/* After each move: only the steps that have changed are written, and all of it is read. */
static void write_and_read(const struct world *world, struct stored *stored, bool first)
{
    struct weir_effects effects = {0};
    struct weir_saga read = {0};
    struct weir_error error = {0};
    weir_saga_record_write(&effects, KEY, first ? NULL : loaded(stored), world->definition,
                           &world->saga, first ? ~UINT64_C(0) : world->effects.changed_steps);
    carry_out(stored, &effects);
    assert_int_equal(weir_saga_init(&read, world->definition), WEIR_OK);
    assert_int_equal(weir_saga_record_read(world->definition, loaded(stored), &read, &error),
                     WEIR_OK);
    compare(&world->saga, &read);
    count_left_out(world->definition, &world->saga, stored);
    run.writes++;
    weir_saga_close(&read);
    weir_effects_close(&effects);
}

static void live(struct world *world, struct weir_random *random)
{
    static struct world_event events[EVENTS_MAX];
    struct stored stored = {0};
    for (int i = 0; i < 150; i++) {
        int64_t revision = world->saga.revision;
        size_t count = world_events(world, events, EVENTS_MAX);
        assert_true(count > 0 && count < EVENTS_MAX);
        assert_true(world_apply(world, &events[weir_random_below(random, count)]));
        if (world->violation[0] != '\0')
            fail_msg("%s", world->violation);
        if (world->saga.revision != revision)
            write_and_read(world, &stored, revision == 0);
    }
    clear(&stored);
}

static void random_sagas_are_read_as_they_were_written(void **state)
{
    (void)state;
    const char *wanted = getenv("WEIR_TEST_SEED");
    uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 0) : 1;
    print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
    for (int i = 0; i < 4000; i++, seed++) {
        struct weir_random random;
        struct world world;
        weir_random_init(&random, seed);
        struct weir_text json = random_definition_json(&random);
        struct weir_saga_definition *definition = definition_of(&json);
        world_open(&world, definition, 3, 2);
        world.services_move = i % 2;
        live(&world, &random);
        world_close(&world);
        weir_saga_definition_free(definition);
        weir_text_close(&json);
    }
    print_message("%lu writes; numbers: %lu left out, %lu there; times: %lu left out, %lu there\n",
                  run.writes, run.without_number, run.with_number, run.without_due, run.with_due);
    assert_true(run.without_number > 0 && run.with_number > 0);
    assert_true(run.without_due > 0 && run.with_due > 0);
}

/* ---- What is left out ---------------------------------------------------------------------- */

static struct scenario begun(const char *steps)
{
    struct scenario scenario =
        scenario_new(steps, (struct scenario_limits){.timeout = 100, .backoff = 5, .attempts = 2});
    (void)scenario_input(&scenario, (struct weir_saga_input){.kind = WEIR_SAGA_START});
    return scenario;
}

static void write_down(struct scenario *scenario, struct stored *stored)
{
    struct weir_effects effects = {0};
    weir_saga_record_write(&effects, KEY, loaded(stored), scenario->definition, &scenario->saga,
                           ~UINT64_C(0));
    carry_out(stored, &effects);
    weir_effects_close(&effects);
}

static void a_command_with_its_service_says_only_when_it_was_sent(void **state)
{
    (void)state;
    struct scenario scenario = begun("a b:a");
    struct stored stored = {0};
    write_down(&scenario, &stored);
    assert_null(field(&stored, "step:a:number"));
    assert_null(field(&stored, "step:a:dueAt"));
    assert_string_equal(field(&stored, "step:a:sentAt"), "1000");
    assert_string_equal(field(&stored, "step:a:attempts"), "1");
    assert_null(field(&stored, "step:b:number"));
    assert_null(field(&stored, "step:b:attempts"));
    scenario.saga.steps[0].due_at = 1101; /* as a heard success has it */
    write_down(&scenario, &stored);
    assert_string_equal(field(&stored, "step:a:dueAt"), "1101");
    scenario.saga.steps[0].due_at = 0; /* stuck */
    write_down(&scenario, &stored);
    assert_string_equal(field(&stored, "step:a:dueAt"), "0");
    scenario.saga.steps[0].due_at = 1100;
    write_down(&scenario, &stored);
    assert_null(field(&stored, "step:a:dueAt"));
    clear(&stored);
    scenario_close(&scenario);
}

static void a_further_number_and_a_pause_are_said(void **state)
{
    (void)state;
    struct scenario scenario = begun("a+");
    struct stored stored = {0};
    (void)scenario_input(
        &scenario,
        (struct weir_saga_input){.kind = WEIR_SAGA_REPLY, .step = 0, .number = 1, .reason = "no"});
    write_down(&scenario, &stored);
    assert_string_equal(field(&stored, "step:a:number"), "2");
    assert_string_equal(field(&stored, "step:a:backingOff"), "1");
    assert_non_null(field(&stored, "step:a:dueAt"));
    clear(&stored);
    scenario_close(&scenario);
}

/* Sagas of before wrote these fields always: they are believed. */
static void fields_that_are_there_count(void **state)
{
    (void)state;
    struct scenario scenario = begun("a");
    struct stored stored = {0};
    struct weir_saga read = {0};
    struct weir_error error = {0};
    write_down(&scenario, &stored);
    put(&stored, "step:a:number", weir_slice_of("1"));
    put(&stored, "step:a:dueAt", weir_slice_of("4711"));
    assert_int_equal(weir_saga_init(&read, scenario.definition), WEIR_OK);
    assert_int_equal(weir_saga_record_read(scenario.definition, loaded(&stored), &read, &error),
                     WEIR_OK);
    assert_int_equal(read.steps[0].number, 1);
    assert_int_equal(read.steps[0].due_at, 4711);
    weir_saga_close(&read);
    clear(&stored);
    scenario_close(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sagas_are_read_as_they_were_written),
        cmocka_unit_test(a_command_with_its_service_says_only_when_it_was_sent),
        cmocka_unit_test(a_further_number_and_a_pause_are_said),
        cmocka_unit_test(fields_that_are_there_count),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
