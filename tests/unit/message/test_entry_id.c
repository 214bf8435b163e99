/* Ids of stream entries: what is one, and which comes first. */
#include "message/entry_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void ids_are_two_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms, sequence;
    } cases[] = {
        {"0-0", 0, 0},
        {"1-2", 1, 2},
        {"1700000000000-17", UINT64_C(1700000000000), 17},
        {"007-08", 7, 8},
        {"9007199254740993-9007199254740993", UINT64_C(9007199254740993),
         UINT64_C(9007199254740993)},
        {"18446744073709551615-18446744073709551615", UINT64_MAX, UINT64_MAX},
        {"00000000000000000000000001-1", 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_entry_id id = {7, 7};
        assert_true(weir_entry_id_parse(cases[i].text, &id));
        assert_true(id.ms == cases[i].ms && id.sequence == cases[i].sequence);
    }
    assert_true(strlen("18446744073709551615-18446744073709551615") < WEIR_ENTRY_ID_MAX);
}

static const char *const none[] = {
    "",
    "-",
    "1",
    "1-",
    "-1",
    "--1",
    "1--1",
    "-1-1",
    "1-1x",
    "1-1-1",
    "1-1 ",
    " 1-1",
    "1 -1",
    "1- 1",
    "x",
    "x-1",
    "1-x",
    "+1-1",
    "1-+1",
    "0x1-1",
    "1.0-1",
    "1e3-1",
    "1-1\n",
    "$",
    "*",
    "1-*",
    "18446744073709551616-0",
    "0-18446744073709551616",
    "18446744073709551620-0",
    "28446744073709551615-0",
    "99999999999999999999-0",
    "0-99999999999999999999",
    "184467440737095516150-0",
    "999999999999999999999999999999999999999999999-0",
};

#define NONE (sizeof none / sizeof none[0])

static void other_texts_are_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < NONE; i++) {
        struct weir_entry_id id = {7, 7};
        if (weir_entry_id_parse(none[i], &id))
            fail_msg("'%s' is taken for an id", none[i]);
        assert_true(id.ms == 0 && id.sequence == 0);
    }
}

static const char *const rising[] = {
    "0-0",
    "0-1",
    "0-9",
    "0-10",
    "0-18446744073709551615",
    "1-0",
    "1-1",
    "9-9",
    "10-0",
    "10-9",
    "1700000000000-9",
    "1700000000000-10",
    "9007199254740992-0",
    "9007199254740993-0",
    "9007199254740993-9007199254740992",
    "9007199254740993-9007199254740993",
    "9223372036854775807-0",
    "9223372036854775808-0",
    "18446744073709551615-0",
    "18446744073709551615-18446744073709551615",
};

#define RISING (sizeof rising / sizeof rising[0])

static void they_are_compared_as_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < RISING; i++)
        for (size_t j = 0; j < RISING; j++) {
            int order = weir_entry_id_compare(rising[i], rising[j]);
            if (i < j ? order >= 0 : i > j ? order <= 0 : order != 0)
                fail_msg("%s and %s: %d", rising[i], rising[j], order);
        }
    assert_int_equal(weir_entry_id_compare("1-1", "01-001"), 0);
}

static void what_is_none_comes_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < NONE; i++) {
        assert_true(weir_entry_id_compare(none[i], "0-1") < 0);
        assert_true(weir_entry_id_compare("0-1", none[i]) > 0);
        assert_int_equal(weir_entry_id_compare(none[i], ""), 0);
        assert_int_equal(weir_entry_id_compare(none[i], "0-0"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_two_numbers),
        cmocka_unit_test(other_texts_are_none),
        cmocka_unit_test(they_are_compared_as_numbers),
        cmocka_unit_test(what_is_none_comes_first),
    };
    return cmocka_run_group_tests_name("entry ids", tests, NULL, NULL);
}
