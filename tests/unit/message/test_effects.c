/* Collecting effects: of each field one write is kept, whatever has been asked for, and what is
 * read back is what will be. Tried against a naive model by random histories; WEIR_TEST_SEED
 * repeats. */
#include "message/effects.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY "{s}:account:c7"

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

static void set(struct weir_effects *effects, const char *field, const char *value)
{
    weir_effects_set(effects, KEY, field, weir_slice_of(value));
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

#define expect_view(wanted, field) assert_string_equal(view_of(effects, KEY, (field)), (wanted))

static size_t writes(const struct weir_effects *effects)
{
    return effects->effect_count;
}

static void nothing_written_nothing_seen(void **state)
{
    struct weir_effects *effects = *state;
    bool deleted = true;
    expect_view("stored", "balance");
    assert_false(weir_effects_touch(effects, KEY, &deleted));
    assert_false(deleted);
    weir_effects_clear(effects);
    expect_view("stored", "balance");
}

static void the_last_value_counts(void **state)
{
    struct weir_effects *effects = *state;
    set(effects, "balance", "1");
    set(effects, "balance", "22");
    expect_view("=22", "balance");
    set(effects, "balance", "");
    expect_view("=", "balance");
    expect_view("stored", "balanc");
    expect_view("stored", "balance2");
    assert_int_equal(writes(effects), 1);
    assert_int_equal(weir_rare_error_status(&effects->error), WEIR_OK);
}

static void sums_come_together(void **state)
{
    struct weir_effects *effects = *state;
    weir_effects_add(effects, KEY, "n", 5);
    weir_effects_add(effects, KEY, "n", -7);
    expect_view("+-2", "n");
    weir_effects_add(effects, KEY, "n", 2);
    expect_view("+0", "n"); /* the field has to be a number still, and will be there */
    assert_int_equal(writes(effects), 1);
}

static void a_sum_on_a_written_value_is_a_value(void **state)
{
    struct weir_effects *effects = *state;
    set(effects, "n", "40");
    weir_effects_add(effects, KEY, "n", 2);
    expect_view("=42", "n");
    weir_effects_remove(effects, KEY, "n");
    expect_view("absent", "n");
    weir_effects_add(effects, KEY, "n", -3);
    expect_view("=-3", "n");
    weir_effects_add(effects, KEY, "n", 1);
    expect_view("=-2", "n");
    set(effects, "n", "x");
    expect_view("=x", "n");
    assert_int_equal(writes(effects), 1);
}

static void a_sum_on_what_is_no_number_is_an_error(void **state)
{
    static const char *const values[] = {"x", "", " 1", "1.5", "01", "9223372036854775808"};
    struct weir_effects *effects = *state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        weir_effects_clear(effects);
        set(effects, "n", values[i]);
        weir_effects_add(effects, KEY, "n", 1);
        assert_int_equal(weir_rare_error_status(&effects->error), WEIR_INVALID);
        assert_string_equal(weir_rare_error_text(&effects->error),
                            KEY ": field n is not a whole number");
    }
    weir_effects_clear(effects);
    weir_effects_set(effects, KEY, "n", (struct weir_slice){"1\0", 2});
    weir_effects_add(effects, KEY, "n", 1);
    assert_int_equal(weir_rare_error_status(&effects->error), WEIR_INVALID);
    weir_effects_clear(effects); /* forgets the error, too */
    assert_int_equal(weir_rare_error_status(&effects->error), WEIR_OK);
}

static void sums_that_overflow_are_errors(void **state)
{
    struct weir_effects *effects = *state;
    weir_effects_add(effects, KEY, "n", INT64_MAX);
    weir_effects_add(effects, KEY, "n", INT64_MIN);
    expect_view("+-1", "n");
    weir_effects_add(effects, KEY, "n", INT64_MIN);
    assert_int_equal(weir_rare_error_status(&effects->error), WEIR_INVALID);
    assert_string_equal(weir_rare_error_text(&effects->error), KEY ": field n would overflow");
    weir_effects_clear(effects);
    set(effects, "n", "9223372036854775807");
    weir_effects_add(effects, KEY, "n", 1);
    assert_int_equal(weir_rare_error_status(&effects->error), WEIR_INVALID);
}

static void a_deletion_hides_what_was_before(void **state)
{
    struct weir_effects *effects = *state;
    bool deleted;
    set(effects, "a", "1");
    weir_effects_add(effects, KEY, "n", 5);
    assert_true(weir_effects_touch(effects, KEY, &deleted));
    assert_false(deleted);
    weir_effects_plain(effects, "DEL", KEY, NULL, 0);
    assert_false(weir_effects_touch(effects, KEY, &deleted));
    assert_true(deleted);
    expect_view("absent", "a");
    expect_view("absent", "never");
    weir_effects_add(effects, KEY, "n", 5);
    expect_view("=5", "n"); /* nothing is stored any more that it could be added to */
    set(effects, "a", "2");
    expect_view("=2", "a");
    assert_true(weir_effects_touch(effects, KEY, &deleted));
    assert_true(deleted);
    assert_string_equal(view_of(effects, "{s}:other", "a"), "stored");
}

