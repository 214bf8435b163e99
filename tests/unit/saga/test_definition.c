/* Saga definitions: what is read from them and what is refused, case by case from
 * tests/cases/definition (input.json and expected.txt in each folder), then limits and graphs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "cases.h"
#include "saga/definition.h"
#include "saga/input_map.h"

static void append_names(struct weir_text *out, const struct weir_saga_definition *definition,
                         const char *title, uint64_t set)
{
    weir_text_format(out, " %s", title);
    for (size_t i = 0; i < definition->step_count; i++) {
        if (set & UINT64_C(1) << i)
            weir_text_format(out, " %s", definition->steps[i].name);
    }
}

static void append_input(struct weir_text *out, const struct weir_input_map *input)
{
    weir_text_append_string(out, "; input");
    for (size_t i = 0; i < input->count; i++) {
        const struct weir_input_path *path = &input->paths[i];
        weir_text_format(out, " %s = %s", path->field,
                         path->step_name != NULL ? path->step_name : "data");
        for (size_t at = 0; at < path->segment_count; at++)
            weir_text_format(out, "/%s", path->segments[at]);
    }
}

static void append_step(struct weir_text *out, const struct weir_saga_definition *definition,
                        const struct weir_step_definition *step)
{
    if (step->signal != NULL)
        weir_text_format(out, "%s: waits for %s;", step->name, step->signal);
    else
        weir_text_format(out, "%s: %s %s, undone by %s;", step->name, step->service, step->command,
                         step->compensation == NULL ? "nothing" : step->compensation);
    weir_text_format(out, " kind %u, timeout %lld, attempts %u, backoff %lld;",
                     (unsigned)step->kind, (long long)step->timeout_ms, step->attempts,
                     (long long)step->backoff_ms);
    append_names(out, definition, "after", step->after);
    append_names(out, definition, "before", step->before);
    if (step->input != NULL)
        append_input(out, step->input);
    if (weir_durability_wanted(step->durability)) {
        char need[WEIR_DURABILITY_TEXT_MAX];
        weir_text_format(out, "; durability %s", weir_durability_write(step->durability, need));
    }
    weir_text_append_string(out, "\n");
}

/* The definition as the cases write it down, or the error's sentence. */
static struct weir_text render(const char *json, size_t length)
{
    struct weir_text out = {0};
    struct weir_error error = {0};
    struct weir_saga_definition *definition = weir_saga_definition_parse(json, length, &error);
    if (definition == NULL) {
        weir_text_format(&out, "%s: %s\n", weir_status_text(error.status), error.text);
        return out;
    }
    weir_text_format(&out, "%s version %lld, timeout %lld\n", definition->name,
                     (long long)definition->version, (long long)definition->timeout_ms);
    for (size_t i = 0; i < definition->step_count; i++)
        append_step(&out, definition, &definition->steps[i]);
    weir_saga_definition_free(definition);
    return out;
}

static bool case_holds(const char *folder)
{
    size_t length;
    char *input = case_file(folder, "input.json", &length);
    char *expected = case_file(folder, "expected.txt", NULL);
    struct weir_text found = render(input, length);
    bool holds = strcmp(found.at, expected) == 0;
    if (!holds)
        print_error("%s\nexpected %sfound    %s", folder, expected, found.at);
    weir_text_close(&found);
    free(input);
    free(expected);
    return holds;
}

static void every_case(void **state)
{
    (void)state;
    assert_true(cases_that_hold("tests/cases/definition", case_holds) >= 90);
}

static struct weir_saga_definition *parse(const char *json)
{
    struct weir_error error = {0};
    struct weir_saga_definition *definition =
        weir_saga_definition_parse(json, strlen(json), &error);
    if (definition == NULL)
        fail_msg("%s", error.text);
    return definition;
}

static struct weir_text many_steps(unsigned count)
{
    struct weir_text json = {0};
    weir_text_append_string(&json, "{\"name\":\"many\",\"version\":1,\"steps\":[");
    for (unsigned i = 0; i < count; i++)
        weir_text_format(&json, "%s{\"name\":\"s%u\",\"service\":\"x\",\"command\":\"C\"}",
                         i == 0 ? "" : ",", i);
    weir_text_append_string(&json, "]}");
    return json;
}

