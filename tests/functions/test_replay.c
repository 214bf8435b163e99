/* weir_replay, weir_drop: a dead letter leaves once, and as a whole. */
#include "functions.h"

#define REPLAY "FCALL weir_replay 3 {s}:dead {s}:commands {s}:dead:1-1 "
#define DROP "FCALL weir_drop 2 {s}:dead {s}:dead:1-1 "

static int bury(void **state)
{
    empty(state);
    test_do(&server, "ACL SETUSER default +@all ~*");
    test_do(&server, "XADD {s}:dead 1-1 type Charge data {} reason broken deliveries 5 stream "
                     "{s}:commands entry 9-9");
    test_do(&server, "XADD {s}:dead 2-1 type Other reason broken");
    return 0;
}

static void malformed_calls_write_nothing(void **state)
{
    (void)state;
    expect_untouched("!ERR malformed*", REPLAY "1-1 t who 1000");
    expect_untouched("!ERR malformed*", REPLAY "1-1 t who 1000 type");
    expect_untouched("!ERR malformed*", REPLAY "1-1 t who 1000 type A data");
    expect_untouched("!ERR malformed*", REPLAY "1-1 t who soon type A");
    expect_untouched("!ERR malformed*", REPLAY "1-1 t who 0 type A");
    expect_untouched("!ERR malformed*", REPLAY "x t who 1000 type A");
    expect_untouched("!ERR malformed*", REPLAY "1 t who 1000 type A");
    expect_untouched("!ERR malformed*", "FCALL weir_replay 2 {s}:dead {s}:commands 1-1 t w 9 a b");
    expect_untouched("!ERR malformed*", DROP "- t who 1000");
    expect_untouched("!ERR malformed*", DROP "1-1 t who");
    expect_untouched("!ERR malformed*", DROP "1-1 t who 0");
    struct words words = {.count = 0};
    static const char *const head[] = {"FCALL", "weir_replay", "3", "{s}:dead", "{s}:commands",
                                       "{s}:d", "1-1",         "t", "who",      "1000"};
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        add_word(&words, head[i]);
    for (int i = 0; i < 7002; i++)
        add_word(&words, "x");
    uint64_t before = dataset();
    check_answer(__FILE__, __LINE__, "!ERR malformed*", answer_words(&words));
    assert_true(dataset() == before);
}

static void wrong_types_write_nothing(void **state)
{
    (void)state;
    test_do(&server, "SET {s}:text 1");
    test_do(&server, "HSET {s}:hash a 1");
    expect_untouched("!WRONGTYPE*",
                     "FCALL weir_replay 3 {s}:text {s}:commands {s}:d 1-1 t who 1000 type A");
    expect_untouched("!WRONGTYPE*",
                     "FCALL weir_replay 3 {s}:dead {s}:text {s}:d 1-1 t who 1000 type A");
    expect_untouched("!WRONGTYPE*",
                     "FCALL weir_replay 3 {s}:dead {s}:commands {s}:hash 1-1 t who 1000 type A");
    expect_untouched("!WRONGTYPE*", "FCALL weir_drop 2 {s}:text {s}:d 1-1 t who 1000");
    expect_untouched("!WRONGTYPE*", "FCALL weir_drop 2 {s}:dead {s}:hash 1-1 t who 1000");
}

static void missing_rights_write_nothing(void **state)
{
    (void)state;
    static const char *const denied[] = {"xadd", "xdel", "xrange", "set", "get"};
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++) {
        test_do(&server, "ACL SETUSER default -%s", denied[i]);
        expect_untouched("!*", REPLAY "1-1 t who 1000 type A");
        if (i > 0)
            expect_untouched("!*", DROP "1-1 t who 1000");
        test_do(&server, "ACL SETUSER default +%s", denied[i]);
    }
}

static void an_inbox_that_takes_nothing_keeps_the_letter(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:commands 18446744073709551615-18446744073709551615 a b");
    expect_untouched("!ERR*", REPLAY "1-1 t who 1000 type A");
    test_do(&server, "CONFIG SET maxmemory 1");
    expect_untouched("!OOM*", REPLAY "1-1 t who 1000 type A");
    expect("[dropped]", DROP "1-1 t who 1000"); /* which frees memory */
    test_do(&server, "CONFIG SET maxmemory 0");
}

static void what_is_not_there_is_gone(void **state)
{
    (void)state;
    expect_untouched("[gone, ]", "FCALL weir_replay 3 {s}:dead {s}:commands {s}:dead:3-1 3-1 t who "
                                 "1000 type A");
    expect_untouched("[gone, ]", "FCALL weir_drop 2 {s}:dead {s}:dead:3-1 3-1 t who 1000");
    test_do(&server, "DEL {s}:dead");
    expect_untouched("[gone, ]", REPLAY "1-1 t who 1000 type A");
}

static void a_letter_is_replayed_once(void **state)
{
    (void)state;
    char entry[64];
    long long before = server_now();
    const char *text =
        answer(REPLAY "1-1 t1 %s 60000 type Charge data %b", "tom@host x", "\0\xff\r\n", (size_t)4);
    assert_int_equal(sscanf(text, "[replayed, %63[0-9-]]", entry), 1);
    expect("1", "XLEN {s}:dead");
    char whole_inbox[160];
    snprintf(whole_inbox, sizeof whole_inbox, "[[%s, [type, Charge, data, \\x00\\xff\\x0d\\x0a]]]",
             entry);
    expect(whole_inbox, "XRANGE {s}:commands - +");
    long long at = 0;
    char mark[160];
    text = answer("GET {s}:dead:1-1");
    assert_int_equal(sscanf(text, "replayed %lld ", &at), 1);
    assert_in_range(at, before, server_now());
    snprintf(mark, sizeof mark, "replayed %lld %s t1 tom@host x", at, entry);
    expect(mark, "GET {s}:dead:1-1");
    assert_in_range(test_ask_integer(&server, "PTTL {s}:dead:1-1"), 1, 60000);
    /* Its answer may have been lost. */
    char again[80];
    snprintf(again, sizeof again, "[replayed, %s]", entry);
    expect_untouched(again, REPLAY "1-1 t1 tom@host 60000 type Charge");
    /* Another request comes too late, whatever it wants. */
    snprintf(again, sizeof again, "[gone, replayed %lld*", at);
    expect_untouched(again, REPLAY "1-1 t2 eve 60000 type Charge");
    expect_untouched("[gone, replayed*", DROP "1-1 t2 eve 60000");
    expect("1", "XLEN {s}:commands");
}

static void a_letter_is_dropped_once(void **state)
{
    (void)state;
    expect("[dropped]", DROP "1-1 t1 tom 60000");
    expect("1", "XLEN {s}:dead");
    expect("0", "EXISTS {s}:commands");
    expect_untouched("[dropped]", DROP "1-1 t1 tom 60000");
    expect_untouched("[gone, dropped*", DROP "1-1 t2 eve 60000");
    expect_untouched("[gone, dropped*", REPLAY "1-1 t2 eve 60000 type Charge");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(malformed_calls_write_nothing, bury),
        cmocka_unit_test_setup(wrong_types_write_nothing, bury),
        cmocka_unit_test_setup(missing_rights_write_nothing, bury),
        cmocka_unit_test_setup(an_inbox_that_takes_nothing_keeps_the_letter, bury),
        cmocka_unit_test_setup(what_is_not_there_is_gone, bury),
        cmocka_unit_test_setup(a_letter_is_replayed_once, bury),
        cmocka_unit_test_setup(a_letter_is_dropped_once, bury),
    };
    return cmocka_run_group_tests_name("replay", tests, start_functions, stop_functions);
}
