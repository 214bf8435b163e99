/* JSON read in one pass: what it takes, what it leaves to the parser, and that both agree. */
#include "message/plain_json.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"

#define ROUNDS 60000
#define DEPTH 4

/* Its fields are the object's, one after the other; what was lent stays so, and can be mended. */
static void look_checked(char *copy, size_t length, json_t *plain)
{
    char *before = malloc(length);
    const char *name;
    json_t *wanted, *again;
    memcpy(before, copy, length);
    json_object_foreach(plain, name, wanted)
    {
        struct weir_value value = weir_plain_json_lend(copy, length, name);
        assert_int_equal(value.kind, json_is_string(wanted)    ? WEIR_VALUE_TEXT
                                     : json_is_integer(wanted) ? WEIR_VALUE_INTEGER
                                                               : WEIR_VALUE_OTHER);
        if (value.kind == WEIR_VALUE_TEXT)
            assert_string_equal(value.text.at, json_string_value(wanted));
        if (value.kind == WEIR_VALUE_INTEGER)
            assert_int_equal(value.integer, json_integer_value(wanted));
    }
    assert_int_equal(weir_plain_json_lend(copy, length, "no such").kind, WEIR_VALUE_ABSENT);
    again = weir_plain_json_lent(copy, length);
    assert_true(json_equal(plain, again));
    weir_plain_json_mend(copy, length);
    assert_memory_equal(copy, before, length);
    json_decref(again);
    free(before);
}

/* Of a copy of just this size, so that a read beyond it is seen by the tools. Where something comes
 * out it is what the parser makes of it, in the same order. */
static json_t *read_checked(const char *bytes, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1), *one, *other;
    json_t *plain, *parsed;
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    plain = weir_plain_json(copy, length, DEPTH);
    parsed = json_loadb(copy, length, JSON_REJECT_DUPLICATES, NULL);
    if (weir_plain_json_fits(copy, length, DEPTH) != (plain != NULL))
        fail_msg("'%.*s' was read, and does not fit, or the other way round", (int)length, bytes);
    if (plain != NULL)
        look_checked(copy, length, plain);
    free(copy);
    if (plain != NULL) {
        one = json_dumps(plain, JSON_COMPACT);
        other = json_dumps(parsed, JSON_COMPACT);
        assert_non_null(one);
        if (other == NULL || strcmp(one, other) != 0)
            fail_msg("'%.*s' was read as %s", (int)length, bytes, one);
        assert_true(json_equal(plain, parsed));
        free(one);
        free(other);
    }
    json_decref(parsed);
    return plain;
}

/* Writes what the parser has made of a text; where something comes out it is what jansson writes.
 */
static bool write_checked(const char *bytes, size_t length)
{
    json_t *parsed = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    char *text = weir_plain_json_text(parsed), *wanted = json_dumps(parsed, JSON_COMPACT);
    bool written = text != NULL;
    if (written)
        assert_string_equal(text, wanted);
    free(text);
    free(wanted);
    json_decref(parsed);
    return written;
}

static void takes_the_usual(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        " {\t\"a\" : [ ] , \"b\":\r\n{ } } ",
        "{\"b\":1,\"a\":\"text\",\"\":[true,false,null,\"\",{\"a\":0}]}",
        "{\"a\":-1,\"b\":-0,\"c\":999999999999999999,\"d\":-999999999999999999}",
        "{\"\xC3\xA9\":\"\xF0\x9F\x98\x80\x7f\"}",
        "{\"a\":[[[1]]]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *object = read_checked(texts[i], strlen(texts[i]));
        if (object == NULL)
            fail_msg("'%s' was left to the parser", texts[i]);
        json_decref(object);
    }
}

