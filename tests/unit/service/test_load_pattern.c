/* Which hashes a handler wants loaded: patterns, and the keys that they make of a message's data.
 */
#include "service/load_pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ROOM 64

static json_t *data;

static int make_data(void **state)
{
    (void)state;
    char longest[130];
    memset(longest, 'a', 129);
    longest[129] = '\0';
    data =
        json_pack("{s:s, s:s, s:i, s:I, s:f, s:b, s:n, s:[], s:{}, s:s, s:s, s:s, s:s, s:s, s:s}",
                  "id", "c7", "order", "o-1", "n", -42, "large", (json_int_t)INT64_MIN, "real", 1.5,
                  "truth", 1, "null", "list", "object", "empty", "", "blank", "a b", "brace",
                  "a{b}", "slash", "a/b", "longest", longest, "utf8", "\xC3\xA9");
    return data == NULL;
}

static int free_data(void **state)
{
    (void)state;
    json_decref(data);
    return 0;
}

/* The key, or NULL with the function's answer in `length`. */
static const char *key_of(const char *pattern, size_t index, int *length)
{
    static char rest[ROOM];
    memset(rest, '!', sizeof rest);
    *length =
        weir_load_pattern_key(pattern, index, &(weir_message){.data = data}, rest, sizeof rest);
    if (*length <= 0)
        return NULL;
    assert_int_equal(strlen(rest), *length);
    return rest;
}

static void check_key(const char *pattern, size_t index, const char *wanted)
{
    int length;
    const char *key = key_of(pattern, index, &length);
    if (key == NULL || strcmp(key, wanted) != 0)
        fail_msg("\"%s\" %zu: %s (%d)", pattern, index, key ? key : "no key", length);
}

static void check_no_key(const char *pattern, size_t index, int wanted)
{
    int length;
    const char *key = key_of(pattern, index, &length);
    if (key != NULL || length != wanted)
        fail_msg("\"%s\" %zu: %s (%d)", pattern, index, key ? key : "no key", length);
}

static void patterns_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       " ",     "{",       "}",       "a:{",       "a:}",  "a:{b",    "a:b}", "a:{{b}}",
        "a:{b}}", "a:}b{", "a {b c}", "a:{b} }", "a b c d e", "{a}{", "a:{b c}", "{ }",
    };
    static const char *const good[] = {
        "a", "a:{b}", "{a}", "{a}{b}", "a:{b}:c", " a  b ", "a b c d", "a:{b} b:{c} c:{d} d:{e}",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct weir_error error = {0};
        if (weir_load_pattern_check(bad[i], &error) != WEIR_INVALID)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(error.status, WEIR_INVALID);
        assert_non_null(strstr(error.text, bad[i]));
    }
    for (size_t i = 0; i < COUNT(good); i++) {
        struct weir_error error = {0};
        if (weir_load_pattern_check(good[i], &error) != WEIR_OK)
            fail_msg("\"%s\": %s", good[i], error.text);
    }
    assert_int_equal(weir_load_pattern_check("{", NULL), WEIR_INVALID);
}

static void keys_by_their_place(void **state)
{
    (void)state;
    static const char pattern[] = "  account:{id}   total order:{order} ";
    check_key(pattern, 0, "account:c7");
    check_key(pattern, 1, "total");
    check_key(pattern, 2, "order:o-1");
    check_no_key(pattern, 3, 0);
    check_no_key(pattern, 99, 0);
    check_no_key("", 0, 0);
}

static void fields_become_part_of_the_key(void **state)
{
    (void)state;
    check_key("{id}", 0, "c7");
    check_key("{id}{order}", 0, "c7o-1");
    check_key("a:{id}:b:{order}:c", 0, "a:c7:b:o-1:c");
    check_key("n:{n}", 0, "n:-42");
    check_key("n:{large}", 0, "n:-9223372036854775808");
    check_key("x:{utf8}", 0, "x:\xC3\xA9");
}

static void what_is_not_fit_for_a_key_is_not_loaded(void **state)
{
    (void)state;
    static const char *const fields[] = {"none",  "real",  "truth", "null",  "list",    "object",
                                         "empty", "blank", "brace", "slash", "longest", ""};
    for (size_t i = 0; i < COUNT(fields); i++) {
        char pattern[64];
        snprintf(pattern, sizeof pattern, "a:{%s} b:{id}", fields[i]);
        check_no_key(pattern, 0, -1);
        check_key(pattern, 1, "b:c7"); /* the others are loaded all the same */
    }
}

static void a_name_too_long_for_any_field_is_not_loaded(void **state)
{
    (void)state;
    char pattern[400];
    for (size_t length = 120; length < 300; length += 7) {
        char *name = pattern + 3;
        memcpy(pattern, "a:{", 3);
        memset(name, 'f', length);
        name[length] = '\0';
        json_object_set_new(data, name, json_string("x"));
        strcpy(name + length, "}");
        if (length < 128)
            check_key(pattern, 0, "a:x");
        else
            check_no_key(pattern, 0, -1);
    }
}

static void keys_have_to_fit_their_room(void **state)
{
    (void)state;
    char pattern[2 * ROOM], rest[ROOM + 1];
    for (size_t length = 1; length < 2 * ROOM - 1; length++) {
        memset(pattern, 'k', length);
        pattern[length] = '\0';
        memset(rest, '!', sizeof rest);
        int given = weir_load_pattern_key(pattern, 0, &(weir_message){.data = data}, rest, ROOM);
        assert_int_equal(given, length < ROOM ? (int)length : -1);
        assert_int_equal(rest[ROOM], '!');
    }
    json_object_set_new(data, "id", json_string("sixteen-bytes-id"));
    for (size_t room = 1; room < 30; room++) {
        memset(rest, '!', sizeof rest);
        int given = weir_load_pattern_key("a:{id}", 0, &(weir_message){.data = data}, rest, room);
        assert_int_equal(given, room > 18 ? 18 : -1);
        assert_int_equal(rest[room], '!');
    }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, make_data, free_data)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(patterns_are_checked),
        EACH(keys_by_their_place),
        EACH(fields_become_part_of_the_key),
        EACH(what_is_not_fit_for_a_key_is_not_loaded),
        EACH(a_name_too_long_for_any_field_is_not_loaded),
        EACH(keys_have_to_fit_their_room),
    };
    return cmocka_run_group_tests_name("load_pattern", tests, NULL, NULL);
}
