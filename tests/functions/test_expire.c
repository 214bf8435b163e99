/* weir_expire: what has been in an index for long enough leaves it, a share in each call. */
#include "functions.h"

static void removes_what_is_old_and_nothing_else(void **state)
{
    (void)state;
    long long now = server_now();
    test_do(&server, "ZADD {s}:one 1 a %lld b %lld c", now - 100000, now);
    test_do(&server, "ZADD {s}:two -1 d %lld e", now + 100000);
    expect("3", "FCALL weir_expire 2 {s}:one {s}:two 50000 10");
    expect("[c]", "ZRANGE {s}:one 0 -1");
    expect("[e]", "ZRANGE {s}:two 0 -1");
    expect("0", "FCALL weir_expire 2 {s}:one {s}:two 50000 10");
    expect("0", "FCALL weir_expire 1 {s}:none 0 10");
}

static void the_oldest_go_first_up_to_the_limit(void **state)
{
    (void)state;
    test_do(&server, "ZADD {s}:one 3 c 1 a 4 d 2 b");
    test_do(&server, "ZADD {s}:two 1 a 2 b");
    expect("5", "FCALL weir_expire 2 {s}:one {s}:two 50000 3");
    expect("[d]", "ZRANGE {s}:one 0 -1");
    expect("0", "EXISTS {s}:two");
}

static void another_type_is_refused(void **state)
{
    (void)state;
    test_do(&server, "SET {s}:text 1");
    test_do(&server, "ZADD {s}:one 1 a");
    expect_untouched("!WRONGTYPE*", "FCALL weir_expire 2 {s}:text {s}:one 0 10");
    expect_untouched("!ERR*", "FCALL weir_expire 1 {s}:one x 10");
}

static void goes_on_without_memory(void **state)
{
    (void)state;
    test_do(&server, "ZADD {s}:one 1 a");
    test_do(&server, "CONFIG SET maxmemory 1");
    expect("1", "FCALL weir_expire 1 {s}:one 0 10");
    test_do(&server, "CONFIG SET maxmemory 0");
}

#define EACH(test) cmocka_unit_test_setup(test, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(removes_what_is_old_and_nothing_else),
        EACH(the_oldest_go_first_up_to_the_limit),
        EACH(another_type_is_refused),
        EACH(goes_on_without_memory),
    };
    return cmocka_run_group_tests_name("expire", tests, start_functions, stop_functions);
}
