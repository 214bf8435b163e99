/* Entry ids: what is one, and which comes first. */
#include "redis/entry_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void refuses_what_is_no_id(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "-",
                                        "1",
                                        "1-",
                                        "-1",
                                        "1-2-3",
                                        "a-1",
                                        "1-a",
                                        " 1-1",
                                        "1-1 ",
                                        "01-1",
                                        "1-00",
                                        "+1-1",
                                        "1--1",
                                        "18446744073709551616-0",
                                        "0-18446744073709551616"};
    struct weir_entry_id id;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (weir_entry_id_read(weir_slice_of(texts[i]), &id))
            fail_msg("taken for an id: '%s'", texts[i]);
    assert_false(weir_entry_id_read((struct weir_slice){NULL, 0}, &id));
}

static void orders_ids_as_numbers(void **state)
{
    (void)state;
    static const char *const ascending[] = {"0-0",
                                            "0-1",
                                            "0-10",
                                            "9-9",
                                            "10-0",
                                            "10-2",
                                            "10-10",
                                            "1700000000000-0",
                                            "18446744073709551615-18446744073709551615"};
    const size_t count = sizeof(ascending) / sizeof(ascending[0]);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            struct weir_entry_id one, other;
            assert_true(weir_entry_id_read(weir_slice_of(ascending[i]), &one));
            assert_true(weir_entry_id_read(weir_slice_of(ascending[j]), &other));
            assert_int_equal(weir_entry_id_less(&one, &other), i < j);
        }
}

static enum weir_stream_ids judged(const char *text, int64_t now_ms)
{
    struct weir_entry_id id;
    assert_true(weir_entry_id_read(weir_slice_of(text), &id));
    return weir_entry_id_judge(&id, now_ms);
}

static void judges_ids_by_the_time(void **state)
{
    (void)state;
    assert_int_equal(judged("0-0", 1700000000000), WEIR_IDS_FINE);
    assert_int_equal(judged("1700000060000-9", 1700000000000), WEIR_IDS_FINE);
    assert_int_equal(judged("1700000060001-0", 1700000000000), WEIR_IDS_AHEAD);
    assert_int_equal(judged("1700000060001-0", 0), WEIR_IDS_FINE); /* there is nothing to tell */
    assert_int_equal(judged("18446744073709551614-0", 1), WEIR_IDS_AHEAD);
    assert_int_equal(judged("18446744073709551615-0", 0), WEIR_IDS_EXHAUSTED);
    assert_int_equal(judged("18446744073709551615-0", 1700000000000), WEIR_IDS_EXHAUSTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_id),
        cmocka_unit_test(orders_ids_as_numbers),
        cmocka_unit_test(judges_ids_by_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
