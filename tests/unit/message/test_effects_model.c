/* Random histories of effects against a naive model that carries each write out at once. The seed
 * is printed; WEIR_TEST_SEED repeats a run from the history with that seed. */
#include "message/effects.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"

#define HISTORIES 3000
#define STEPS 60

static int open_effects(void **state)
{
    *state = calloc(1, sizeof(struct weir_effects));
    return *state == NULL;
}

static int close_effects(void **state)
{
    weir_effects_close(*state);
    free(*state);
    return 0;
}

/* What a field will be, as text: "stored", "absent", "=value", "+delta". */
static const char *view_of(const struct weir_effects *effects, const char *key, const char *field)
{
    static char text[512];
    struct weir_slice value = {0};
    int64_t delta = 0;
    switch (weir_effects_view(effects, key, field, &value, &delta)) {
    case WEIR_VIEW_STORED:
        return "stored";
    case WEIR_VIEW_ABSENT:
        return "absent";
    case WEIR_VIEW_WRITTEN:
        assert_int_equal(value.at[value.length], '\0');
        snprintf(text, sizeof text, "=%.*s", (int)value.length, value.at);
        return text;
    default:
        snprintf(text, sizeof text, "+%" PRId64, delta);
        return text;
    }
}

enum { KEYS = 3, FIELDS = 4 };
static const char *const key_names[KEYS] = {"{s}:a", "{s}:b", "{s}:a:b"};
static const char *const field_names[FIELDS] = {"f", "g", "ff", ""};

/* A field as if each write were carried out at once. */
struct cell {
    enum weir_effect_view view;
    char value[32];
    int64_t delta;
};
struct model {
    struct cell cells[KEYS][FIELDS];
    bool failed;
};

static void model_add(struct model *model, struct cell *cell, int64_t delta)
{
    int64_t start = 0;
    if (cell->view == WEIR_VIEW_STORED || cell->view == WEIR_VIEW_ADDED) {
        model->failed |= __builtin_add_overflow(cell->view == WEIR_VIEW_ADDED ? cell->delta : 0,
                                                delta, &cell->delta);
        cell->view = WEIR_VIEW_ADDED;
        return;
    }
    if (cell->view == WEIR_VIEW_WRITTEN &&
        !weir_parse_integer(cell->value, strlen(cell->value), &start))
        model->failed = true;
    model->failed |= __builtin_add_overflow(start, delta, &start);
    snprintf(cell->value, sizeof cell->value, "%" PRId64, start);
    cell->view = WEIR_VIEW_WRITTEN;
}

static int64_t random_delta(struct weir_random *random)
{
    if (weir_random_below(random, 50) == 0)
        return (int64_t)weir_random_next(random);
    return (int64_t)weir_random_below(random, 200) - 100;
}

static void move(struct weir_effects *effects, struct model *model, struct weir_random *random)
{
    size_t key = weir_random_below(random, KEYS), field = weir_random_below(random, FIELDS);
    struct cell *cell = &model->cells[key][field];
    int64_t delta = random_delta(random);
    switch (weir_random_below(random, 12)) {
    case 0:
        weir_effects_plain(effects, "DEL", key_names[key], NULL, 0);
        for (size_t i = 0; i < FIELDS; i++)
            model->cells[key][i] = (struct cell){.view = WEIR_VIEW_ABSENT};
        return;
    case 1:
    case 2:
        weir_effects_remove(effects, key_names[key], field_names[field]);
        cell->view = WEIR_VIEW_ABSENT;
        return;
    case 3:
        weir_effects_expect(effects, key_names[key], field_names[field], "seen");
        return;
    case 4:
    case 5:
    case 6:
        snprintf(cell->value, sizeof cell->value, "%s%" PRId64,
                 weir_random_below(random, 20) == 0 ? "x" : "", delta);
        cell->view = WEIR_VIEW_WRITTEN;
        weir_effects_set(effects, key_names[key], field_names[field], weir_slice_of(cell->value));
        return;
    default:
        weir_effects_add(effects, key_names[key], field_names[field], delta);
        model_add(model, cell, delta);
    }
}

static void compare(const struct weir_effects *effects, const struct model *model, uint64_t seed)
{
    if (model->failed != (effects->error.status != WEIR_OK))
        fail_msg("seed %" PRIu64 ": error '%s'", seed, effects->error.text);
    for (size_t key = 0; key < KEYS && !model->failed; key++)
        for (size_t field = 0; field < FIELDS; field++) {
            const struct cell *cell = &model->cells[key][field];
            char wanted[64] = "stored";
            if (cell->view == WEIR_VIEW_ABSENT)
                strcpy(wanted, "absent");
            else if (cell->view == WEIR_VIEW_WRITTEN)
                snprintf(wanted, sizeof wanted, "=%s", cell->value);
            else if (cell->view == WEIR_VIEW_ADDED)
                snprintf(wanted, sizeof wanted, "+%" PRId64, cell->delta);
            const char *given = view_of(effects, key_names[key], field_names[field]);
            if (strcmp(given, wanted) != 0)
                fail_msg("seed %" PRIu64 ", %s %s: %s instead of %s", seed, key_names[key],
                         field_names[field], given, wanted);
        }
}

static void agrees_with_a_naive_model(void **state)
{
    struct weir_effects *effects = *state;
    const char *wish = getenv("WEIR_TEST_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 10) : weir_random_seed() % 1000000000;
    print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
    for (uint64_t round = 0; round < HISTORIES; round++) {
        struct weir_random random;
        struct model model = {0};
        weir_random_init(&random, seed + round);
        weir_effects_clear(effects);
        for (int step = 0; step < STEPS && !model.failed; step++) {
            move(effects, &model, &random);
            compare(effects, &model, seed + round);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(agrees_with_a_naive_model, open_effects, close_effects),
    };
    return cmocka_run_group_tests_name("effects_model", tests, NULL, NULL);
}
