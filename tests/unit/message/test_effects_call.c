/* Effects laid out as the arguments of a server function. */
#include "message/effects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OPERATION_MAX 7000 /* arguments that the function library takes in one operation */

struct fixture {
    struct weir_effects effects;
    struct weir_arguments arguments;
};

static int open_fixture(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state == NULL;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    weir_effects_close(&fixture->effects);
    weir_arguments_close(&fixture->arguments);
    free(fixture);
    return 0;
}

/* The call as one text, words separated by '|'. */
static void check_call(struct fixture *fixture, const char *wanted)
{
    static const char *const head_keys[] = {"{s}:commands"};
    static const char *const head[] = {"s", "1-1", "1"};
    struct weir_text text = {0};
    assert_int_equal(weir_effects_call(&fixture->effects, &fixture->arguments, "weir_commit",
                                       head_keys, 1, head, 3),
                     WEIR_OK);
    for (size_t i = 0; i < fixture->arguments.count; i++) {
        if (i > 0)
            weir_text_append_string(&text, "|");
        weir_text_append(&text, fixture->arguments.at[i], fixture->arguments.lengths[i]);
    }
    assert_string_equal(text.at, wanted);
    weir_text_close(&text);
}

static void add_set(struct fixture *fixture, const char *key, const char *field, const char *value)
{
    weir_effects_set(&fixture->effects, key, field, weir_slice_of(value));
}

static void without_effects_there_is_the_head_alone(void **state)
{
    struct fixture *fixture = *state;
    check_call(fixture, "FCALL|weir_commit|1|{s}:commands|s|1-1|1");
    assert_int_equal(
        weir_effects_call(&fixture->effects, &fixture->arguments, "f", NULL, 0, NULL, 0), WEIR_OK);
    assert_int_equal(fixture->arguments.count, 3);
    assert_string_equal(fixture->arguments.at[2], "0");
}

static void keys_stand_in_order_of_their_first_use(void **state)
{
    struct fixture *fixture = *state;
    struct weir_slice one = weir_slice_of("1");
    add_set(fixture, "b", "f", "1");
    weir_effects_plain(&fixture->effects, "INCRBY", "a", &one, 1);
    add_set(fixture, "b", "g", "2");
    weir_effects_plain(&fixture->effects, "DEL", "c", NULL, 0);
    check_call(fixture, "FCALL|weir_commit|4|{s}:commands|b|a|c|s|1-1|1"
                        "|HSET|2|4|f|1|g|2|INCRBY|3|1|1|DEL|4|0");
}

static void neighbours_of_one_kind_share_an_operation(void **state)
{
    struct fixture *fixture = *state;
    struct weir_effects *effects = &fixture->effects;
    weir_effects_expect(effects, "k", "a", "x");
    weir_effects_expect(effects, "k", "b", NULL);
    add_set(fixture, "k", "a", "1");
    add_set(fixture, "k", "b", "2");
    weir_effects_add(effects, "k", "n", 5);
    weir_effects_add(effects, "k", "m", -6);
    weir_effects_remove(effects, "k", "c");
    weir_effects_remove(effects, "k", "d");
    add_set(fixture, "k", "e", "3");
    check_call(fixture, "FCALL|weir_commit|2|{s}:commands|k|s|1-1|1"
                        "|EXPECT|2|4|a|=x|b|-|HSET|2|4|a|1|b|2|HINCRBY|2|2|n|5|HINCRBY|2|2|m|-6"
                        "|HDEL|2|2|c|d|HSET|2|2|e|3");
}

static void plain_operations_stay_apart(void **state)
{
    struct fixture *fixture = *state;
    struct weir_slice parts[] = {weir_slice_of("type"), weir_slice_of("T")};
    weir_effects_append(&fixture->effects, "{s}:events", parts, 2);
    weir_effects_append(&fixture->effects, "{s}:events", parts, 2);
    check_call(fixture, "FCALL|weir_commit|2|{s}:commands|{s}:events|s|1-1|1"
                        "|XADD|2|2|type|T|XADD|2|2|type|T");
}

static void writes_do_not_cross_a_deletion(void **state)
{
    struct fixture *fixture = *state;
    add_set(fixture, "k", "a", "1");
    weir_effects_plain(&fixture->effects, "DEL", "k", NULL, 0);
    add_set(fixture, "k", "a", "2");
    weir_effects_add(&fixture->effects, "k", "a", 1);
    check_call(fixture, "FCALL|weir_commit|2|{s}:commands|k|s|1-1|1"
                        "|HSET|2|2|a|1|DEL|2|0|HSET|2|2|a|3");
}

