/* Waits stay between half and the cap at every size; the random source is the published one. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/backoff.h"
#include "base/clock.h"

#define SEED UINT64_C(20140915)

/* The first outputs for seed 1234567 of the authors' reference implementation. */
static void random_is_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};
    struct weir_random random;
    weir_random_init(&random, 1234567);
    for (size_t i = 0; i < 5; i++)
        assert_true(weir_random_next(&random) == expected[i]);
}

static void below_stays_below(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {
        1, 2, 3, 7, 10, 1000, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX};
    struct weir_random random;
    weir_random_init(&random, SEED);
    assert_true(weir_random_below(&random, 0) == 0);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
        for (int round = 0; round < 1000; round++)
            assert_true(weir_random_below(&random, bounds[i]) < bounds[i]);
}

static void below_reaches_every_number_alike(void **state)
{
    (void)state;
    unsigned seen[10] = {0};
    struct weir_random random;
    weir_random_init(&random, SEED);
    for (int round = 0; round < 100000; round++)
        seen[weir_random_below(&random, 10)]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 9500, 10500);
}

/* A bare modulo by 3 * 2^62 would send half of all numbers into the lowest third. */
static void below_has_no_modulo_bias(void **state)
{
    (void)state;
    unsigned low = 0;
    struct weir_random random;
    weir_random_init(&random, SEED);
    for (int round = 0; round < 30000; round++)
        low += weir_random_below(&random, UINT64_C(3) << 62) < UINT64_C(1) << 62;
    assert_in_range(low, 9500, 10500);
}

static void seeds_differ(void **state)
{
    (void)state;
    assert_true(weir_random_seed() != weir_random_seed());
}

static void nothing_to_wait_for(void **state)
{
    (void)state;
    struct weir_random random;
    weir_random_init(&random, SEED);
    assert_int_equal(weir_backoff_ms(0, 1000, 1, &random), 0);
    assert_int_equal(weir_backoff_ms(1000, 0, 1, &random), 0);
    assert_int_equal(weir_backoff_ms(-1, 1000, 1, &random), 0);
    assert_int_equal(weir_backoff_ms(INT64_MIN, INT64_MIN, UINT32_MAX, &random), 0);
}

static void check_range(int64_t base, int64_t cap, unsigned attempt, int64_t whole)
{
    struct weir_random random;
    weir_random_init(&random, SEED + attempt);
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int round = 0; round < 400; round++) {
        int64_t wait = weir_backoff_ms(base, cap, attempt, &random);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(least >= whole / 2 + whole % 2);
    assert_true(most <= whole);
    if (whole < 8) { /* so few values that both ends must have come up */
        assert_true(least == whole / 2 + whole % 2);
        assert_true(most == whole);
    }
}

static void doubles_up_to_the_cap(void **state)
{
    (void)state;
    check_range(100, 30000, 1, 100);
    check_range(100, 30000, 2, 200);
    check_range(100, 30000, 5, 1600);
    check_range(100, 30000, 9, 25600);
    check_range(100, 30000, 10, 30000);
    check_range(100, 30000, 1000, 30000);
    check_range(100, 30000, 0, 100);
    check_range(500, 100, 1, 100);
    check_range(1, 1, 1, 1);
    check_range(1, 7, 2, 2);
    check_range(3, 7, 2, 6);
    check_range(7, 7, 4, 7);
}

static void never_overflows(void **state)
{
    (void)state;
    static const unsigned attempts[] = {1, 2, 62, 63, 64, 65, 128, UINT32_MAX};
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++)
        check_range(INT64_MAX, INT64_MAX, attempts[i], INT64_MAX);
    for (unsigned attempt = 60; attempt < 140; attempt++)
        check_range(1, 1000, attempt, 1000);
    check_range(1, INT64_MAX, 63, INT64_C(1) << 62);
    check_range(1, INT64_MAX, 64, INT64_MAX);
    check_range(3, INT64_MAX, 62, INT64_C(3) << 61);
    check_range(3, INT64_MAX, 63, INT64_MAX);
}

static void the_same_seed_gives_the_same_waits(void **state)
{
    (void)state;
    struct weir_random one;
    struct weir_random other;
    weir_random_init(&one, SEED);
    weir_random_init(&other, SEED);
    for (unsigned attempt = 1; attempt < 40; attempt++)
        assert_int_equal(weir_backoff_ms(100, 60000, attempt, &one),
                         weir_backoff_ms(100, 60000, attempt, &other));
}

static void the_clock_does_not_run_backward(void **state)
{
    (void)state;
    int64_t before = weir_clock_monotonic_ms();
    for (int round = 0; round < 1000; round++) {
        int64_t now = weir_clock_monotonic_ms();
        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_is_splitmix64),
        cmocka_unit_test(below_stays_below),
        cmocka_unit_test(below_reaches_every_number_alike),
        cmocka_unit_test(below_has_no_modulo_bias),
        cmocka_unit_test(seeds_differ),
        cmocka_unit_test(nothing_to_wait_for),
        cmocka_unit_test(doubles_up_to_the_cap),
        cmocka_unit_test(never_overflows),
        cmocka_unit_test(the_same_seed_gives_the_same_waits),
        cmocka_unit_test(the_clock_does_not_run_backward),
    };
    printf("seed %" PRIu64 "\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
