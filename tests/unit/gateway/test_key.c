/* Idempotency keys: which texts are some, and what their records tell apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/key.h"
#include "gateway/problem.h"

static void expect_key(const char *header, const char *wanted)
{
    char key[KEY_MAX];
    bool taken = key_read(header, key);
    if (taken != (wanted != NULL))
        fail_msg("'%s' %s", header, taken ? "is taken" : "is refused");
    if (wanted)
        assert_string_equal(key, wanted);
}

static void keys_are_bare_or_in_quotes(void **state)
{
    char longest[KEY_MAX + 1];
    (void)state;
    expect_key("8e03978e-40d5-43dd", "8e03978e-40d5-43dd");
    expect_key("\"8e03978e-40d5-43dd\"", "8e03978e-40d5-43dd");
    expect_key("\"a b\"", "a b");
    expect_key("\"a\\\"\\\\b\"", "a\"\\b");
    expect_key("{x}:*", "{x}:*");
    expect_key("", NULL);
    expect_key("\"\"", NULL);
    expect_key("a b", NULL);
    expect_key("\"", NULL);
    expect_key("\"a", NULL);
    expect_key("a\"", NULL);
    expect_key("\"a\"b\"", NULL);
    expect_key("\"a\\\"", NULL);
    expect_key("\"a\\n\"", NULL);
    expect_key("a\tb", NULL);
    expect_key("\"a\nb\"", NULL);
    expect_key("\xc3\xa4", NULL);
    memset(longest, 'k', sizeof(longest));
    longest[KEY_MAX - 1] = '\0';
    expect_key(longest, longest);
    longest[KEY_MAX - 1] = 'k';
    longest[KEY_MAX] = '\0';
    expect_key(longest, NULL);
}

static void routes_have_their_own_keys(void **state)
{
    char one[RECORD_KEY_MAX], other[RECORD_KEY_MAX];
    (void)state;
    key_record_name("orders", "k", one);
    key_record_name("payments", "k", other);
    assert_string_equal(one, "key:orders:k");
    assert_string_not_equal(one, other);
}

static void write(const char *id, const char *body, char *record)
{
    json_t *json = json_loads(body, 0, NULL);
    assert_non_null(json);
    assert_true(key_record_write(id, json, record));
    json_decref(json);
}

static void records_tell_bodies_apart(void **state)
{
    char one[RECORD_MAX], same[RECORD_MAX], other[RECORD_MAX], id[129];
    (void)state;
    write("first", "{\"a\":1,\"b\":{\"c\":2}}", one);
    write("second", "{ \"b\":{\"c\":2}, \"a\":1 }", same);
    assert_true(key_record_same(one, same, id));
    assert_string_equal(id, "first"); /* that of the record which was found */
    write("first", "{\"a\":2,\"b\":{\"c\":2}}", other);
    assert_false(key_record_same(one, other, id));
    write("first", "{\"a\":\"1\",\"b\":{\"c\":2}}", other);
    assert_false(key_record_same(one, other, id));
    write("first", "{\"a\":1}", other);
    assert_false(key_record_same(one, other, id));
}

static void foreign_records_are_of_no_body(void **state)
{
    char ours[RECORD_MAX], id[129];
    (void)state;
    write("first", "{}", ours);
    assert_false(key_record_same("", ours, id));
    assert_false(key_record_same("first", ours, id));
    assert_false(key_record_same(strchr(ours, ' '), ours, id)); /* no id */
    char odd[RECORD_MAX + 200];
    snprintf(odd, sizeof(odd), "%0130d%s", 0, strchr(ours, ' '));
    assert_false(key_record_same(odd, ours, id));
    snprintf(odd, sizeof(odd), "a{b%s", strchr(ours, ' '));
    assert_false(key_record_same(odd, ours, id));
}

static void long_ids_fit_into_records(void **state)
{
    char record[RECORD_MAX], long_id[129], id[129];
    (void)state;
    memset(long_id, 'x', 128);
    long_id[128] = '\0';
    write(long_id, "{}", record);
    assert_true(key_record_same(record, record, id));
    assert_string_equal(id, long_id);
}

/* ---- Problems ------------------------------------------------------------------------------ */

static void problems_are_whole(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        const struct problem_kind *kind = problem_kind((enum problem)i);
        assert_ptr_equal(problem_named(kind->name), kind);
        assert_in_range(kind->status, 400, 599);
        assert_true(strlen(kind->title) > 0 && strlen(kind->about) > 0);
        assert_int_equal(kind->retry_after_s > 0, kind->status == 503);
    }
    assert_null(problem_named("nonsense"));
}

static void problems_are_json(void **state)
{
    (void)state;
    char *text = problem_text(PROBLEM_REFUSED, "no \"money\"\n", "amount", NULL);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "type")), "/problems/refused");
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 409);
    assert_string_equal(json_string_value(json_object_get(json, "detail")), "no \"money\"\n");
    assert_string_equal(json_string_value(json_object_get(json, "field")), "amount");
    assert_null(json_object_get(json, "orderId"));
    json_decref(json);
    free(text);
    text = problem_text(PROBLEM_BUSY, "x", NULL, "o1");
    assert_non_null(strstr(text, "\"orderId\":\"o1\""));
    assert_null(strstr(text, "field"));
    free(text);
    text = problem_text(PROBLEM_MALFORMED, "a\xc3", "\xff", NULL); /* cut, or never a text */
    assert_non_null(text);
    assert_non_null(strstr(text, "\"detail\":\"a?\",\"field\":\"?\""));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_bare_or_in_quotes),
        cmocka_unit_test(routes_have_their_own_keys),
        cmocka_unit_test(records_tell_bodies_apart),
        cmocka_unit_test(foreign_records_are_of_no_body),
        cmocka_unit_test(long_ids_fit_into_records),
        cmocka_unit_test(problems_are_whole),
        cmocka_unit_test(problems_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
