/* The index of places: against a list, with hashes that meet, over many rounds. WEIR_TEST_SEED
 * repeats. */
#include "base/index.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"

#define PLACES 500

static struct weir_index places;

static int close_index(void **state)
{
    (void)state;
    weir_index_close(&places);
    weir_index_close(&places); /* a second call does nothing */
    return 0;
}

static size_t count_of(uint32_t hash)
{
    size_t probe, count = 0;
    for (size_t place = weir_index_first(&places, hash, &probe); place != WEIR_INDEX_END;
         place = weir_index_next(&places, hash, &probe))
        count++;
    return count;
}

static bool holds(uint32_t hash, size_t wanted)
{
    size_t probe, place = weir_index_first(&places, hash, &probe);
    while (place != WEIR_INDEX_END && place != wanted)
        place = weir_index_next(&places, hash, &probe);
    return place == wanted;
}

static void an_empty_one_holds_nothing(void **state)
{
    (void)state;
    assert_int_equal(count_of(0), 0);
    weir_index_clear(&places);
    assert_true(weir_index_add(&places, 0, 0));
    assert_true(holds(0, 0));
    assert_int_equal(count_of(1), 0);
    weir_index_clear(&places);
    assert_int_equal(count_of(0), 0);
}

static void places_of_one_hash_come_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLACES; i++)
        assert_true(weir_index_add(&places, 7, i));
    assert_int_equal(count_of(7), PLACES);
    for (size_t i = 0; i < PLACES; i++)
        assert_true(holds(7, i));
}

static void what_it_cannot_hold_is_refused(void **state)
{
    (void)state;
    assert_false(weir_index_add(&places, 7, UINT32_MAX));
    assert_false(weir_index_add(&places, 7, WEIR_INDEX_END));
    assert_true(weir_index_add(&places, 7, UINT32_MAX - 1));
    assert_true(holds(7, UINT32_MAX - 1));
    assert_int_equal(weir_index_count(&places), 1);
}

static void rounds_are_told_apart_for_ever(void **state)
{
    (void)state;
    for (uint32_t hash = 0; hash < 20; hash++)
        assert_true(weir_index_add(&places, hash, hash));
    weir_index_clear(&places);
    places.table->round = UINT32_MAX - 3;
    for (int round = 0; round < 8; round++) {
        assert_int_equal(count_of(5), 0);
        assert_true(weir_index_add(&places, 5, (size_t)round));
        assert_true(holds(5, (size_t)round));
        weir_index_clear(&places);
    }
}

static void agrees_with_a_list(void **state)
{
    const char *wish = getenv("WEIR_TEST_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 10) : weir_random_seed() % 1000000000;
    uint32_t hashes[PLACES];
    struct weir_random random;
    (void)state;
    print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
    weir_random_init(&random, seed);
    for (int round = 0; round < 200; round++) {
        size_t count = weir_random_below(&random, PLACES);
        uint64_t variety = 1 + weir_random_below(&random, round % 2 ? 50 : UINT32_MAX - 1);
        for (size_t i = 0; i < count; i++) {
            hashes[i] = (uint32_t)weir_random_below(&random, variety);
            assert_true(weir_index_add(&places, hashes[i], i));
        }
        for (size_t i = 0; i < count; i++) {
            size_t same = 0;
            for (size_t k = 0; k < count; k++)
                same += hashes[k] == hashes[i];
            if (!holds(hashes[i], i) || count_of(hashes[i]) != same)
                fail_msg("seed %" PRIu64 ", round %d: place %zu", seed, round, i);
        }
        weir_index_clear(&places);
    }
}

static void hashes_go_on_from_each_other(void **state)
{
    (void)state;
    assert_int_equal(weir_hash_of(WEIR_HASH_BEGIN, "", 0), WEIR_HASH_BEGIN);
    assert_int_equal(weir_hash_of(WEIR_HASH_BEGIN, "a", 1), 0xe40c292c); /* as FNV-1a has it */
    assert_int_equal(weir_hash_of(weir_hash_of(WEIR_HASH_BEGIN, "foo", 3), "bar", 3), 0xbf9cf968);
    assert_int_equal(weir_hash_of(WEIR_HASH_BEGIN, "\xff\0", 2),
                     weir_hash_of(weir_hash_of(WEIR_HASH_BEGIN, "\xff", 1), "\0", 1));
}

#define EACH(test) cmocka_unit_test_teardown(test, close_index)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(an_empty_one_holds_nothing),
        EACH(places_of_one_hash_come_all),
        EACH(what_it_cannot_hold_is_refused),
        EACH(rounds_are_told_apart_for_ever),
        EACH(agrees_with_a_list),
        EACH(hashes_go_on_from_each_other),
    };
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
