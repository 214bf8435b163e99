/* Strictness of everything that reads bytes from outside, with jansson and strtoll as judges. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/backoff.h"
#include "base/text.h"

#define SEED UINT64_C(11)
#define UNTOUCHED INT64_C(-77)

/* A string literal with its length, so that NUL bytes inside count. */
#define BYTES(literal) ("" literal), (sizeof(literal) - 1)

static void slices_compare_by_bytes(void **state)
{
    (void)state;
    assert_int_equal(weir_slice_of("abc").length, 3);
    assert_int_equal(weir_slice_of(NULL).length, 0);
    assert_true(weir_slice_equals((struct weir_slice){"abcd", 3}, "abc"));
    assert_false(weir_slice_equals((struct weir_slice){"abcd", 4}, "abc"));
    assert_false(weir_slice_equals((struct weir_slice){BYTES("a\0b")}, "a"));
    assert_true(weir_slice_equals((struct weir_slice){NULL, 0}, ""));
    assert_false(weir_slice_equals((struct weir_slice){NULL, 0}, "a"));
}

static void an_empty_text_holds_no_memory(void **state)
{
    (void)state;
    struct weir_text text = {0};
    weir_text_append(&text, NULL, 0);
    weir_text_append_string(&text, "");
    weir_text_format(&text, "%s", "");
    assert_null(text.at);
    assert_int_equal(text.length, 0);
    weir_text_close(&text);
}

static void text_grows_and_stays_terminated(void **state)
{
    (void)state;
    struct weir_text text = {0};
    for (size_t i = 0; i < 5000; i++) {
        weir_text_append(&text, "x", 1);
        assert_int_equal(text.length, i + 1);
        assert_int_equal(text.at[text.length], '\0');
        assert_true(text.capacity > text.length);
    }
    assert_false(text.failed);
    weir_text_close(&text);
    assert_null(text.at);
    assert_int_equal(text.capacity, 0);
}

static void text_keeps_nul_bytes(void **state)
{
    (void)state;
    struct weir_text text = {0};
    weir_text_append(&text, BYTES("a\0b"));
    weir_text_append_string(&text, "c");
    assert_int_equal(text.length, 4);
    assert_memory_equal(text.at, "a\0bc", 5);
    weir_text_close(&text);
}

static void format_fills_to_the_last_byte(void **state)
{
    (void)state;
    for (int width = 55; width < 75; width++) {
        struct weir_text text = {0};
        weir_text_format(&text, "%*d", width, 7);
        weir_text_format(&text, "-%s", "end");
        assert_int_equal(text.length, width + 4);
        assert_string_equal(text.at + width - 1, "7-end");
        weir_text_close(&text);
    }
}

static void clear_keeps_the_memory(void **state)
{
    (void)state;
    struct weir_text text = {0};
    weir_text_append_string(&text, "something");
    char *at = text.at;
    weir_text_clear(&text);
    assert_int_equal(text.length, 0);
    assert_string_equal(text.at, "");
    weir_text_append_string(&text, "other");
    assert_ptr_equal(text.at, at);
    assert_string_equal(text.at, "other");
    weir_text_close(&text);
    weir_text_clear(&text);
    assert_null(text.at);
}

/* Lengths that no machine has, volatile so that the compiler does not reject them first. */
static void failure_stays_and_loses_nothing(void **state)
{
    (void)state;
    volatile size_t impossible[] = {SIZE_MAX, SIZE_MAX - 3, SIZE_MAX - 4};
    for (size_t i = 0; i < 3; i++) {
        struct weir_text text = {0};
        weir_text_append_string(&text, "kept");
        weir_text_append(&text, "", impossible[i]);
        assert_true(text.failed);
        weir_text_append_string(&text, "more");
        weir_text_format(&text, "%d", 1);
        weir_text_append_json(&text, "x", 1);
        assert_true(text.failed);
        assert_string_equal(text.at, "kept");
        weir_text_close(&text);
        assert_false(text.failed);
    }
}

static void check_json(const char *bytes, size_t length, const char *expected)
{
    struct weir_text text = {0};
    weir_text_append_json(&text, bytes, length);
    assert_string_equal(text.at, expected);
    weir_text_close(&text);
}

