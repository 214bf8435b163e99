/* Whether a message is delivered again, and when. */
#include "stream/retry_policy.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEED UINT64_C(5)

static const struct weir_retry_policy policy = {5, 200, 5000};

static void the_last_delivery_is_buried(void **state)
{
    (void)state;
    struct weir_random random;
    weir_random_init(&random, SEED);
    for (unsigned deliveries = 1; deliveries < 20; deliveries++) {
        struct weir_retry_verdict verdict = weir_retry_verdict(&policy, deliveries, -1, &random);
        assert_int_equal(verdict.bury, deliveries >= 5);
        assert_int_equal(weir_retry_may_begin(&policy, deliveries), deliveries < 5);
        if (verdict.bury)
            assert_int_equal(verdict.delay_ms, 0);
    }
    assert_true(weir_retry_verdict(&policy, UINT32_MAX, -1, &random).bury);
    assert_true(weir_retry_may_begin(&policy, 0));
}

static void one_delivery_means_no_retry(void **state)
{
    (void)state;
    const struct weir_retry_policy once = {1, 200, 5000};
    struct weir_random random;
    weir_random_init(&random, SEED);
    assert_true(weir_retry_verdict(&once, 1, 0, &random).bury);
    assert_true(weir_retry_may_begin(&once, 0));
    assert_false(weir_retry_may_begin(&once, 1));
}

/* Refusals and crashes count together: what may begin may also end, and no sooner is it buried. */
static void beginning_and_burying_agree(void **state)
{
    (void)state;
    struct weir_random random;
    weir_random_init(&random, SEED);
    for (unsigned most = 1; most < 12; most++) {
        const struct weir_retry_policy other = {most, 1, 1};
        for (unsigned deliveries = 1; deliveries < 15; deliveries++)
            assert_int_equal(weir_retry_verdict(&other, deliveries, 0, &random).bury,
                             !weir_retry_may_begin(&other, deliveries));
    }
}

static void the_wait_doubles_within_its_jitter(void **state)
{
    (void)state;
    const struct weir_retry_policy patient = {100, 200, 5000};
    static const int64_t whole[] = {200, 400, 800, 1600, 3200, 5000, 5000, 5000};
    struct weir_random random;
    weir_random_init(&random, SEED);
    for (unsigned deliveries = 1; deliveries <= 8; deliveries++) {
        int64_t least = INT64_MAX, most = 0, expected = whole[deliveries - 1];
        for (int i = 0; i < 2000; i++) {
            struct weir_retry_verdict verdict =
                weir_retry_verdict(&patient, deliveries, -1, &random);
            assert_false(verdict.bury);
            least = verdict.delay_ms < least ? verdict.delay_ms : least;
            most = verdict.delay_ms > most ? verdict.delay_ms : most;
        }
        assert_in_range(least, expected / 2, expected / 2 + expected / 20);
        assert_in_range(most, expected - expected / 20, expected);
    }
    assert_in_range(weir_retry_verdict(&patient, 99, -1, &random).delay_ms, 2500, 5000);
}

static void the_handler_s_wish_goes_first(void **state)
{
    (void)state;
    static const int64_t wishes[] = {0, 1, 199, 5001, INT64_C(315360000000)};
    struct weir_random random, twin;
    weir_random_init(&random, SEED);
    weir_random_init(&twin, SEED);
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        struct weir_retry_verdict verdict = weir_retry_verdict(&policy, 2, wishes[i], &random);
        assert_false(verdict.bury);
        assert_int_equal(verdict.delay_ms, wishes[i]);
    }
    assert_true(weir_retry_verdict(&policy, 5, 0, &random).bury); /* but grants no more of them */
    assert_int_equal(weir_random_next(&random), weir_random_next(&twin)); /* nothing was drawn */
}

static void without_back_off_it_is_at_once(void **state)
{
    (void)state;
    const struct weir_retry_policy hasty = {5, 0, 0};
    struct weir_random random;
    weir_random_init(&random, SEED);
    assert_int_equal(weir_retry_verdict(&hasty, 3, -1, &random).delay_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_delivery_is_buried),
        cmocka_unit_test(one_delivery_means_no_retry),
        cmocka_unit_test(beginning_and_burying_agree),
        cmocka_unit_test(the_wait_doubles_within_its_jitter),
        cmocka_unit_test(the_handler_s_wish_goes_first),
        cmocka_unit_test(without_back_off_it_is_at_once),
    };
    return cmocka_run_group_tests_name("retry_policy", tests, NULL, NULL);
}
