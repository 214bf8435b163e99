/* The data of commands: by map, or the whole. */
#include <stdlib.h>

#include "saga/input_map.h"
#include "scenario.h"

#define DATA "{\"orderId\":\"o1\",\"place\":{\"shelf\":7,\"a b\":null},\"list\":[1]}"

static struct scenario with_input(const char *input)
{
    struct scenario s = {.now = SCENARIO_START};
    struct weir_error error = {0};
    struct weir_text json = {0};
    weir_text_append_string(&json, "{\"name\":\"n\",\"version\":1,\"steps\":["
                                   "{\"name\":\"a\",\"service\":\"x\",\"command\":\"C\"},"
                                   "{\"name\":\"b\",\"service\":\"x\",\"command\":\"C\"");
    if (input != NULL)
        weir_text_format(&json, ",\"input\":%s", input);
    weir_text_append_string(&json, "}]}");
    s.definition = weir_saga_definition_parse(json.at, json.length, &error);
    if (s.definition == NULL)
        fail_msg("%s", error.text);
    weir_text_close(&json);
    assert_int_equal(weir_saga_init(&s.saga, s.definition), WEIR_OK);
    scenario_start(&s);
    return s;
}

/* What b's command carries, or the error's sentence; `result` is a's. */
static void assert_built(const char *input, const char *data, const char *result, size_t limit,
                         const char *expected)
{
    struct scenario s = with_input(input);
    struct weir_error error = {0};
    if (result != NULL) {
        struct weir_saga_input reply = scenario_reply(WEIR_STEP_EXECUTE, 'a', 1, SUCCEEDED);
        reply.result = result;
        scenario_input(&s, reply);
    }
    char *built = weir_input_build(s.definition, 1, &s.saga, data, limit, &error);
    assert_string_equal(built != NULL ? built : error.text, expected);
    assert_int_equal(built == NULL, error.status != WEIR_OK);
    free(built);
    scenario_close(&s);
}

static void the_whole(void **state)
{
    (void)state;
    assert_built(NULL, "{}", NULL, 100, "{\"steps\":{}}");
    assert_built(NULL, "{\"x\":1}", "{\"n\":2}", 100, "{\"x\":1,\"steps\":{\"a\":{\"n\":2}}}");
}

static void by_map(void **state)
{
    (void)state;
    assert_built("{\"id\":\"$.orderId\",\"shelf\":\"$.place.shelf\",\"none\":\"$.place.a b\","
                 "\"list\":\"$.list\"}",
                 DATA, NULL, 1000, "{\"id\":\"o1\",\"shelf\":7,\"none\":null,\"list\":[1]}");
    assert_built("{\"all\":\"$\"}", "{\"x\":1}", NULL, 1000, "{\"all\":{\"x\":1}}");
    assert_built("{\"a\":\"$.steps.a\",\"n\":\"$.steps.a.n.m\",\"x\":\"$.x\"}", "{\"x\":1}",
                 "{\"n\":{\"m\":3}}", 1000, "{\"a\":{\"n\":{\"m\":3}},\"n\":3,\"x\":1}");
}

/* The data of a saga's hash may have been written by hand. */
static void the_whole_of_data_with_blanks(void **state)
{
    (void)state;
    assert_built(NULL, "{ }", NULL, 1000, "{\"steps\":{}}");
    assert_built(NULL, "{\n}\n", NULL, 1000, "{\"steps\":{}}");
    assert_built(NULL, "{ \"x\": 1 } \n", "{}", 1000, "{ \"x\": 1,\"steps\":{\"a\":{}}}");
    static const char *const wrong[] = {"{", "}", "  }", "{]", "[]", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_built(NULL, wrong[i], NULL, 1000, "input: the saga's data is not a JSON object");
}

static void missing_paths(void **state)
{
    (void)state;
    assert_built("{\"id\":\"$.orderID\"}", DATA, NULL, 1000,
                 "input: field id: $.orderID leads to nothing");
    assert_built("{\"id\":\"$.orderId.x\"}", DATA, NULL, 1000,
                 "input: field id: $.orderId.x leads to nothing");
    assert_built("{\"id\":\"$.list.0\"}", DATA, NULL, 1000,
                 "input: field id: $.list.0 leads to nothing");
    assert_built("{\"id\":\"$.steps.a.id\"}", DATA, "{\"n\":1}", 1000,
                 "input: field id: $.steps.a.id leads to nothing");
    assert_built("{\"id\":\"$.steps.a\"}", DATA, NULL, 1000,
                 "input: field id: $.steps.a leads to nothing");
}

static void limits(void **state)
{
    (void)state;
    assert_built("{\"id\":\"$.orderId\"}", DATA, NULL, 11, "{\"id\":\"o1\"}");
    assert_built("{\"id\":\"$.orderId\"}", DATA, NULL, 10,
                 "input: the data would be over 10 bytes");
    assert_built(NULL, DATA, NULL, 10, "input: the data would be over 10 bytes");
    struct scenario s = with_input(NULL);
    struct weir_error error = {0};
    assert_null(weir_input_build(s.definition, 1, &s.saga, DATA, 10, &error));
    assert_int_equal(error.status, WEIR_TOO_LARGE);
    scenario_close(&s);
}

static void what_is_not_json(void **state)
{
    (void)state;
    assert_built("{\"id\":\"$.orderId\"}", "{", NULL, 1000, "input: the saga's data is not JSON");
    assert_built("{\"id\":\"$.steps.a.id\"}", "{}", "{", 1000, "input: $.steps.a.id is not JSON");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole),        cmocka_unit_test(by_map),
        cmocka_unit_test(missing_paths),    cmocka_unit_test(limits),
        cmocka_unit_test(what_is_not_json), cmocka_unit_test(the_whole_of_data_with_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
