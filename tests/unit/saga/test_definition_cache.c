/* The definitions that a coordinator has read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "saga/definition_cache.h"

static const struct weir_saga_definition *add(struct weir_definition_cache *cache, int version,
                                              const char *command, struct weir_error *error)
{
    char json[200];
    snprintf(json, sizeof json,
             "{\"name\":\"n\",\"version\":%d,\"steps\":[{\"name\":\"a\",\"service\":\"x\","
             "\"command\":\"%s\"}]}",
             version, command);
    return weir_definition_cache_add(cache, "n", version, weir_slice_of(json), error);
}

static void known_by_name_version_and_content(void **state)
{
    (void)state;
    static struct weir_definition_cache cache;
    struct weir_error error = {0};
    const struct weir_saga_definition *first = add(&cache, 1, "Do", &error);
    uint32_t checksum = cache.entries[0].checksum;
    assert_non_null(first);
    assert_ptr_equal(add(&cache, 1, "Do", &error), first);
    assert_ptr_equal(weir_definition_cache_find(&cache, "n", 1, checksum), first);
    assert_null(weir_definition_cache_find(&cache, "n", 2, checksum));
    assert_null(weir_definition_cache_find(&cache, "m", 1, checksum));
    assert_null(weir_definition_cache_find(&cache, "n", 1, checksum + 1));
    assert_ptr_not_equal(add(&cache, 1, "Other", &error), first);
    assert_int_equal(cache.count, 2);
    weir_definition_cache_close(&cache);
    assert_int_equal(cache.count, 0);
}

static void what_is_wrong_is_not_kept(void **state)
{
    (void)state;
    static struct weir_definition_cache cache;
    struct weir_error error = {0};
    assert_null(add(&cache, 1, "", &error));
    assert_int_equal(error.status, WEIR_INVALID);
    error = (struct weir_error){0};
    assert_null(weir_definition_cache_add(
        &cache, "m", 1,
        weir_slice_of("{\"name\":\"n\",\"version\":1,\"steps\":[{\"name\":\"a\",\"service\":\"x\","
                      "\"command\":\"Do\"}]}"),
        &error));
    assert_string_equal(error.text, "it calls itself n version 1");
    assert_int_equal(cache.count, 0);
}

static void the_least_recently_used_makes_room(void **state)
{
    (void)state;
    static struct weir_definition_cache cache;
    struct weir_error error = {0};
    for (int version = 1; version <= WEIR_DEFINITION_CACHE_MAX; version++)
        assert_non_null(add(&cache, version, "Do", &error));
    assert_non_null(add(&cache, 1, "Do", &error));
    uint32_t second = cache.entries[1].checksum;
    assert_non_null(add(&cache, 1000, "Do", &error));
    assert_int_equal(cache.count, WEIR_DEFINITION_CACHE_MAX);
    assert_null(weir_definition_cache_find(&cache, "n", 2, second));
    assert_non_null(weir_definition_cache_find(&cache, "n", 1, cache.entries[0].checksum));
    weir_definition_cache_close(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_by_name_version_and_content),
        cmocka_unit_test(what_is_wrong_is_not_kept),
        cmocka_unit_test(the_least_recently_used_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