/* Well-formed or not: the parser is to say so. */
static void leaves_the_rest(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "1",
        "{",
        "{}x",
        "{}{}",
        "{\"a\":1,}",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":2,\"a\":{}}",
        "{\"a\":\"\\n\"}",
        "{\"a\\u0062\":1}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xED\xA0\x80\"}",
        "{\"a\":\"",
        "{\"a",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":- 1}",
        "{\"a\":+1}",
        "{\"a\":1.5}",
        "{\"a\":1e5}",
        "{\"a\":1000000000000000000}",
        "{\"a\":99999999999999999999}",
        "{\"a\":truex}",
        "{\"a\":tru",
        "{\"a\":[[[[1]]]]}",
        "{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (read_checked(texts[i], strlen(texts[i])) != NULL)
            fail_msg("'%s' was taken", texts[i]);
    assert_null(read_checked("{}\0", 3));
    assert_null(read_checked("{\"a\0\":1}", 8));
}

static void writes_the_usual(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[[],{},[{}],{\"a\":[]}]",
        "{\"b\":1,\"a\":\"text\",\"\":[true,false,null,\"\",{\"a\":0}]}",
        "{\"a\":-9223372036854775808,\"b\":9223372036854775807}",
        "{\"\xC3\xA9\":\"\xF0\x9F\x98\x80\x7f/\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!write_checked(texts[i], strlen(texts[i])))
            fail_msg("'%s' was left to jansson", texts[i]);
}

static void leaves_what_takes_more_to_write(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"a\":1.5}", "{\"a\":\"\\n\"}", "{\"a\":\"\\\\\"}", "{\"\\\"\":1}", "[\"\\u0001\"]",
    };
    json_t *circle = json_array();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(write_checked(texts[i], strlen(texts[i])));
    assert_null(weir_plain_json_text(NULL));
    json_array_append_new(circle, json_pack("[O]", circle));
    assert_null(weir_plain_json_text(circle));
    json_array_clear(circle);
    json_decref(circle);
    circle = json_array();
    json_array_append_new(circle, json_stringn_nocheck("\xff", 1));
    assert_null(weir_plain_json_text(circle));
    json_decref(circle);
}

static void leaves_long_names(void **state)
{
    (void)state;
    char text[300];
    for (size_t length = 254; length <= 257; length++) {
        json_t *object;
        memset(text, 'n', sizeof text);
        memcpy(text, "{\"", 2);
        memcpy(text + 2 + length, "\":1}", 4);
        object = read_checked(text, length + 6);
        assert_int_equal(object != NULL, length <= 255);
        json_decref(object);
    }
}

static size_t random_document(struct weir_random *random, char *out, size_t limit)
{
    static const char *const pieces[] = {
        "{",     "}",    "[", "]",  "\"a\":", "\"b\":", "\"c\":", "1",        "-20",  "0",
        "\"x\"", "\"\"", ",", ",",  ":",      " ",      "\"",     "\xC3\xA9", "true", "false",
        "null",  "\t",   "-", ".5", "\\n",    "e1",     "\x01",   "\xff"};
    size_t length = 0, count = weir_random_below(random, 12);
    length += (size_t)snprintf(out, limit, "{\"k\":");
    for (size_t i = 0; i < count; i++) {
        size_t which = weir_random_below(random, sizeof pieces / sizeof pieces[0]);
        size_t more = strlen(pieces[which]);
        memcpy(out + length, pieces[which], more);
        length += more;
    }
    out[length++] = '}';
    return length;
}

static void agrees_with_the_parser(void **state)
{
    (void)state;
    struct weir_random random;
    const char *wish = getenv("WEIR_TEST_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 10) : 20261128;
    size_t taken = 0, written = 0;
    print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
    weir_random_init(&random, seed);
    for (int round = 0; round < ROUNDS; round++) {
        char bytes[128];
        size_t length = random_document(&random, bytes, sizeof bytes);
        json_t *object = read_checked(bytes, length);
        taken += object != NULL;
        json_decref(object);
        written += write_checked(bytes, length);
    }
    assert_true(taken > 100 && written > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_usual),
        cmocka_unit_test(leaves_the_rest),
        cmocka_unit_test(leaves_long_names),
        cmocka_unit_test(writes_the_usual),
        cmocka_unit_test(leaves_what_takes_more_to_write),
        cmocka_unit_test(agrees_with_the_parser),
    };
    return cmocka_run_group_tests_name("plain_json", tests, NULL, NULL);
}
