/* What a worker has done from one sign of life to the next. */
#include "service/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void counts_whole_intervals(void **state)
{
    (void)state;
    struct weir_recent recent = {0};
    struct weir_counts counts = {.received = 7, .handled = 5};
    weir_recent_count(&recent, 100, &counts);
    assert_string_equal(weir_recent_json(&recent), "null"); /* no interval is over */
    counts = (struct weir_counts){.received = 9, .handled = 6, .refused = 1, .retried = 2};
    weir_recent_count(&recent, 1099, &counts);
    assert_string_equal(weir_recent_json(&recent), "null"); /* too short to tell a rate */
    counts.received = 17;
    weir_recent_count(&recent, 5100, &counts);
    assert_string_equal(weir_recent_json(&recent), "{\"ms\":5000,\"received\":10,\"handled\":1,"
                                                   "\"refused\":1,\"retried\":2}");
    weir_recent_count(&recent, 5200, &counts); /* the last one stays until another is over */
    assert_string_equal(weir_recent_json(&recent), "{\"ms\":5000,\"received\":10,\"handled\":1,"
                                                   "\"refused\":1,\"retried\":2}");
    weir_recent_count(&recent, 6100, &counts);
    assert_string_equal(weir_recent_json(&recent), "{\"ms\":1000,\"received\":0,\"handled\":0,"
                                                   "\"refused\":0,\"retried\":0}");
}

/* The largest numbers there are leave it whole JSON. */
static void has_room_for_all_numbers(void **state)
{
    (void)state;
    struct weir_recent recent = {0};
    struct weir_counts none = {0}, all = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    weir_recent_count(&recent, 1, &none);
    weir_recent_count(&recent, INT64_MAX, &all);
    assert_string_equal(weir_recent_json(&recent),
                        "{\"ms\":9223372036854775806,\"received\":18446744073709551615,"
                        "\"handled\":18446744073709551615,\"refused\":18446744073709551615,"
                        "\"retried\":18446744073709551615}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_whole_intervals),
        cmocka_unit_test(has_room_for_all_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
