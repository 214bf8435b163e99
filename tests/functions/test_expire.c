/* weir_expire, weir_expire_gone: what has been in an index for long enough leaves it, a share in
 * each call. */
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

/* ---- Once it is gone ------------------------------------------------------------------------- */

#define GONE "FCALL weir_expire_gone 1 {s}:one "

static void what_is_still_there_stays(void **state)
{
    (void)state;
    long long now = server_now();
    test_do(&server, "ZADD {s}:one 1 a 2 b 3 c %lld d", now + 100000);
    test_do(&server, "MSET {s}:x:b 1 {s}:x:e 1");
    expect("[, 2]", GONE "50000 -inf 10 {s}:x:");
    expect("[b, d]", "ZRANGE {s}:one 0 -1");
    test_do(&server, "DEL {s}:x:b");
    expect("[, 1]", GONE "50000 -inf 10 {s}:x:");
    expect("[d]", "ZRANGE {s}:one 0 -1");
    expect("[, 0]", "FCALL weir_expire_gone 1 {s}:none 0 -inf 10 {s}:x:");
}

/* Calls go on behind what stays, however much that is, and also within one and the same ms. */
static void it_goes_on_behind_what_stays(void **state)
{
    (void)state;
    test_do(&server, "ZADD {s}:one 1 a 2 b 3 c 3 d 4 e 4 f 4 g 5 h");
    test_do(&server, "MSET {s}:x:a 1 {s}:x:b 1 {s}:x:e 1 {s}:x:f 1");
    expect("[2, 0]", GONE "0 -inf 2 {s}:x:");
    expect("[3, 1]", GONE "0 2 2 {s}:x:");
    expect("[4, 1]", GONE "0 3 2 {s}:x:");
    expect("[(4, 0]", GONE "0 4 2 {s}:x:");
    expect("[, 1]", GONE "0 (4 2 {s}:x:");
    expect("[a, b, e, f, g]", "ZRANGE {s}:one 0 -1");
    expect("[, 0]", GONE "0 -inf 0 {s}:x:");
}

static void what_cannot_be_looked_at_stays(void **state)
{
    (void)state;
    static const char *const rights[] = {"-zrem", "-exists", "resetkeys ~{s}:one"};
    test_do(&server, "ZADD {s}:one 1 a");
    test_do(&server, "SET {s}:text 1");
    expect_untouched("!WRONGTYPE*", "FCALL weir_expire_gone 1 {s}:text 0 -inf 10 {s}:x:");
    expect_untouched("!ERR*", GONE "0 soon 10 {s}:x:");
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "ACL SETUSER default %s", rights[i]);
        test_do(&server, line);
        const char *given = answer(GONE "0 -inf 10 {s}:x:");
        test_do(&server, "ACL SETUSER default +@all allkeys");
        check_answer(__FILE__, __LINE__, "!NOPERM*", given);
        expect("[a]", "ZRANGE {s}:one 0 -1");
    }
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
    test_do(&server, "ZADD {s}:one 1 a");
    test_do(&server, "CONFIG SET maxmemory 1");
    expect("[, 1]", GONE "0 -inf 10 {s}:x:");
    test_do(&server, "CONFIG SET maxmemory 0");
}

#define EACH(test) cmocka_unit_test_setup(test, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(removes_what_is_old_and_nothing_else),
        EACH(the_oldest_go_first_up_to_the_limit),
        EACH(what_is_still_there_stays),
        EACH(it_goes_on_behind_what_stays),
        EACH(what_cannot_be_looked_at_stays),
        EACH(another_type_is_refused),
        EACH(goes_on_without_memory),
    };
    return cmocka_run_group_tests_name("expire", tests, start_functions, stop_functions);
}
