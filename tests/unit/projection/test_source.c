/* What a projection is about: its streams, and the kinds of its keys. */
#include "projection/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- Sources ------------------------------------------------------------------------------- */

static void a_service_is_a_source_once(void **state)
{
    (void)state;
    struct weir_sources sources = {0};
    char again[] = "orders"; /* the same name at another place */
    assert_true(weir_sources_add(&sources, "orders"));
    assert_true(weir_sources_add(&sources, "order"));
    assert_true(weir_sources_add(&sources, again));
    assert_int_equal(sources.count, 2);
    assert_string_equal(sources.at[0].service, "orders");
    assert_string_equal(sources.at[1].service, "order");
    weir_sources_close(&sources);
    assert_int_equal(sources.count, 0);
}

static void there_is_room_for_sixteen(void **state)
{
    (void)state;
    struct weir_sources sources = {0};
    char names[WEIR_PROJECTION_SOURCES_MAX + 1][8];
    for (size_t i = 0; i <= WEIR_PROJECTION_SOURCES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        assert_int_equal(weir_sources_add(&sources, names[i]), i < WEIR_PROJECTION_SOURCES_MAX);
    }
    assert_int_equal(sources.count, WEIR_PROJECTION_SOURCES_MAX);
    assert_true(weir_sources_add(&sources, "s0")); /* it is there already */
    assert_int_equal(sources.count, WEIR_PROJECTION_SOURCES_MAX);
    weir_sources_close(&sources);
}

static void streams_are_the_events_of_the_services(void **state)
{
    (void)state;
    struct weir_sources sources = {0};
    assert_true(weir_sources_add(&sources, "orders"));
    assert_true(weir_sources_add(&sources, "catalog"));
    assert_true(weir_sources_name(&sources, "shop:"));
    assert_string_equal(sources.at[0].stream, "shop:{orders}:events");
    assert_string_equal(sources.at[1].stream, "shop:{catalog}:events");
    weir_sources_close(&sources);
}

/* ---- Kinds --------------------------------------------------------------------------------- */

static enum weir_status add(struct weir_kinds *kinds, const char *name)
{
    return weir_kinds_add(kinds, name, strlen(name));
}

static void a_kind_stands_before_the_first_colon(void **state)
{
    (void)state;
    static const struct {
        const char *name, *kind;
    } cases[] = {{"order:1", "order"}, {"sales", "sales"}, {"a:b:c", "a"}, {":x", ""}, {"x:", "x"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_kinds kinds = {0};
        assert_int_equal(add(&kinds, cases[i].name), WEIR_OK);
        assert_int_equal(kinds.count, 1);
        assert_string_equal(kinds.at[0], cases[i].kind);
        weir_kinds_close(&kinds);
    }
}

/* The name is not terminated: what stands behind it does not count. */
static void a_name_has_its_length(void **state)
{
    (void)state;
    struct weir_kinds kinds = {0};
    assert_int_equal(weir_kinds_add(&kinds, "orders:1", 5), WEIR_OK);
    assert_string_equal(kinds.at[0], "order");
    assert_int_equal(weir_kinds_add(&kinds, "rank\0:1", 4), WEIR_OK);
    assert_string_equal(kinds.at[1], "rank");
    assert_int_equal(weir_kinds_add(&kinds, "x", 0), WEIR_OK);
    assert_string_equal(kinds.at[2], "");
    assert_int_equal(kinds.count, 3);
    weir_kinds_close(&kinds);
}

static void a_kind_is_noted_once(void **state)
{
    (void)state;
    struct weir_kinds kinds = {0};
    static const char *const names[] = {"order:1", "orders:1", "ord:1", "order", "order:2", "ord"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(add(&kinds, names[i]), WEIR_OK);
    assert_int_equal(kinds.count, 3);
    assert_string_equal(kinds.at[0], "order");
    assert_string_equal(kinds.at[1], "orders");
    assert_string_equal(kinds.at[2], "ord");
    weir_kinds_close(&kinds);
    assert_int_equal(kinds.count, 0);
}

static void fresh_ones_are_told_or_forgotten(void **state)
{
    (void)state;
    struct weir_kinds kinds = {0};
    assert_int_equal(add(&kinds, "order:1"), WEIR_OK);
    assert_int_equal(kinds.fresh, 0);
    weir_kinds_told(&kinds);
    assert_int_equal(kinds.fresh, 1);
    assert_int_equal(add(&kinds, "order:2"), WEIR_OK); /* told already */
    assert_int_equal(add(&kinds, "rank:1"), WEIR_OK);
    assert_int_equal(add(&kinds, "sum"), WEIR_OK);
    assert_int_equal(kinds.count, 3);
    weir_kinds_drop_fresh(&kinds);
    assert_int_equal(kinds.count, 1);
    assert_int_equal(add(&kinds, "sum"), WEIR_OK); /* to be told again */
    assert_int_equal(kinds.count, 2);
    assert_int_equal(kinds.fresh, 1);
    weir_kinds_close(&kinds);
    assert_int_equal(kinds.count + kinds.fresh, 0);
    assert_int_equal(add(&kinds, "order:1"), WEIR_OK); /* and used again */
    assert_int_equal(kinds.count, 1);
    weir_kinds_close(&kinds);
}

static void there_is_room_for_a_thousand(void **state)
{
    (void)state;
    static struct weir_kinds kinds;
    char name[32];
    for (int i = 0; i < WEIR_PROJECTION_KINDS_MAX; i++) {
        snprintf(name, sizeof name, "k%d:1", i);
        assert_int_equal(add(&kinds, name), WEIR_OK);
    }
    assert_int_equal(add(&kinds, "another"), WEIR_TOO_LARGE);
    assert_int_equal(add(&kinds, "k999:2"), WEIR_OK);
    assert_int_equal(kinds.count, WEIR_PROJECTION_KINDS_MAX);
    weir_kinds_drop_fresh(&kinds);
    assert_int_equal(kinds.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_is_a_source_once),
        cmocka_unit_test(there_is_room_for_sixteen),
        cmocka_unit_test(streams_are_the_events_of_the_services),
        cmocka_unit_test(a_kind_stands_before_the_first_colon),
        cmocka_unit_test(a_name_has_its_length),
        cmocka_unit_test(a_kind_is_noted_once),
        cmocka_unit_test(fresh_ones_are_told_or_forgotten),
        cmocka_unit_test(there_is_room_for_a_thousand),
    };
    return cmocka_run_group_tests_name("sources and kinds", tests, NULL, NULL);
}
