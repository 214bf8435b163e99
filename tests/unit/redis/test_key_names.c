/* Every key as the public contract spells it, with and without a namespace. */
#include "redis/key_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void spells_keys_of_a_service(void **state)
{
    (void)state;
    char key[WEIR_KEY_MAX];
    assert_string_equal(weir_key_commands(key, "", "orders"), "{orders}:commands");
    assert_string_equal(weir_key_events(key, "", "orders"), "{orders}:events");
    assert_string_equal(weir_key_dead(key, "", "orders"), "{orders}:dead");
    assert_string_equal(weir_key_scheduled(key, "", "orders"), "{orders}:scheduled");
    assert_string_equal(weir_key_workers(key, "", "orders"), "{orders}:workers");
    assert_string_equal(weir_key_readers(key, "", "orders"), "{orders}:readers");
    assert_string_equal(weir_key_checkpoint(key, "", "views", "shop"), "{views}:checkpoint:shop");
    assert_string_equal(weir_key_named(key, "", "payments", "account:c7"), "{payments}:account:c7");
    assert_string_equal(weir_key_seen(key, "", "orders", "s/pay/execute#2"),
                        "{orders}:seen:s/pay/execute#2");
    assert_string_equal(weir_key_step(key, "", "payments", "s1", "pay"), "{payments}:step:s1/pay");
}

static void spells_keys_of_sagas(void **state)
{
    (void)state;
    char key[WEIR_KEY_MAX];
    assert_string_equal(weir_key_replies(key, ""), "{sagas}:replies");
    assert_string_equal(weir_key_saga(key, "", "1-0"), "{sagas}:saga:1-0");
    assert_string_equal(weir_key_saga_state(key, "", "running"), "{sagas}:state:running");
    assert_string_equal(weir_key_definition(key, "", "place-order"),
                        "{sagas}:definition:place-order");
    assert_string_equal(weir_key_definitions(key, ""), "{sagas}:definitions");
    assert_string_equal(weir_key_projections(key, ""), "{weir}:projections");
    assert_string_equal(weir_key_projections(key, "t:"), "t:{weir}:projections");
}

static void puts_the_namespace_before_the_tag(void **state)
{
    (void)state;
    char key[WEIR_KEY_MAX];
    assert_string_equal(weir_key_commands(key, "test1:", "orders"), "test1:{orders}:commands");
    assert_string_equal(weir_key_saga(key, "test1:", "s"), "test1:{sagas}:saga:s");
}

static void tells_the_owner_of_events(void **state)
{
    (void)state;
    char owner[WEIR_KEY_MAX];
    assert_string_equal(weir_key_events_owner("{orders}:events", "", owner, sizeof(owner)),
                        "orders");
    assert_string_equal(weir_key_events_owner("t:{orders}:events", "t:", owner, sizeof(owner)),
                        "orders");
    assert_null(weir_key_events_owner("{orders}:commands", "", owner, sizeof(owner)));
    assert_null(weir_key_events_owner("t:{orders}:events", "", owner, sizeof(owner)));
    assert_null(weir_key_events_owner("{orders}:events", "t:", owner, sizeof(owner)));
    assert_null(weir_key_events_owner("{}:events", "", owner, sizeof(owner)));
    assert_null(weir_key_events_owner("", "", owner, sizeof(owner)));
}

static void returns_the_buffer_and_stays_in_it(void **state)
{
    (void)state;
    char key[WEIR_KEY_MAX + 8], rest[WEIR_KEY_MAX * 2], prefix[WEIR_KEY_MAX * 2];
    memset(key, 'x', sizeof(key));
    memset(rest, 'r', sizeof(rest) - 1);
    rest[sizeof(rest) - 1] = '\0';
    memcpy(prefix, rest, sizeof(prefix));
    assert_ptr_equal(weir_key_named(key, "", "orders", rest), key);
    assert_int_equal(strlen(key), WEIR_KEY_MAX - 1);
    weir_key_commands(key, prefix, "orders");
    assert_int_equal(strlen(key), WEIR_KEY_MAX - 1);
    assert_memory_equal(key + WEIR_KEY_MAX, "xxxxxxxx", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spells_keys_of_a_service),
        cmocka_unit_test(spells_keys_of_sagas),
        cmocka_unit_test(puts_the_namespace_before_the_tag),
        cmocka_unit_test(tells_the_owner_of_events),
        cmocka_unit_test(returns_the_buffer_and_stays_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
