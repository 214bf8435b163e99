/* What has passed is never more than it was, and less by two ms at the most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void what_has_passed_is_not_too_much(void **state)
{
    (void)state;
    for (int64_t from_us = 5000; from_us < 7000; from_us += 37)
        for (int64_t to_us = from_us; to_us < from_us + 5000; to_us += 41) {
            int64_t passed = weir_clock_passed_ms(from_us / 1000, to_us / 1000);
            assert_true(passed >= 0 && passed * 1000 <= to_us - from_us);
            assert_true((passed + 2) * 1000 > to_us - from_us);
        }
}

static void it_runs_forward(void **state)
{
    (void)state;
    int64_t begun = weir_clock_monotonic_ms();
    while (weir_clock_monotonic_ms() < begun + 2)
        continue;
    assert_true(weir_clock_passed_ms(begun, weir_clock_monotonic_ms()) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_passed_is_not_too_much),
        cmocka_unit_test(it_runs_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
