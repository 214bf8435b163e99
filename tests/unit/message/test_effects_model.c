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

/* How many keys and fields there are, in how many histories of how many steps. */
struct world {
    size_t keys, fields, histories, steps;
};

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

enum { KEYS_MAX = 60, FIELDS_MAX = 60 };
static const char *const key_names[] = {"{s}:a", "{s}:b", "{s}:a:b"};
static const char *const field_names[] = {"f", "g", "ff", ""};

static const char *key_name(size_t key)
{
    static char room[32];
    snprintf(room, sizeof room, "{s}:k:%zu", key);
    return key < 3 ? key_names[key] : room;
}

static const char *field_name(size_t field)
{
    static char room[32];
    snprintf(room, sizeof room, "field-%zu", field);
    return field < 4 ? field_names[field] : room;
}

/* A field as if each write were carried out at once. */
struct cell {
    enum weir_effect_view view;
    char value[32];
    int64_t delta;
    bool expected;
};
struct model {
    const struct world *world;
    struct cell cells[KEYS_MAX][FIELDS_MAX];
    bool deleted[KEYS_MAX];
    size_t expectations;
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

static int64_t random_delta(struct weir_random *random, size_t steps)
{
    if (weir_random_below(random, steps) == 0)
        return (int64_t)weir_random_next(random);
    return (int64_t)weir_random_below(random, 200) - 100;
}

static void delete_key(struct weir_effects *effects, struct model *model, size_t key)
{
    weir_effects_plain(effects, "DEL", key_name(key), NULL, 0);
    for (size_t i = 0; i < model->world->fields; i++)
        model->cells[key][i] =
            (struct cell){.view = WEIR_VIEW_ABSENT, .expected = model->cells[key][i].expected};
    model->deleted[key] = true;
}

/* As it is when memory ran out as one of them grew. */
static void lose_an_index(struct weir_effects *effects, struct weir_random *random)
{
    if (weir_random_below(random, 2) == 0)
        weir_index_close(&effects->key_index);
    else if (effects->key_count > 0)
        effects->keys[weir_random_below(random, effects->key_count)].fields_indexed = false;
}

/* Returns the key that it was about. */
static size_t move(struct weir_effects *effects, struct model *model, struct weir_random *random)
{
    size_t key = weir_random_below(random, model->world->keys);
    size_t field = weir_random_below(random, model->world->fields);
    struct cell *cell = &model->cells[key][field];
    struct weir_slice member[2] = {weir_slice_of("1"), weir_slice_of(field_name(field))};
    int64_t delta = random_delta(random, model->world->steps);
    if (weir_random_below(random, 200) == 0)
        lose_an_index(effects, random);
    switch (weir_random_below(random, 24)) {
    case 0:
        if (model->world->fields < 10 || weir_random_below(random, 20) == 0)
            delete_key(effects, model, key);
        break;
    case 1:
    case 2:
        weir_effects_remove(effects, key_name(key), field_name(field));
        cell->view = WEIR_VIEW_ABSENT;
        break;
    case 3:
    case 4:
    case 5:
        weir_effects_expect(effects, key_name(key), field_name(field), "seen");
        model->expectations += !cell->expected;
        cell->expected = true;
        break;
    case 6:
        weir_effects_plain(effects, "ZADD", key_name(key), member, 2);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        snprintf(cell->value, sizeof cell->value, "%s%" PRId64,
                 weir_random_below(random, model->world->steps) == 0 ? "x" : "", delta);
        cell->view = WEIR_VIEW_WRITTEN;
        weir_effects_set(effects, key_name(key), field_name(field), weir_slice_of(cell->value));
        break;
    default:
        weir_effects_add(effects, key_name(key), field_name(field), delta);
        model_add(model, cell, delta);
    }
    return key;
}

static void compare_cell(const struct weir_effects *effects, const struct model *model, size_t key,
                         size_t field, uint64_t seed)
{
    const struct cell *cell = &model->cells[key][field];
    char wanted[64] = "stored";
    const char *given = view_of(effects, key_name(key), field_name(field));
    if (cell->view == WEIR_VIEW_ABSENT)
        strcpy(wanted, "absent");
    else if (cell->view == WEIR_VIEW_WRITTEN)
        snprintf(wanted, sizeof wanted, "=%s", cell->value);
    else if (cell->view == WEIR_VIEW_ADDED)
        snprintf(wanted, sizeof wanted, "+%" PRId64, cell->delta);
    if (strcmp(given, wanted) != 0)
        fail_msg("seed %" PRIu64 ", %s %s: %s instead of %s", seed, key_name(key),
                 field_name(field), given, wanted);
}

static void compare_key(const struct weir_effects *effects, const struct model *model, size_t key,
                        uint64_t seed)
{
    bool written = false, deleted;
    for (size_t field = 0; field < model->world->fields; field++) {
        compare_cell(effects, model, key, field, seed);
        written |= model->cells[key][field].view == WEIR_VIEW_WRITTEN ||
                   model->cells[key][field].view == WEIR_VIEW_ADDED;
    }
    if (weir_effects_touch(effects, key_name(key), &deleted) != written ||
        deleted != model->deleted[key])
        fail_msg("seed %" PRIu64 ", %s: touched otherwise", seed, key_name(key));
}

/* Of one field one write is kept behind each deletion, and one expectation. */
static void compare_effects(const struct weir_effects *effects, const struct model *model,
                            uint64_t seed)
{
    size_t expectations = 0, chained = 0;
    for (size_t i = 0; i < effects->effect_count; i++)
        expectations += effects->effects[i].kind == WEIR_EFFECT_EXPECT;
    for (size_t i = 0; i < effects->key_count; i++)
        chained += effects->keys[i].effect_count;
    if (expectations != model->expectations || chained != effects->effect_count)
        fail_msg("seed %" PRIu64 ": %zu expectations instead of %zu, %zu effects of %zu", seed,
                 expectations, model->expectations, chained, effects->effect_count);
}

static void play(struct weir_effects *effects, struct model *model, uint64_t seed)
{
    struct weir_random random;
    weir_random_init(&random, seed);
    weir_effects_clear(effects);
    for (size_t step = 0; step < model->world->steps && !model->failed; step++) {
        size_t key = move(effects, model, &random);
        if (model->failed != (weir_rare_error_status(&effects->error) != WEIR_OK))
            fail_msg("seed %" PRIu64 ": error '%s'", seed, weir_rare_error_text(&effects->error));
        if (!model->failed && step % (1 + model->world->fields / 5) == 0)
            compare_key(effects, model, key, seed);
    }
    for (size_t key = 0; key < model->world->keys && !model->failed; key++)
        compare_key(effects, model, key, seed);
    if (!model->failed)
        compare_effects(effects, model, seed);
}

static void agree(struct weir_effects *effects, const struct world *world)
{
    const char *wish = getenv("WEIR_TEST_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 10) : weir_random_seed() % 1000000000;
    size_t whole = 0;
    print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
    for (uint64_t round = 0; round < world->histories; round++) {
        struct model *model = calloc(1, sizeof *model);
        assert_non_null(model);
        model->world = world;
        play(effects, model, seed + round);
        whole += !model->failed;
        free(model);
    }
    assert_true(whole > 0); /* or no history has come to its end */
}

static void few_keys_agree_with_a_naive_model(void **state)
{
    agree(*state, &(struct world){3, 4, 3000, 60});
}

static void many_keys_agree_with_a_naive_model(void **state)
{
    agree(*state, &(struct world){60, 5, 50, 1500});
}

static void many_fields_agree_with_a_naive_model(void **state)
{
    agree(*state, &(struct world){2, 60, 60, 1500});
    agree(*state, &(struct world){30, 40, 20, 6000});
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, open_effects, close_effects)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(few_keys_agree_with_a_naive_model),
        EACH(many_keys_agree_with_a_naive_model),
        EACH(many_fields_agree_with_a_naive_model),
    };
    return cmocka_run_group_tests_name("effects_model", tests, NULL, NULL);
}
