/* The error's promises: first one wins, one line, always terminated, never half a character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"

static void every_status_has_a_text(void **state)
{
    (void)state;
    for (int i = WEIR_OK; i <= WEIR_SYSTEM; i++) {
        const char *text = weir_status_text((enum weir_status)i);
        assert_non_null(text);
        assert_string_not_equal(text, "");
        for (int j = WEIR_OK; j < i; j++)
            assert_string_not_equal(text, weir_status_text((enum weir_status)j));
    }
}

static void a_number_that_is_no_status_has_a_text(void **state)
{
    (void)state;
    assert_non_null(weir_status_text((enum weir_status)(WEIR_SYSTEM + 1)));
    assert_non_null(weir_status_text((enum weir_status) - 1));
}

static void set_formats_and_returns_the_status(void **state)
{
    (void)state;
    struct weir_error error = {0};
    assert_int_equal(weir_error_set(&error, WEIR_INVALID, "bad %s %d", "port", 7), WEIR_INVALID);
    assert_int_equal(error.status, WEIR_INVALID);
    assert_string_equal(error.text, "bad port 7");
}

static void the_first_error_wins(void **state)
{
    (void)state;
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_UNKNOWN, "first");
    assert_int_equal(weir_error_set(&error, WEIR_REFUSED, "second"), WEIR_UNKNOWN);
    assert_int_equal(error.status, WEIR_UNKNOWN);
    assert_string_equal(error.text, "first");
}

static void no_error_to_fill_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(weir_error_set(NULL, WEIR_DENIED, "x"), WEIR_DENIED);
    assert_int_equal(weir_error_prefix(NULL, "x"), WEIR_OK);
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_SYSTEM, "%s", text);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

static void a_text_that_just_fits_is_whole(void **state)
{
    (void)state;
    char text[256];
    memset(text, 'a', sizeof text);
    memcpy(text + 253, "\xC3\xA9", 3);
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_SYSTEM, "%s", text);
    assert_string_equal(error.text, text);
}

/* Every length of character at every place of the cut. */
static void a_cut_leaves_no_half_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t which = 0; which < 4; which++) {
        size_t length = strlen(characters[which]);
        for (size_t filler = 250; filler < 258; filler++) {
            char text[300];
            memset(text, 'x', filler);
            strcpy(text + filler, characters[which]);
            struct weir_error error = {0};
            weir_error_set(&error, WEIR_SYSTEM, "%s", text);
            size_t expected = filler + length <= 255 ? filler + length : filler;
            if (expected > 255)
                expected = 255;
            assert_int_equal(strlen(error.text), expected);
        }
    }
}

static void newlines_and_escapes_become_blanks(void **state)
{
    (void)state;
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_INVALID, "value \"%s\"", "a\nb\r\tc\x1b[31m\x7f");
    assert_string_equal(error.text, "value \"a b  c [31m \"");
}

/* People put a URL where none belongs, and sentences quote it. */
static void logins_are_hidden(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"'redis://u:hush@h' is too much", "'redis://@h' is too much"},
        {"'redis://:hu@sh@h:1/2' is", "'redis://@h:1/2' is"},
        {"'unix://u:hush@/x.sock'", "'unix://@/x.sock'"},
        {"'redis-sentinel://u:hush@a,b/m'", "'redis-sentinel://@a,b/m'"},
        {"'redis://u:hu'sh \"@h'", "'redis://@h'"},
        {"'unix://:a@/x' and 'redis://:hush@h'", "'unix://@/x' and 'redis://@h'"},
        {"unix:///x.sock: write redis://user:password@host or redis://:password@host",
         "unix:///x.sock: write redis://user:password@host or redis://:password@host"},
        {"'redis://h:6379' is there", "'redis://h:6379' is there"},
        {"mail a@b of https://x/y@z", "mail a@b of https://x/y@z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_error error = {0};
        weir_error_set(&error, WEIR_INVALID, "%s", rows[i][0]);
        assert_string_equal(error.text, rows[i][1]);
    }
}

/* The '@' by which it would be known is gone. */
static void a_login_that_is_cut_is_hidden(void **state)
{
    (void)state;
    char word[512] = "redis://user:hush";
    memset(word + strlen(word), 'x', 400);
    strcat(word, "@h");
    for (int length = 0; length < 300; length++) {
        struct weir_error error = {0};
        weir_error_set(&error, WEIR_INVALID, "%*s%s", length, "", word);
        assert_null(strstr(error.text, "hush"));
    }
    struct weir_error error = {0}; /* of one that is whole the reason stays */
    weir_error_set(&error, WEIR_UNAVAILABLE, "redis://h:1: %0300d", 7);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

static void prefix_stands_in_front(void **state)
{
    (void)state;
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_UNAVAILABLE, "connection refused");
    assert_int_equal(weir_error_prefix(&error, "redis %s:%d", "db", 6379), WEIR_UNAVAILABLE);
    weir_error_prefix(&error, "worker");
    assert_string_equal(error.text, "worker: redis db:6379: connection refused");
}