static void other_verbs_change_no_field(void **state)
{
    struct weir_effects *effects = *state;
    struct weir_slice life = weir_slice_of("1000");
    bool deleted;
    weir_effects_plain(effects, "PEXPIRE", KEY, &life, 1);
    weir_effects_plain(effects, "PEXPIRE", KEY, &life, 1);
    expect_view("stored", "a");
    assert_false(weir_effects_touch(effects, KEY, &deleted));
    weir_effects_remove(effects, KEY, "a");
    assert_false(weir_effects_touch(effects, KEY, &deleted)); /* it makes no hash be there */
    assert_int_equal(writes(effects), 3);                     /* plain ones are not merged */
}

static void an_expectation_is_kept_once_and_hides_nothing(void **state)
{
    struct weir_effects *effects = *state;
    weir_effects_expect(effects, KEY, "a", "1");
    weir_effects_expect(effects, KEY, "a", NULL);
    weir_effects_expect(effects, KEY, "b", NULL);
    weir_effects_expect(effects, KEY, "b", "2");
    weir_effects_expect(effects, "{s}:other", "a", "");
    assert_int_equal(writes(effects), 3);
    expect_view("stored", "a");
    set(effects, "a", "3");
    weir_effects_expect(effects, KEY, "a", "4"); /* what was read at first counts */
    expect_view("=3", "a");
    assert_int_equal(writes(effects), 4);
}

static void bytes_are_kept_as_they_are(void **state)
{
    struct weir_effects *effects = *state;
    struct weir_slice value = {0};
    int64_t delta;
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    weir_effects_set(effects, KEY, "\xff\r\n", (struct weir_slice){all, sizeof all});
    assert_int_equal(weir_effects_view(effects, KEY, "\xff\r\n", &value, &delta),
                     WEIR_VIEW_WRITTEN);
    assert_int_equal(value.length, sizeof all);
    assert_memory_equal(value.at, all, sizeof all);
}

/* ---- What was read of these effects and is written again ------------------------------------ */

/* A text of this length, whose bytes lie within the effects. */
static struct weir_slice own(struct weir_effects *effects, size_t length)
{
    struct weir_slice value = {0};
    int64_t delta;
    char text[512];
    memset(text, 'x', length);
    text[length] = '\0';
    set(effects, "own", text);
    assert_int_equal(weir_effects_view(effects, KEY, "own", &value, &delta), WEIR_VIEW_WRITTEN);
    return value;
}

/* The copied bytes move when they grow, which happens at some of these lengths. */
static void own_values_may_be_written_again(void **state)
{
    struct weir_effects *effects = *state;
    for (size_t length = 1; length < 300; length++) {
        struct weir_slice value, parts[2];
        char wanted[512];
        weir_effects_close(effects);
        value = own(effects, length);
        snprintf(wanted, sizeof wanted, "=%.*s", (int)length, value.at);
        weir_effects_set(effects, KEY, "own", value);
        expect_view(wanted, "own");
        weir_effects_set(effects, "{s}:other", "copy", own(effects, length));
        assert_string_equal(view_of(effects, "{s}:other", "copy"), wanted);
        value = own(effects, length);
        weir_effects_set(effects, "{s}:index", value.at, weir_slice_of("c7"));
        assert_string_equal(view_of(effects, "{s}:index", wanted + 1), "=c7");
        value = own(effects, length);
        weir_effects_add(effects, "{s}:counts", value.at, 5);
        assert_string_equal(view_of(effects, "{s}:counts", wanted + 1), "+5");
        value = own(effects, length);
        weir_effects_remove(effects, "{s}:removed", value.at);
        assert_string_equal(view_of(effects, "{s}:removed", wanted + 1), "absent");
        value = own(effects, length);
        weir_effects_expect(effects, "{s}:expected", value.at, value.at);
        parts[0] = parts[1] = own(effects, length);
        weir_effects_append(effects, "{s}:events", parts, 2);
        for (size_t i = effects->argument_count - 2; i < effects->argument_count; i++) {
            assert_int_equal(effects->arguments[i].length, length);
            assert_memory_equal(effects->bytes.at + effects->arguments[i].offset, wanted + 1,
                                length);
        }
        assert_int_equal(weir_rare_error_status(&effects->error), WEIR_OK);
    }
}

static void many_keys_and_fields_are_told_apart(void **state)
{
    struct weir_effects *effects = *state;
    char key[32], field[32], value[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "{s}:k:%d", i % 1000);
        snprintf(field, sizeof field, "f%d", i);
        weir_effects_add(effects, key, field, i);
        weir_effects_set(effects, KEY, field, weir_slice_of(field));
    }
    assert_int_equal(effects->key_count, 1001);
    assert_int_equal(weir_rare_error_status(&effects->error), WEIR_OK);
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "{s}:k:%d", i % 1000);
        snprintf(field, sizeof field, "f%d", i);
        snprintf(value, sizeof value, "+%d", i);
        assert_string_equal(view_of(effects, key, field), value);
        assert_string_equal(view_of(effects, KEY, field) + 1, field);
    }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, open_effects, close_effects)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(nothing_written_nothing_seen),
        EACH(the_last_value_counts),
        EACH(sums_come_together),
        EACH(a_sum_on_a_written_value_is_a_value),
        EACH(a_sum_on_what_is_no_number_is_an_error),
        EACH(sums_that_overflow_are_errors),
        EACH(a_deletion_hides_what_was_before),
        EACH(other_verbs_change_no_field),
        EACH(an_expectation_is_kept_once_and_hides_nothing),
        EACH(bytes_are_kept_as_they_are),
        EACH(own_values_may_be_written_again),
        EACH(many_keys_and_fields_are_told_apart),
    };
    return cmocka_run_group_tests_name("effects", tests, NULL, NULL);
}