static void merged_writes_show_their_last_form(void **state)
{
    struct fixture *fixture = *state;
    weir_effects_add(&fixture->effects, "k", "a", 1);
    add_set(fixture, "k", "b", "x");
    weir_effects_remove(&fixture->effects, "k", "a");
    weir_effects_remove(&fixture->effects, "k", "b");
    weir_effects_add(&fixture->effects, "k", "b", 7);
    check_call(fixture, "FCALL|weir_commit|2|{s}:commands|k|s|1-1|1|HDEL|2|1|a|HSET|2|2|b|7");
}

static void an_expected_value_is_one_argument(void **state)
{
    struct fixture *fixture = *state;
    weir_effects_expect(&fixture->effects, "k", "", "");
    weir_effects_expect(&fixture->effects, "k", "minus", "-");
    weir_effects_expect(&fixture->effects, "k", "equals", "=");
    check_call(fixture, "FCALL|weir_commit|2|{s}:commands|k|s|1-1|1"
                        "|EXPECT|2|6||=|minus|=-|equals|==");
}

static void bytes_keep_their_lengths(void **state)
{
    struct fixture *fixture = *state;
    const struct weir_slice parts[] = {{"a\0|", 3}, {"", 0}, {"\r\n\xff", 3}, {"%s", 2}};
    weir_effects_append(&fixture->effects, "k", parts, 4);
    assert_int_equal(
        weir_effects_call(&fixture->effects, &fixture->arguments, "f", NULL, 0, NULL, 0), WEIR_OK);
    assert_int_equal(fixture->arguments.count, 11);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fixture->arguments.lengths[7 + i], parts[i].length);
        assert_memory_equal(fixture->arguments.at[7 + i], parts[i].at, parts[i].length);
    }
}

static void effects_with_an_error_make_no_call(void **state)
{
    struct fixture *fixture = *state;
    weir_effects_add(&fixture->effects, "k", "a", INT64_MAX);
    weir_effects_add(&fixture->effects, "k", "a", 1);
    assert_int_equal(
        weir_effects_call(&fixture->effects, &fixture->arguments, "f", NULL, 0, NULL, 0),
        WEIR_INVALID);
    weir_effects_clear(&fixture->effects);
    check_call(fixture, "FCALL|weir_commit|1|{s}:commands|s|1-1|1");
}

/* ---- More behind them ----------------------------------------------------------------------- */

static void more_comes_behind_under_keys_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct weir_slice one = weir_slice_of("1");
    struct weir_effects more = {0}, most = {0};
    add_set(fixture, "a", "f", "1");
    weir_effects_plain(&fixture->effects, "DEL", "b", NULL, 0);
    weir_effects_set(&more, "a", "f", weir_slice_of("2")); /* not merged into the first */
    weir_effects_expect(&more, "c", "g", NULL);
    weir_effects_plain(&most, "INCRBY", "d", &one, 1);
    fixture->effects.more = &more;
    more.more = &most;
    check_call(fixture, "FCALL|weir_commit|6|{s}:commands|a|b|a|c|d|s|1-1|1"
                        "|HSET|2|2|f|1|DEL|3|0|HSET|4|2|f|2|EXPECT|5|2|g|-|INCRBY|6|1|1");
    static const char *const names[] = {"a", "b", "a", "c", "d", ""};
    for (size_t i = 0; i < 6; i++)
        assert_true(weir_slice_equals(weir_effects_key_name(&fixture->effects, i), names[i]));
    assert_int_equal(weir_effects_key_name(&fixture->effects, 5).length, 0);
    assert_int_equal(weir_effects_key_name(&fixture->effects, 1000000).length, 0);
    assert_true(weir_slice_equals(weir_effects_key_name(&more, 2), "d"));
    weir_effects_clear(&fixture->effects); /* forgets it */
    check_call(fixture, "FCALL|weir_commit|1|{s}:commands|s|1-1|1");
    assert_int_equal(weir_effects_key_name(&fixture->effects, 0).length, 0);
    assert_int_equal(more.effect_count, 2);
    weir_effects_close(&more);
    weir_effects_close(&most);
}

static void more_stands_alone_behind_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct weir_effects more = {0};
    weir_effects_set(&more, "c", "f", weir_slice_of("1"));
    fixture->effects.more = &more;
    check_call(fixture, "FCALL|weir_commit|2|{s}:commands|c|s|1-1|1|HSET|2|2|f|1");
    assert_true(weir_slice_equals(weir_effects_key_name(&fixture->effects, 0), "c"));
    weir_effects_close(&more);
}

