/* JSON objects from outside: what is taken, what is refused, and that nothing overruns. */
#include "message/envelope.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"

#define ROUNDS 60000

/* A string literal with its length, so that NUL bytes inside count. */
#define BYTES(literal) ("" literal), (sizeof(literal) - 1)

/* A copy of just this size, so that a read beyond it is seen by the tools. */
static json_t *parse(const char *bytes, size_t length, struct weir_error *error)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    json_t *object = weir_object_parse(copy, length, WEIR_DATA_DEPTH_MAX, error);
    free(copy);
    return object;
}

static void check_refused(const char *bytes, size_t length, const char *wanted)
{
    struct weir_error error = {0};
    json_t *object = parse(bytes, length, &error);
    if (object != NULL)
        fail_msg("'%.*s' was taken", (int)length, bytes);
    assert_int_equal(error.status, WEIR_INVALID);
    if (strncmp(error.text, wanted, strlen(wanted)) != 0)
        fail_msg("'%.*s': %s", (int)length, bytes, error.text);
    assert_null(strchr(error.text, '\n'));
}

static void check_taken(const char *bytes, size_t length)
{
    struct weir_error error = {0};
    json_t *object = parse(bytes, length, &error);
    if (object == NULL)
        fail_msg("'%.*s': %s", (int)length, bytes, error.text);
    assert_true(json_is_object(object));
    assert_int_equal(error.status, WEIR_OK);
    json_decref(object);
}

/* What cannot be read is somebody's data all the same: no sentence repeats it. */
static void no_sentence_quotes_the_data(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"a\":hush}",
        "{\"a\":\"hush\n\"}",
        "{\"hush\":1,\"hush\":2}",
        "{\"a\":1} hush",
        "hush",
        "{\"a\":\"hush\\q\"}",
        "{\"a\" \"hush\"}",
        "[\"hush\"]",
        "{\"a\":\"hush near x\" y}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct weir_error error = {0};
        assert_null(parse(texts[i], strlen(texts[i]), &error));
        assert_string_not_equal(error.text, "");
        if (strstr(error.text, "hush") != NULL)
            fail_msg("'%s': %s", texts[i], error.text);
    }
}

static void takes_objects(void **state)
{
    (void)state;
    check_taken(BYTES("{}"));
    check_taken(BYTES(" \r\n\t{ } \n"));
    check_taken(BYTES("{\"a\":[1,-2.5,true,null,{\"a\":\"\\u00e9\"}],\"\":0}"));
    check_taken(BYTES("{\"a\":9223372036854775807,\"b\":-9223372036854775808}"));
    check_taken(BYTES("{\"\xC3\xA9\":\"\xF0\x9F\x98\x80\"}"));
    check_taken(BYTES("{\"a\":\"{[{[\\\"{[\\\\\",\"b\":\"]}\"}"));
}

static void refuses_what_is_no_object(void **state)
{
    (void)state;
    check_refused(BYTES("[]"), "not a JSON object");
    check_refused(BYTES("[{}]"), "not a JSON object");
    check_refused(BYTES(""), "not valid JSON: ");
    check_refused(BYTES("null"), "not valid JSON: ");
    check_refused(BYTES("\"{}\""), "not valid JSON: ");
    check_refused(BYTES("17"), "not valid JSON: ");
}