static void number_of_steps(void **state)
{
    (void)state;
    struct weir_text json = many_steps(WEIR_SAGA_STEPS_MAX);
    struct weir_saga_definition *definition = parse(json.at);
    assert_int_equal(definition->step_count, WEIR_SAGA_STEPS_MAX);
    assert_int_equal(definition->steps[63].after, UINT64_C(1) << 62);
    assert_int_equal(weir_saga_definition_ancestors(definition, UINT64_C(1) << 63),
                     UINT64_MAX >> 1);
    weir_saga_definition_free(definition);
    weir_text_close(&json);

    json = many_steps(WEIR_SAGA_STEPS_MAX + 1);
    struct weir_text found = render(json.at, json.length);
    assert_non_null(strstr(found.at, "steps: must be an array of 1 to 64 steps, not [{"));
    weir_text_close(&found);
    weir_text_close(&json);
}

/* Blanks behind the document count: the limit is on what is handed over. */
static void size_limit(void **state)
{
    (void)state;
    struct weir_text json = many_steps(1);
    while (json.length < WEIR_SAGA_DEFINITION_MAX)
        weir_text_append_string(&json, " ");
    weir_saga_definition_free(parse(json.at));
    weir_text_append_string(&json, " ");
    struct weir_error error = {0};
    assert_null(weir_saga_definition_parse(json.at, json.length, &error));
    assert_int_equal(error.status, WEIR_TOO_LARGE);
    assert_string_equal(error.text, "must be 262144 bytes at most, not 262145");
    weir_text_close(&json);
}

/* Every sentence is one terminated line and leaves the error optional. */
static void every_beginning_of_a_definition(void **state)
{
    (void)state;
    struct weir_text json = many_steps(3);
    for (size_t length = 0; length < json.length; length++) {
        struct weir_error error = {0};
        assert_null(weir_saga_definition_parse(json.at, length, &error));
        assert_int_equal(error.status, WEIR_INVALID);
        assert_null(strchr(error.text, '\n'));
        assert_null(weir_saga_definition_parse(json.at, length, NULL));
    }
    weir_text_close(&json);
}

static void nesting(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    char *json = malloc(DEPTH);
    assert_non_null(json);
    memset(json, '[', DEPTH);
    struct weir_error error = {0};
    assert_null(weir_saga_definition_parse(json, DEPTH, &error));
    assert_int_equal(error.status, WEIR_INVALID);
    free(json);
}

static void steps_by_name(void **state)
{
    (void)state;
    struct weir_text json = many_steps(12);
    struct weir_saga_definition *definition = parse(json.at);
    assert_int_equal(weir_saga_definition_step(definition, "s1", 2), 1);
    assert_int_equal(weir_saga_definition_step(definition, "s11", 3), 11);
    assert_int_equal(weir_saga_definition_step(definition, "s11", 2), 1);
    assert_int_equal(weir_saga_definition_step(definition, "s", 1), -1);
    assert_int_equal(weir_saga_definition_step(definition, "", 0), -1);
    assert_int_equal(weir_saga_definition_step(definition, "s1\0", 3), -1);
    weir_saga_definition_free(definition);
    weir_text_close(&json);
}

static void ancestors(void **state)
{
    (void)state;
    struct weir_saga_definition *definition =
        parse("{\"name\":\"n\",\"version\":1,\"steps\":["
              "{\"name\":\"a\",\"service\":\"x\",\"command\":\"C\",\"after\":[\"c\"]},"
              "{\"name\":\"b\",\"service\":\"x\",\"command\":\"C\",\"after\":[\"c\"]},"
              "{\"name\":\"c\",\"service\":\"x\",\"command\":\"C\",\"after\":[]},"
              "{\"name\":\"d\",\"service\":\"x\",\"command\":\"C\",\"after\":[\"a\",\"b\"]}]}");
    assert_int_equal(weir_saga_definition_ancestors(definition, 0), 0);
    assert_int_equal(weir_saga_definition_ancestors(definition, 4), 0);
    assert_int_equal(weir_saga_definition_ancestors(definition, 1), 4);
    assert_int_equal(weir_saga_definition_ancestors(definition, 8), 7);
    assert_int_equal(weir_saga_definition_ancestors(definition, 12), 7);
    weir_saga_definition_free(definition);
    weir_saga_definition_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case), cmocka_unit_test(number_of_steps),
        cmocka_unit_test(size_limit), cmocka_unit_test(every_beginning_of_a_definition),
        cmocka_unit_test(nesting),    cmocka_unit_test(steps_by_name),
        cmocka_unit_test(ancestors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