static void prefix_without_an_error_does_nothing(void **state)
{
    (void)state;
    struct weir_error error = {0};
    assert_int_equal(weir_error_prefix(&error, "worker"), WEIR_OK);
    assert_string_equal(error.text, "");
}

static void prefix_may_quote_the_error_itself(void **state)
{
    (void)state;
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_INVALID, "inner");
    weir_error_prefix(&error, "<%s>", error.text);
    assert_string_equal(error.text, "<inner>: inner");
}

static void prefix_cuts_at_the_end(void **state)
{
    (void)state;
    struct weir_error error = {0};
    char text[256];
    memset(text, 'b', sizeof text);
    text[255] = '\0';
    weir_error_set(&error, WEIR_INVALID, "%s", text);
    weir_error_prefix(&error, "front");
    assert_int_equal(strlen(error.text), 255);
    assert_memory_equal(error.text, "front: bbb", 10);
}

static void prefix_longer_than_the_room_is_cut(void **state)
{
    (void)state;
    struct weir_error error = {0};
    char text[600];
    memset(text, 'p', sizeof text);
    text[sizeof text - 1] = '\0';
    weir_error_set(&error, WEIR_INVALID, "inner");
    assert_int_equal(weir_error_prefix(&error, "%s", text), WEIR_INVALID);
    assert_int_equal(strlen(error.text), 255);
    assert_string_equal(error.text + 253, ": ");
}

static void prefix_cut_leaves_no_half_character(void **state)
{
    (void)state;
    for (int filler = 0; filler < 5; filler++) {
        struct weir_error error = {0};
        char text[256] = {0};
        for (int i = 0; i < 63; i++)
            memcpy(text + i * 4, "\xF0\x9F\x98\x80", 4);
        weir_error_set(&error, WEIR_INVALID, "%s", text);
        weir_error_prefix(&error, "%.*s", filler + 4, "xxxxxxxxxx");
        size_t body = strlen(error.text) - (size_t)filler - 6;
        assert_int_equal(body % 4, 0);
    }
}

static void a_rare_error_is_one_that_is_set(void **state)
{
    (void)state;
    struct weir_rare_error error = {0};
    assert_int_equal(weir_rare_error_status(&error), WEIR_OK);
    assert_string_equal(weir_rare_error_text(&error), "");
    assert_int_equal(weir_rare_error_set(&error, WEIR_INVALID, "bad %s\n%d", "port", 7),
                     WEIR_INVALID);
    assert_int_equal(weir_rare_error_set(&error, WEIR_REFUSED, "second"), WEIR_INVALID);
    assert_int_equal(weir_rare_error_status(&error), WEIR_INVALID);
    assert_string_equal(weir_rare_error_text(&error), "bad port 7");
    weir_rare_error_clear(&error);
    assert_int_equal(weir_rare_error_status(&error), WEIR_OK);
    weir_rare_error_clear(&error);
    assert_int_equal(weir_rare_error_set(&error, WEIR_REFUSED, "third"), WEIR_REFUSED);
    assert_string_equal(weir_rare_error_text(&error), "third");
    weir_rare_error_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_text),
        cmocka_unit_test(a_number_that_is_no_status_has_a_text),
        cmocka_unit_test(set_formats_and_returns_the_status),
        cmocka_unit_test(the_first_error_wins),
        cmocka_unit_test(no_error_to_fill_is_allowed),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(a_text_that_just_fits_is_whole),
        cmocka_unit_test(a_cut_leaves_no_half_character),
        cmocka_unit_test(newlines_and_escapes_become_blanks),
        cmocka_unit_test(logins_are_hidden),
        cmocka_unit_test(a_login_that_is_cut_is_hidden),
        cmocka_unit_test(prefix_stands_in_front),
        cmocka_unit_test(prefix_without_an_error_does_nothing),
        cmocka_unit_test(prefix_may_quote_the_error_itself),
        cmocka_unit_test(prefix_cuts_at_the_end),
        cmocka_unit_test(prefix_longer_than_the_room_is_cut),
        cmocka_unit_test(a_rare_error_is_one_that_is_set),
        cmocka_unit_test(prefix_cut_leaves_no_half_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