static void refuses_what_is_not_strict(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {BYTES("{")},
        {BYTES("}")},
        {BYTES("{}}")},
        {BYTES("{}{}")},
        {BYTES("{} x")},
        {BYTES("{a:1}")},
        {BYTES("{'a':1}")},
        {BYTES("{\"a\":1,}")},
        {BYTES("{\"a\" 1}")},
        {BYTES("{\"a\":01}")},
        {BYTES("{\"a\":+1}")},
        {BYTES("{\"a\":.5}")},
        {BYTES("{\"a\":NaN}")},
        {BYTES("{\"a\":Infinity}")},
        {BYTES("{\"a\":1e999}")},
        {BYTES("{\"a\":0x10}")},
        {BYTES("{\"a\":9223372036854775808}")},
        {BYTES("{\"a\":-9223372036854775809}")},
        {BYTES("{\"a\":1,\"a\":1}")},
        {BYTES("{\"a\":1,\"\\u0061\":1}")},
        {BYTES("{\"a\":{\"b\":1,\"b\":2}}")},
        {BYTES("{\"a\":\"\\u0000\"}")},
        {BYTES("{\"\\u0000\":1}")},
        {BYTES("{\"a\":\"\0\"}")},
        {BYTES("{}\0")},
        {BYTES("\0{}")},
        {BYTES("{\"a\":\"\n\"}")},
        {BYTES("{\"a\":\"\x01\"}")},
        {BYTES("{\"a\":\"\xff\"}")},
        {BYTES("{\"a\":\"\xC0\xAF\"}")},
        {BYTES("{\"a\":\"\xED\xA0\x80\"}")},
        {BYTES("{\"a\":\"\\ud800\"}")},
        {BYTES("\xEF\xBB\xBF{}")},
        {BYTES("{\"a\":1}//")},
        {BYTES("{/**/}")},
        {BYTES("{\"a\":\"\\x\"}")},
        {BYTES("{\"a\":\"\\")},
        {BYTES("{\"a\":\"")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_refused(cases[i].bytes, cases[i].length, "not valid JSON: ");
}

/* An object that nests `depth` deep, of arrays or of objects. */
static size_t nest(char *out, size_t depth, bool arrays)
{
    size_t length = 0;
    length += (size_t)sprintf(out, "{\"a\":");
    for (size_t i = 1; i < depth; i++)
        length += (size_t)sprintf(out + length, arrays ? "[" : "{\"a\":");
    length += (size_t)sprintf(out + length, "1");
    for (size_t i = 1; i < depth; i++)
        out[length++] = arrays ? ']' : '}';
    out[length++] = '}';
    return length;
}

static void bounds_the_depth(void **state)
{
    (void)state;
    enum { DEEPEST = 200000 };
    char *text = malloc(6 * DEEPEST + 16);
    assert_non_null(text);
    for (int arrays = 0; arrays < 2; arrays++) {
        check_taken(text, nest(text, 1, arrays));
        check_taken(text, nest(text, WEIR_DATA_DEPTH_MAX, arrays));
        check_refused(text, nest(text, WEIR_DATA_DEPTH_MAX + 1, arrays),
                      "nested more than 64 deep");
        check_refused(text, nest(text, 1000, arrays), "nested more than 64 deep");
        check_refused(text, nest(text, DEEPEST, arrays), "nested more than 64 deep");
    }
    memset(text, '[', DEEPEST);
    check_refused(text, DEEPEST, "nested more than 64 deep");
    memset(text, ']', DEEPEST);
    check_refused(text, DEEPEST, "not valid JSON: ");
    free(text);
}

static void width_does_not_count_as_depth(void **state)
{
    (void)state;
    struct weir_text text = {0};
    weir_text_append_string(&text, "{\"a\":[[]");
    for (int i = 0; i < 1000; i++)
        weir_text_append_string(&text, ",[{}],\"[[[[{{{{\\\"[[[[\"");
    weir_text_append_string(&text, "]}");
    check_taken(text.at, text.length);
    weir_text_close(&text);
}

static size_t random_document(struct weir_random *random, char *out, size_t limit)
{
    static const char *const pieces[] = {
        "{",  "}",    "[",  "]",        "\"a\":", "\"b\":", "1",   "\"x\"",   ",",    " ", "\\",
        "\"", "\xff", "\n", "\xC3\xA9", "true",   "-",      "1e9", "\\u0000", "null", "'", "\x01",
    };
    size_t length = 1, count = weir_random_below(random, 14);
    out[0] = weir_random_below(random, 20) > 0 ? '{' : '[';
    for (size_t i = 0; i < count; i++) {
        size_t which = weir_random_below(random, sizeof pieces / sizeof pieces[0]);
        size_t more = strlen(pieces[which]);
        if (length + more > limit)
            break;
        memcpy(out + length, pieces[which], more);
        length += more;
    }
    return length;
}

/* Whatever comes: an object or a sentence of one printable line. */
static void answers_anything_with_an_object_or_a_sentence(void **state)
{
    (void)state;
    struct weir_random random;
    const char *wish = getenv("WEIR_TEST_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 10) : weir_random_seed() % 1000000000;
    size_t taken = 0;
    print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
    weir_random_init(&random, seed);
    for (int round = 0; round < ROUNDS; round++) {
        char bytes[128];
        struct weir_error error = {0};
        json_t *object = parse(bytes, random_document(&random, bytes, sizeof bytes), &error);
        taken += object != NULL;
        assert_int_equal(object == NULL, error.status == WEIR_INVALID);
        json_decref(object);
        for (const char *c = error.text; *c != '\0'; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f)
                fail_msg("round %d: a control character in: %s", round, error.text);
        if (!weir_utf8_valid(error.text, strlen(error.text)))
            fail_msg("round %d: not UTF-8: %s", round, error.text);
    }
    assert_true(taken > 10);
}

static void texts_of_any_bytes_become_json(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        const char *wanted;
        size_t wanted_length;
    } cases[] = {
        {"", 0, "", 0},
        {"plain \xc3\xb6", 8, "plain \xc3\xb6", 8},
        {"a\0b", 3, "a\0b", 3},
        {"a\xff", 2, "a\xef\xbf\xbd", 4},
        {"\xff\0\"\\", 4, "\xef\xbf\xbd\0\"\\", 6},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *text = weir_text_json((struct weir_slice){cases[i].bytes, cases[i].length});
        assert_int_equal(json_string_length(text), cases[i].wanted_length);
        assert_memory_equal(json_string_value(text), cases[i].wanted, cases[i].wanted_length);
        json_decref(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_any_bytes_become_json),
        cmocka_unit_test(no_sentence_quotes_the_data),
        cmocka_unit_test(takes_objects),
        cmocka_unit_test(refuses_what_is_no_object),
        cmocka_unit_test(refuses_what_is_not_strict),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(width_does_not_count_as_depth),
        cmocka_unit_test(answers_anything_with_an_object_or_a_sentence),
    };
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