static void an_error_in_more_makes_no_call(void **state)
{
    struct fixture *fixture = *state;
    struct weir_effects more = {0};
    add_set(fixture, "a", "f", "1");
    weir_effects_add(&more, "k", "a", INT64_MAX);
    weir_effects_add(&more, "k", "a", 1);
    fixture->effects.more = &more;
    assert_int_equal(
        weir_effects_call(&fixture->effects, &fixture->arguments, "f", NULL, 0, NULL, 0),
        WEIR_INVALID);
    fixture->effects.more = NULL;
    check_call(fixture, "FCALL|weir_commit|2|{s}:commands|a|s|1-1|1|HSET|2|2|f|1");
    weir_effects_close(&more);
}

/* ---- Large ones, and the same vector again and again ---------------------------------------- */

static size_t number_at(const struct weir_arguments *arguments, size_t at)
{
    int64_t number;
    assert_true(at < arguments->count);
    assert_true(weir_parse_integer(arguments->at[at], arguments->lengths[at], &number));
    return (size_t)number;
}

/* Walks the operations; each must lie within the server's bound and name a key. Returns the sum of
 * their arguments. */
static size_t walk(const struct weir_arguments *arguments, size_t at, size_t keys)
{
    size_t sum = 0;
    while (at < arguments->count) {
        size_t key = number_at(arguments, at + 1), count = number_at(arguments, at + 2);
        assert_in_range(key, 1, keys);
        assert_true(count <= OPERATION_MAX);
        if (strcmp(arguments->at[at], "HDEL") != 0)
            assert_int_equal(count % 2, 0);
        sum += count;
        at += 3 + count;
    }
    assert_int_equal(at, arguments->count);
    return sum;
}

static void no_operation_passes_the_bound_of_the_server(void **state)
{
    struct fixture *fixture = *state;
    char field[32];
    for (int i = 0; i < 8000; i++) {
        snprintf(field, sizeof field, "f%d", i);
        add_set(fixture, "k", field, field);
        weir_effects_remove(&fixture->effects, "l", field);
        weir_effects_expect(&fixture->effects, "m", field, field);
    }
    assert_int_equal(
        weir_effects_call(&fixture->effects, &fixture->arguments, "f", NULL, 0, NULL, 0), WEIR_OK);
    assert_int_equal(walk(&fixture->arguments, 6, 3), 5 * 8000);
}

static void the_vector_is_used_again(void **state)
{
    struct fixture *fixture = *state;
    char key[32];
    for (int round = 0; round < 200; round++) {
        weir_effects_clear(&fixture->effects);
        for (int i = 0; i < round * 7 % 300; i++) {
            snprintf(key, sizeof key, "key-%d", i);
            add_set(fixture, key, "f", key);
            weir_effects_add(&fixture->effects, key, "n", i);
        }
        assert_int_equal(
            weir_effects_call(&fixture->effects, &fixture->arguments, "f", NULL, 0, NULL, 0),
            WEIR_OK);
        size_t keys = number_at(&fixture->arguments, 2);
        assert_int_equal(keys, round * 7 % 300);
        assert_int_equal(walk(&fixture->arguments, 3 + keys, keys), 4 * keys);
    }
    weir_arguments_close(&fixture->arguments);
    weir_effects_clear(&fixture->effects);
    check_call(fixture, "FCALL|weir_commit|1|{s}:commands|s|1-1|1");
}

static void parts_are_packed_with_their_lengths(void **state)
{
    (void)state;
    const struct weir_slice parts[] = {{"token", 5}, {"", 0}, {"a\0b", 3}, {"12:", 3}};
    struct weir_text out = {0};
    weir_parts_pack(&out, parts, 4);
    assert_int_equal(out.length, 19);
    assert_memory_equal(out.at, "5:token0:3:a\0b3:12:", 20);
    weir_parts_pack(&out, parts, 1);
    assert_int_equal(out.length, 26);
    weir_text_close(&out);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(without_effects_there_is_the_head_alone),
        EACH(keys_stand_in_order_of_their_first_use),
        EACH(neighbours_of_one_kind_share_an_operation),
        EACH(plain_operations_stay_apart),
        EACH(writes_do_not_cross_a_deletion),
        EACH(merged_writes_show_their_last_form),
        EACH(an_expected_value_is_one_argument),
        EACH(bytes_keep_their_lengths),
        EACH(effects_with_an_error_make_no_call),
        EACH(more_comes_behind_under_keys_of_its_own),
        EACH(more_stands_alone_behind_nothing),
        EACH(an_error_in_more_makes_no_call),
        EACH(no_operation_passes_the_bound_of_the_server),
        EACH(the_vector_is_used_again),
        EACH(parts_are_packed_with_their_lengths),
    };
    return cmocka_run_group_tests_name("effects_call", tests, NULL, NULL);
}