static void json_escapes(void **state)
{
    (void)state;
    check_json(NULL, 0, "\"\"");
    check_json(BYTES("plain \xC3\xA9 \xF0\x9F\x98\x80"), "\"plain \xC3\xA9 \xF0\x9F\x98\x80\"");
    check_json(BYTES("\"\\/"), "\"\\\"\\\\/\"");
    check_json(BYTES("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    check_json(BYTES("\0\x01\x1b\x1f"), "\"\\u0000\\u0001\\u001b\\u001f\"");
    check_json(BYTES("\x7f\xC2\x80\xC2\x9B\xC2\xA0"), "\"\\u007f\\u0080\\u009b\xC2\xA0\"");
    check_json(BYTES("\xE2\x80\xA7\xE2\x80\xA8\xE2\x80\xA9"), "\"\xE2\x80\xA7\\u2028\\u2029\"");
}

static void json_replaces_what_is_not_utf8(void **state)
{
    (void)state;
    check_json(BYTES("\xFF"), "\"\\ufffd\"");
    check_json(BYTES("a\x80z"), "\"a\\ufffdz\"");
    check_json(BYTES("\xC0\xAF"), "\"\\ufffd\\ufffd\"");
    check_json(BYTES("\xE2\x82"), "\"\\ufffd\\ufffd\"");
    check_json(BYTES("\xE2\""), "\"\\ufffd\\\"\"");
    check_json(BYTES("\xE2\n"), "\"\\ufffd\\n\"");
}

static size_t random_bytes(struct weir_random *random, char *out, size_t limit)
{
    /* Mostly from the edges of the UTF-8 forms: even bytes would nearly never be well-formed. */
    static const unsigned char edges[] = {0x00, 0x0A, 0x1B, 0x20, 0x22, 0x41, 0x5C, 0x7F,
                                          0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xA8, 0xBF, 0xC0,
                                          0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xE2, 0xED, 0xEE,
                                          0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    size_t length = (size_t)weir_random_below(random, limit + 1);
    for (size_t i = 0; i < length; i++)
        out[i] = weir_random_below(random, 8) == 0
                     ? (char)weir_random_below(random, 256)
                     : (char)edges[weir_random_below(random, sizeof edges)];
    return length;
}

static void check_against_jansson(const char *bytes, size_t length)
{
    json_t *value = json_stringn(bytes, length);
    assert_int_equal(weir_utf8_valid(bytes, length), value != NULL);

    struct weir_text text = {0};
    weir_text_append_json(&text, bytes, length);
    assert_true(weir_utf8_valid(text.at, text.length));
    for (size_t i = 0; i < text.length; i++)
        assert_true((unsigned char)text.at[i] >= 0x20 && text.at[i] != 0x7F);
    json_t *read = json_loadb(text.at, text.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(read);
    if (value != NULL)
        assert_true(json_equal(value, read));
    json_decref(read);
    json_decref(value);
    weir_text_close(&text);
}

static void json_and_utf8_agree_with_jansson(void **state)
{
    (void)state;
    struct weir_random random;
    weir_random_init(&random, SEED);
    for (int round = 0; round < 50000; round++) {
        char bytes[8];
        check_against_jansson(bytes, random_bytes(&random, bytes, sizeof bytes));
    }
}

/* All sequences of two bytes, and all first and second bytes with one good tail. */
static void utf8_agrees_with_jansson_on_all_pairs(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            const char bytes[4] = {(char)first, (char)second, (char)0x80, (char)0xBF};
            for (size_t length = 2; length <= 4; length++) {
                json_t *value = json_stringn(bytes, length);
                assert_int_equal(weir_utf8_valid(bytes, length), value != NULL);
                json_decref(value);
            }
        }
    }
}

static void utf8_refuses_the_known_traps(void **state)
{
    (void)state;
    assert_true(weir_utf8_valid(NULL, 0));
    assert_true(weir_utf8_valid(BYTES("a\0b")));
    assert_true(weir_utf8_valid(BYTES("\x7f\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF")));
    assert_true(weir_utf8_valid(BYTES("\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80")));
    assert_true(weir_utf8_valid(BYTES("\xF4\x8F\xBF\xBF")));
    assert_false(weir_utf8_valid(BYTES("\xC0\x80")));         /* overlong NUL */
    assert_false(weir_utf8_valid(BYTES("\xC1\xBF")));         /* overlong */
    assert_false(weir_utf8_valid(BYTES("\xE0\x9F\xBF")));     /* overlong */
    assert_false(weir_utf8_valid(BYTES("\xF0\x8F\xBF\xBF"))); /* overlong */
    assert_false(weir_utf8_valid(BYTES("\xED\xA0\x80")));     /* surrogates */
    assert_false(weir_utf8_valid(BYTES("\xED\xBF\xBF")));
    assert_false(weir_utf8_valid(BYTES("\xF4\x90\x80\x80"))); /* over U+10FFFF */
    assert_false(weir_utf8_valid(BYTES("\xF5\x80\x80\x80")));
    assert_false(weir_utf8_valid(BYTES("\xF8\x88\x80\x80\x80")));
    assert_false(weir_utf8_valid(BYTES("\x80")));  /* tail without a head */
    assert_false(weir_utf8_valid(BYTES("a\xC3"))); /* truncated */
    assert_false(weir_utf8_valid(BYTES("\xE2\x82")));
    assert_false(weir_utf8_valid(BYTES("\xF0\x9F\x98")));
    assert_false(weir_utf8_valid(BYTES("\xE2\x82\x41")));
    assert_false(weir_utf8_valid("\xC3\xA9", 1)); /* the good tail is behind the end */
}

static void integer_accepts(const char *digits, int64_t expected)
{
    int64_t number = UNTOUCHED;
    assert_true(weir_parse_integer(digits, strlen(digits), &number));
    assert_true(number == expected);
}

static void integer_refuses(const char *bytes, size_t length)
{
    int64_t number = UNTOUCHED;
    assert_false(weir_parse_integer(bytes, length, &number));
    assert_true(number == UNTOUCHED);
}

static void digits_are_those_of_printf(void **state)
{
    (void)state;
    for (int shift = 0; shift < 64; shift++)
        for (int64_t near = -10; near <= 10; near++) {
            int64_t number = (int64_t)((UINT64_C(1) << shift) + (uint64_t)near);
            char wanted[32], room[WEIR_DIGITS_MAX];
            snprintf(wanted, sizeof wanted, "%" PRId64, number);
            assert_int_equal(weir_digits(number, room), strlen(wanted));
            assert_string_equal(room, wanted);
        }
}

static void integers_in_range(void **state)
{
    (void)state;
    integer_accepts("0", 0);
    integer_accepts("7", 7);
    integer_accepts("-1", -1);
    integer_accepts("10", 10);
    integer_accepts("9223372036854775807", INT64_MAX);
    integer_accepts("9223372036854775806", INT64_MAX - 1);
    integer_accepts("-9223372036854775808", INT64_MIN);
    integer_accepts("-9223372036854775807", INT64_MIN + 1);
    integer_accepts("1000000000000000000", INT64_C(1000000000000000000));
}

static void integers_out_of_range(void **state)
{
    (void)state;
    integer_refuses(BYTES("9223372036854775808"));
    integer_refuses(BYTES("-9223372036854775809"));
    integer_refuses(BYTES("9999999999999999999"));
    integer_refuses(BYTES("-9999999999999999999"));
    integer_refuses(BYTES("10000000000000000000"));
    integer_refuses(BYTES("18446744073709551615"));
    integer_refuses(BYTES("18446744073709551616"));
    integer_refuses(BYTES("18446744073709551617"));
    integer_refuses(BYTES("-10000000000000000000"));
    integer_refuses(BYTES("100000000000000000000000000000000000000000"));
}

static void integers_of_another_form(void **state)
{
    (void)state;
    integer_refuses(NULL, 0);
    integer_refuses(BYTES(""));
    integer_refuses(BYTES("-"));
    integer_refuses(BYTES("-0"));
    integer_refuses(BYTES("+1"));
    integer_refuses(BYTES("01"));
    integer_refuses(BYTES("-01"));
    integer_refuses(BYTES("00"));
    integer_refuses(BYTES(" 1"));
    integer_refuses(BYTES("1 "));
    integer_refuses(BYTES("1\n"));
    integer_refuses(BYTES("--1"));
    integer_refuses(BYTES("1-"));
    integer_refuses(BYTES("1.0"));
    integer_refuses(BYTES("1e3"));
    integer_refuses(BYTES("0x10"));
    integer_refuses(BYTES("1\0"));
    integer_refuses(BYTES("\0"));
    integer_refuses(BYTES("1\0002"));
    integer_refuses(BYTES("\xD9\xA1")); /* a digit, but an Arabic one */
    integer_refuses(BYTES("1/"));
    integer_refuses(BYTES("1:"));
}

static void integer_reads_no_further_than_its_length(void **state)
{
    (void)state;
    int64_t number = 0;
    assert_true(weir_parse_integer("123456", 3, &number));
    assert_int_equal(number, 123);
}

/* A number is accepted if and only if printing it again gives the same bytes. */
static void integers_agree_with_strtoll(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789999-+ ";
    struct weir_random random;
    weir_random_init(&random, SEED);
    for (int round = 0; round < 50000; round++) {
        char digits[24] = {0};
        size_t length = (size_t)weir_random_below(&random, 21);
        size_t letters = weir_random_below(&random, 4) == 0 ? 16 : 10;
        for (size_t i = 0; i < length; i++)
            digits[i] = alphabet[weir_random_below(&random, letters)];
        char printed[32];
        long long judged = strtoll(digits, NULL, 10);
        snprintf(printed, sizeof printed, "%lld", judged);
        int64_t number = 0;
        bool accepted = weir_parse_integer(digits, length, &number);
        assert_int_equal(accepted, strcmp(printed, digits) == 0);
        if (accepted)
            assert_true(number == judged);
    }
}

static void duration_accepts(const char *text, int64_t expected)
{
    int64_t ms = UNTOUCHED;
    assert_true(weir_parse_duration_ms(text, &ms));
    assert_true(ms == expected);
}

static void duration_refuses(const char *text)
{
    int64_t ms = UNTOUCHED;
    assert_false(weir_parse_duration_ms(text, &ms));
    assert_true(ms == UNTOUCHED);
}

static void durations_by_unit(void **state)
{
    (void)state;
    duration_accepts("0", 0);
    duration_accepts("0s", 0);
    duration_accepts("250", 250);
    duration_accepts("500ms", 500);
    duration_accepts("30s", 30000);
    duration_accepts("5m", 300000);
    duration_accepts("2h", 7200000);
    duration_accepts("7d", 604800000);
}

static void durations_end_at_ten_years(void **state)
{
    (void)state;
    duration_accepts("3650d", INT64_C(315360000000));
    duration_accepts("315360000000", INT64_C(315360000000));
    duration_accepts("315360000000ms", INT64_C(315360000000));
    duration_accepts("315360000s", INT64_C(315360000000));
    duration_accepts("5256000m", INT64_C(315360000000));
    duration_accepts("87600h", INT64_C(315360000000));
    duration_refuses("3651d");
    duration_refuses("315360000001");
    duration_refuses("315360001s");
    duration_refuses("5256001m");
    duration_refuses("87601h");
    duration_refuses("9223372036854775807d");
    duration_refuses("9223372036854775807");
    duration_refuses("9223372036854775808s");
    duration_refuses("106751991168d"); /* over 2^63 ms by a little */
}

static void durations_of_another_form(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "",   "s",   "ms", "-1", "-1s", "-0",   "+1s",  "01s",   " 1s", "1 s", "1s ", "1.5s",
        "1S", "1MS", "1w", "1y", "1us", "1sec", "1s1s", "1h30m", "1e3", "0x1", "1ss", "1\n"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        duration_refuses(refused[i]);
}

typedef bool grammar(const char *bytes, size_t length);

/* Accepts up to `limit` bytes and not one more. */
static void check_limit(grammar *valid, size_t limit)
{
    char bytes[200];
    memset(bytes, 'a', sizeof bytes);
    assert_false(valid(bytes, 0));
    assert_true(valid(bytes, 1));
    assert_true(valid(bytes, limit));
    assert_false(valid(bytes, limit + 1));
}

/* Compares each single byte, in front and behind a letter, with the sets given. */
static void check_bytes(grammar *valid, const char *first, const char *later)
{
    for (int byte = 0; byte < 256; byte++) {
        const char in_front[2] = {(char)byte, 'a'};
        const char behind[2] = {'a', (char)byte};
        assert_int_equal(valid(in_front, 2), byte != 0 && strchr(first, byte) != NULL);
        assert_int_equal(valid(behind, 2), byte != 0 && strchr(later, byte) != NULL);
    }
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static void type_names(void **state)
{
    (void)state;
    check_limit(weir_type_name_valid, 128);
    check_bytes(weir_type_name_valid, LETTERS, LETTERS DIGITS "._-");
    assert_true(weir_type_name_valid(BYTES("account.debited-v2")));
}

static void names(void **state)
{
    (void)state;
    check_limit(weir_name_valid, 64);
    check_bytes(weir_name_valid, LETTERS, LETTERS DIGITS "_-");
    assert_false(weir_name_valid(BYTES("pay.ments")));
}

static void ids(void **state)
{
    (void)state;
    check_limit(weir_id_valid, 128);
    for (int byte = 0; byte < 256; byte++) {
        const char bytes[3] = {'a', (char)byte, 'b'};
        bool refused = byte <= ' ' || byte == 0x7F || strchr("{}/\"\\", byte) != NULL;
        assert_int_equal(weir_id_valid(bytes, 3), !refused);
        assert_int_equal(weir_id_valid(bytes + 1, 1), !refused);
    }
    assert_true(weir_id_valid(BYTES("01HF-7\xC3\xA9:c7")));
    assert_false(weir_id_valid(BYTES("a\0b")));
}

static void logins_are_hidden_and_nothing_else(void **state)
{
    static const struct {
        const char *sentence, *shown;
        bool cut;
    } cases[] = {
        {"no URL: a@b", "no URL: a@b", false},
        {"redis://ann:pw@host/1 is away", "redis://@host/1 is away", false},
        {"redis://ann:p@w@host is away", "redis://@host is away", false},
        {"unix:///a.sock wants a password, as unix://user:password@/a.sock, b@c",
         "unix:///a.sock wants a password, as unix://user:password@/a.sock, b@c", false},
        {"'redis://ann:p w'x@host' is no file; mail a@b", "'redis://@host' is no file; mail a@b",
         false},
        {"rediss://ann:pw@host and redis://bob:pw@host", "rediss://@host and redis://@host", false},
        {"\"redis-sentinel://ann:pw", "\"redis-sentinel://", true},
        {"redis://host:7 is", "redis://host:7 is", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sentence[128];
        snprintf(sentence, sizeof sentence, "%s", cases[i].sentence);
        weir_hide_login(sentence, cases[i].cut);
        assert_string_equal(sentence, cases[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_by_bytes),
        cmocka_unit_test(an_empty_text_holds_no_memory),
        cmocka_unit_test(text_grows_and_stays_terminated),
        cmocka_unit_test(text_keeps_nul_bytes),
        cmocka_unit_test(format_fills_to_the_last_byte),
        cmocka_unit_test(clear_keeps_the_memory),
        cmocka_unit_test(failure_stays_and_loses_nothing),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(json_replaces_what_is_not_utf8),
        cmocka_unit_test(json_and_utf8_agree_with_jansson),
        cmocka_unit_test(utf8_agrees_with_jansson_on_all_pairs),
        cmocka_unit_test(utf8_refuses_the_known_traps),
        cmocka_unit_test(digits_are_those_of_printf),
        cmocka_unit_test(integers_in_range),
        cmocka_unit_test(integers_out_of_range),
        cmocka_unit_test(integers_of_another_form),
        cmocka_unit_test(integer_reads_no_further_than_its_length),
        cmocka_unit_test(integers_agree_with_strtoll),
        cmocka_unit_test(durations_by_unit),
        cmocka_unit_test(durations_end_at_ten_years),
        cmocka_unit_test(durations_of_another_form),
        cmocka_unit_test(type_names),
        cmocka_unit_test(names),
        cmocka_unit_test(ids),
        cmocka_unit_test(logins_are_hidden_and_nothing_else),
    };
    printf("seed %" PRIu64 "\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
