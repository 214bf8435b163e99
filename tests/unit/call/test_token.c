/* Tokens and cursors as texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call/page.h"
#include "weir.h"

static void tokens_come_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{orders}:events/1700000000000-0",
                                        "test/1:{orders}:events/0-1"};
    struct weir_token token;
    char text[WEIR_TOKEN_MAX];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(weir_token_read(texts[i], &token));
        assert_string_equal(weir_token_write(&token, text), texts[i]);
    }
    assert_true(weir_token_read(texts[2], &token));
    assert_string_equal(token.stream, "test/1:{orders}:events");
    assert_string_equal(token.entry, "0-1");
}

static void refuses_what_is_no_token(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "x",
        "/",
        "1-1",
        "/1-1",
        "{orders}:events",
        "{orders}:events/",
        "{orders}:events/1",
        "{orders}:events/1-1 ",
        "{orders}:commands/1-1",
        "orders}:events/1-1",
        "}:events/1-1",
        "{or\nders}:events/1-1",
        "{orders}:events/1-18446744073709551616",
        "{\xff}:events/1-1",
    };
    struct weir_token token;
    char long_one[400];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        memset(&token, 'x', sizeof(token));
        if (weir_token_read(texts[i], &token))
            fail_msg("taken for a token: '%s'", texts[i]);
        assert_string_equal(token.stream, "");
    }
    memset(long_one, '{', sizeof(long_one));
    strcpy(long_one + 300, "}:events/1-1");
    assert_false(weir_token_read(long_one, &token));
}

static void reads_cursors(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "0", "h", "x1", "h-1", "h1 ", "h123456789012345678901", "z123456789012345678", "hh1", " "};
    struct weir_cursor cursor;
    assert_true(weir_cursor_read(NULL, &cursor));
    assert_true(weir_cursor_read("", &cursor));
    assert_int_equal(cursor.kind, 0);
    assert_string_equal(cursor.number, "0");
    assert_true(weir_cursor_read("h18446744073709551615", &cursor));
    assert_int_equal(cursor.kind, 'h');
    assert_string_equal(cursor.number, "18446744073709551615");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (weir_cursor_read(wrong[i], &cursor))
            fail_msg("taken for a cursor: '%s'", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_back),
        cmocka_unit_test(refuses_what_is_no_token),
        cmocka_unit_test(reads_cursors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
