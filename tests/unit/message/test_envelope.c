/* What a message may be: each field's grammar, its limits, and what stands in it all the same when
 * another field is malformed. */
#include "message/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(literal)                                                                             \
    {                                                                                              \
        ("" literal), (sizeof(literal) - 1)                                                        \
    }
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct weir_error error;

static weir_message *read_parts(const struct weir_slice *parts, size_t count, size_t data_max)
{
    weir_message *message = weir_message_new("{s}:commands", "1-1", parts, count);
    assert_non_null(message);
    memset(&error, 0, sizeof error);
    enum weir_status status = weir_message_decode(message, data_max, 1, &error);
    assert_int_equal(status, error.status);
    return message;
}

/* A message of type T with one more field. */
static weir_message *read_with(const char *name, struct weir_slice value)
{
    const struct weir_slice parts[] = {BYTES("type"), BYTES("T"), weir_slice_of(name), value};
    return read_parts(parts, 4, WEIR_DATA_MAX_DEFAULT);
}

static void check_refused(const char *name, struct weir_slice value, const char *rule)
{
    weir_message *message = read_with(name, value);
    size_t length = strlen(name);
    if (error.status != WEIR_INVALID || strncmp(error.text, name, length) != 0 ||
        strncmp(error.text + length, ": ", 2) != 0 || strstr(error.text, rule) == NULL)
        fail_msg("%s '%.*s': %d %s", name, (int)value.length, value.at, (int)error.status,
                 error.text);
    assert_string_equal(message->type, "T");
    weir_message_free(message);
}

static void check_taken(const char *name, struct weir_slice value)
{
    weir_message *message = read_with(name, value);
    if (error.status != WEIR_OK)
        fail_msg("%s '%.*s': %s", name, (int)value.length, value.at, error.text);
    weir_message_free(message);
}

/* `length` bytes of 'a', terminated. */
static struct weir_slice letters(size_t length)
{
    static char text[1200];
    assert_true(length < sizeof text);
    memset(text, 'a', length);
    text[length] = '\0';
    return (struct weir_slice){text, length};
}

/* ---- Copying ------------------------------------------------------------------------------- */

static void copies_all_it_is_given(void **state)
{
    (void)state;
    char name[] = "ty\0pe", value[] = "va\0lue", entry[] = "9-9";
    const char *stream = "{s}:x";
    const struct weir_slice parts[] = {{name, 5}, {value, 6}, {"", 0}, {"", 0}, {"odd", 3}};
    weir_message *message = weir_message_new(stream, entry, parts, 5);
    assert_non_null(message);
    name[0] = value[0] = entry[0] = 'X';
    assert_ptr_equal(message->stream, stream);
    assert_string_equal(message->entry, "9-9");
    assert_int_equal(message->field_count, 2);
    assert_int_equal(message->fields[0].name.length, 5);
    assert_memory_equal(message->fields[0].name.at, "ty\0pe", 6);
    assert_memory_equal(message->fields[0].value.at, "va\0lue", 7);
    assert_string_equal(message->fields[1].value.at, "");
    weir_message_free(message);
    weir_message_free(NULL);
}

static void an_entry_may_have_no_fields(void **state)
{
    (void)state;
    weir_message *message = read_parts(NULL, 0, 10);
    assert_int_equal(error.status, WEIR_INVALID);
    assert_string_equal(error.text, "type: is missing");
    assert_null(weir_message_field(message, "type"));
    weir_message_free(message);
}

static void many_fields_are_no_problem(void **state)
{
    (void)state;
    enum { FIELDS = 5000 };
    static char names[FIELDS][16];
    struct weir_slice *parts = malloc(2 * FIELDS * sizeof *parts);
    assert_non_null(parts);
    for (size_t i = 0; i < FIELDS; i++) {
        snprintf(names[i], sizeof names[i], "f%zu", i);
        parts[2 * i] = parts[2 * i + 1] = weir_slice_of(names[i]);
    }
    parts[2 * (FIELDS - 1)] = (struct weir_slice)BYTES("type");
    weir_message *message = read_parts(parts, 2 * FIELDS, 10);
    assert_int_equal(error.status, WEIR_OK);
    assert_string_equal(message->type, "f4999");
    assert_int_equal(message->field_count, FIELDS);
    assert_string_equal(weir_message_field(message, "f4242")->value.at, "f4242");
    weir_message_free(message);
    free(parts);
}

static void unknown_fields_are_carried_and_not_judged(void **state)
{
    (void)state;
    check_taken("Type", (struct weir_slice)BYTES("\xff"));
    check_taken("type ", (struct weir_slice)BYTES(""));
    check_taken("", (struct weir_slice)BYTES("\0"));
    const struct weir_slice parts[] = {BYTES("type"), BYTES("T"), BYTES("x"),      BYTES("1"),
                                       BYTES("x"),    BYTES("2"), BYTES("type\0"), BYTES("U")};
    weir_message *message = read_parts(parts, 8, 10);
    assert_int_equal(error.status, WEIR_OK);
    assert_string_equal(message->type, "T");
    assert_string_equal(weir_message_field(message, "x")->value.at, "1");
    assert_null(weir_message_field(message, "y"));
    weir_message_free(message);
}

/* ---- Grammars ------------------------------------------------------------------------------ */

static void what_is_left_out_has_its_default(void **state)
{
    (void)state;
    const struct weir_slice parts[] = {BYTES("type"), BYTES("T")};
    weir_message *message = read_parts(parts, 2, 0);
    assert_int_equal(error.status, WEIR_OK);
    assert_null(message->id);
    assert_null(message->saga);
    assert_null(message->origin_stream);
    assert_int_equal(message->delay_ms, 0);
    assert_int_equal(message->attempt, 1);
    assert_int_equal(message->version, 1);
    assert_int_equal(message->data_version, 1);
    assert_int_equal(message->deliveries, 1);
    assert_true(json_is_object(weir_message_object(message)));
    assert_int_equal(json_object_size(weir_message_object(message)), 0);
    weir_message_free(message);
}

static void types(void **state)
{
    (void)state;
    static const struct weir_slice bad[] = {
        BYTES(""),   BYTES("1A"),  BYTES("_A"),   BYTES(".A"),        BYTES("A B"), BYTES("A/B"),
        BYTES("A:"), BYTES("A\n"), BYTES("A\0B"), BYTES("A\xC3\xA9"), BYTES("{A}"), BYTES("\xff"),
    };
    static const struct weir_slice good[] = {BYTES("A"), BYTES("a.B-c_9"), BYTES("Z.")};
    for (size_t i = 0; i < COUNT(bad) + 1; i++) {
        const struct weir_slice parts[] = {BYTES("type"), i < COUNT(bad) ? bad[i] : letters(129)};
        weir_message *message = read_parts(parts, 2, 10);
        assert_int_equal(error.status, WEIR_INVALID);
        assert_string_equal(error.text, "type: must be [A-Za-z][A-Za-z0-9._-]*, 128 bytes at most");
        assert_null(message->type);
        weir_message_free(message);
    }
    for (size_t i = 0; i < COUNT(good) + 1; i++) {
        const struct weir_slice parts[] = {BYTES("type"), i < COUNT(good) ? good[i] : letters(128)};
        weir_message *message = read_parts(parts, 2, 10);
        assert_int_equal(error.status, WEIR_OK);
        weir_message_free(message);
    }
}

static void ids(void **state)
{
    (void)state;
    static const struct weir_slice bad[] = {BYTES(""),     BYTES(" "),    BYTES("a b"),
                                            BYTES("a\n"),  BYTES("a\0b"), BYTES("\x7f"),
                                            BYTES("\xff"), BYTES("a\t"),  BYTES("\xC3")};
    static const struct weir_slice good[] = {BYTES("1"), BYTES("s/charge/execute#2"),
                                             BYTES("\xC3\xA9{}\"")};
    for (size_t i = 0; i < COUNT(bad); i++)
        check_refused("id", bad[i], "1 to 256 bytes");
    for (size_t i = 0; i < COUNT(good); i++)
        check_taken("id", good[i]);
    check_taken("id", letters(256));
    check_refused("id", letters(257), "1 to 256 bytes");
}

static void short_texts(void **state)
{
    (void)state;
    static const char *const names[] = {"source", "subject", "traceparent", "originStream",
                                        "originEntry"};
    for (size_t i = 0; i < COUNT(names); i++) {
        check_taken(names[i], (struct weir_slice)BYTES(""));
        check_taken(names[i], (struct weir_slice)BYTES("a b\n\xC3\xA9"));
        check_taken(names[i], letters(512));
        check_refused(names[i], letters(513), "512 bytes at most");
        check_refused(names[i], (struct weir_slice)BYTES("a\0b"), "UTF-8");
        check_refused(names[i], (struct weir_slice)BYTES("\xff"), "UTF-8");
        check_refused(names[i], (struct weir_slice)BYTES("\xED\xA0\x80"), "UTF-8");
    }
}

static void sagas_steps_and_actions(void **state)
{
    (void)state;
    static const struct weir_slice bad_sagas[] = {BYTES(""),    BYTES("a b"), BYTES("a/b"),
                                                  BYTES("{a"),  BYTES("a}"),  BYTES("a\n"),
                                                  BYTES("a\0"), BYTES("\x7f")};
    static const struct weir_slice bad_steps[] = {BYTES(""),        BYTES("1a"),   BYTES("a.b"),
                                                  BYTES("a/b"),     BYTES("a\0b"), BYTES("-a"),
                                                  BYTES("\xC3\xA9")};
    static const struct weir_slice bad_actions[] = {BYTES(""), BYTES("Execute"), BYTES("execute "),
                                                    BYTES("undo"), BYTES("execute\0")};
    for (size_t i = 0; i < COUNT(bad_sagas); i++)
        check_refused("saga", bad_sagas[i], "'/', '\"' and '\\'");
    for (size_t i = 0; i < COUNT(bad_steps); i++)
        check_refused("step", bad_steps[i], "64 bytes at most");
    for (size_t i = 0; i < COUNT(bad_actions); i++)
        check_refused("action", bad_actions[i], "must be execute or compensate");
    check_taken("saga", letters(128));
    check_refused("saga", letters(129), "1 to 128 bytes");
    check_taken("step", letters(64));
    check_refused("step", letters(65), "64 bytes at most");
    check_taken("action", (struct weir_slice)BYTES("execute"));
    check_taken("action", (struct weir_slice)BYTES("compensate"));
}

static void numbers(void **state)
{
    (void)state;
    static const struct weir_slice bad[] = {
        BYTES(""),
        BYTES("-1"),
        BYTES("1.5"),
        BYTES("01"),
        BYTES(" 1"),
        BYTES("1 "),
        BYTES("1\0"),
        BYTES("1e3"),
        BYTES("1s"),
        BYTES("+1"),
        BYTES("x"),
        BYTES("-0"),
        BYTES("9223372036854775808"),
        BYTES("315360000001"),
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        check_refused("delay", bad[i], "must be a whole number from 0 to 315360000000");
        check_refused("deliveries", bad[i], "must be a whole number from 0 to 1000000");
        check_refused("attempt", bad[i], "must be a whole number from 1 to 1000000");
        check_refused("version", bad[i], "must be a whole number from 1 to 1000000");
        check_refused("once", bad[i], "must be a whole number from 0 to 1");
    }
    check_refused("once", (struct weir_slice)BYTES("2"), "from 0 to 1");
    check_refused("attempt", (struct weir_slice)BYTES("0"), "from 1");
    check_refused("attempt", (struct weir_slice)BYTES("1000001"), "from 1");
    check_refused("version", (struct weir_slice)BYTES("0"), "from 1");
    check_refused("version", (struct weir_slice)BYTES("1000001"), "from 1");
    weir_message *message = read_with("delay", (struct weir_slice)BYTES("315360000000"));
    assert_int_equal(message->delay_ms, WEIR_DELAY_MAX_MS);
    weir_message_free(message);
    message = read_with("attempt", (struct weir_slice)BYTES("1000000"));
    assert_int_equal(message->attempt, 1000000);
    weir_message_free(message);
    message = read_with("version", (struct weir_slice)BYTES("1000000"));
    assert_int_equal(message->version, 1000000);
    assert_int_equal(message->data_version, 1000000);
    assert_false(message->once);
    weir_message_free(message);
    for (int once = 0; once < 2; once++) {
        message = read_with("once", weir_slice_of(once ? "1" : "0"));
        assert_int_equal(message->once, once);
        weir_message_free(message);
    }
}

static void deliveries_before_it_was_put_off_are_added(void **state)
{
    (void)state;
    const struct weir_slice parts[] = {BYTES("type"), BYTES("T"), BYTES("deliveries"), BYTES("3")};
    weir_message *message = weir_message_new("s", "1-1", parts, 4);
    assert_non_null(message);
    memset(&error, 0, sizeof error);
    assert_int_equal(weir_message_decode(message, 10, 2, &error), WEIR_OK);
    assert_int_equal(message->deliveries, 5);
    weir_message_free(message);
}

/* ---- Data ---------------------------------------------------------------------------------- */

static void data_has_to_be_an_object(void **state)
{
    (void)state;
    weir_message *message = read_with("data", (struct weir_slice)BYTES("{\"a\":[1]}"));
    assert_int_equal(error.status, WEIR_OK);
    assert_non_null(json_object_get(weir_message_object(message), "a"));
    weir_message_free(message);
    check_refused("data", (struct weir_slice)BYTES(""), "not valid JSON");
    check_refused("data", (struct weir_slice)BYTES("[]"), "not a JSON object");
    check_refused("data", (struct weir_slice)BYTES("{}\0"), "not valid JSON");
    check_refused("data", (struct weir_slice)BYTES("{\"a\":\"\\u0000\"}"), "not valid JSON");
    check_refused("data", (struct weir_slice)BYTES("{\"a\":1,\"a\":2}"), "not valid JSON");
}

static void data_is_bounded_in_size_and_depth(void **state)
{
    (void)state;
    char text[4096];
    const struct weir_slice parts[] = {BYTES("type"), BYTES("T"), BYTES("data"), {text, 1000}};
    memset(text, ' ', sizeof text);
    text[0] = '{';
    text[999] = '}';
    weir_message *message = read_parts(parts, 4, 1000);
    assert_int_equal(error.status, WEIR_OK);
    weir_message_free(message);
    message = read_parts(parts, 4, 999);
    assert_int_equal(error.status, WEIR_TOO_LARGE);
    assert_string_equal(error.text, "data: 1000 bytes, at most 999 are allowed");
    assert_null(weir_message_object(message));
    weir_message_free(message);
    memset(text, '[', sizeof text);
    check_refused("data", (struct weir_slice){text, 1000}, "nested more than 64 deep");
}

/* ---- Twice, and what stands all the same ----------------------------------------------------- */

static void known_fields_stand_once(void **state)
{
    (void)state;
    static const char *const fields[][2] = {
        {"type", "T"},          {"id", "1"},           {"source", "s"},
        {"subject", "s"},       {"traceparent", "t"},  {"saga", "s"},
        {"step", "s"},          {"action", "execute"}, {"originStream", "s"},
        {"originEntry", "1-1"}, {"data", "{}"},        {"delay", "1"},
        {"deliveries", "1"},    {"attempt", "2"},      {"version", "2"},
        {"once", "1"},
    };
    for (size_t i = 0; i < COUNT(fields); i++) {
        const struct weir_slice name = weir_slice_of(fields[i][0]);
        const struct weir_slice value = weir_slice_of(fields[i][1]);
        const struct weir_slice parts[] = {BYTES("type"), BYTES("T"), name, value, name, value};
        char wanted[64];
        weir_message *message = read_parts(i == 0 ? parts + 2 : parts, i == 0 ? 4 : 6, 100);
        snprintf(wanted, sizeof wanted, "%s: stands twice", fields[i][0]);
        if (error.status != WEIR_INVALID || strcmp(error.text, wanted) != 0)
            fail_msg("%s: %d %s", fields[i][0], (int)error.status, error.text);
        weir_message_free(message);
    }
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

/* Whoever has once found no data may have acted on that. */
static void missing_memory_is_not_forgotten(void **state)
{
    (void)state;
    json_malloc_t allocate;
    json_free_t release;
    weir_message *message = read_with("data", weir_slice_of("{\"a\":1}"));
    json_get_alloc_funcs(&allocate, &release);
    json_set_alloc_funcs(no_memory, release);
    json_t *object = weir_message_object(message);
    json_set_alloc_funcs(allocate, release);
    assert_null(object);
    assert_true(message->torn);
    assert_non_null(weir_message_object(message));
    assert_true(message->torn);
    weir_message_free(message);
}

static void what_could_be_read_is_there_all_the_same(void **state)
{
    (void)state;
    const struct weir_slice parts[] = {
        BYTES("data"),   BYTES("{"),          BYTES("id"),    BYTES("a b"),  BYTES("saga"),
        BYTES("s1"),     BYTES("step"),       BYTES("pay"),   BYTES("type"), BYTES("Pay"),
        BYTES("action"), BYTES("compensate"), BYTES("delay"), BYTES("x"),
    };
    weir_message *message = read_parts(parts, COUNT(parts), 100);
    assert_int_equal(error.status, WEIR_INVALID);
    assert_int_equal(strncmp(error.text, "data: not valid JSON: ", 22), 0); /* the first counts */
    assert_null(weir_message_object(message));
    assert_null(message->id);
    assert_string_equal(message->saga, "s1");
    assert_string_equal(message->step, "pay");
    assert_string_equal(message->type, "Pay");
    assert_string_equal(message->action, "compensate");
    weir_message_free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_all_it_is_given),
        cmocka_unit_test(an_entry_may_have_no_fields),
        cmocka_unit_test(many_fields_are_no_problem),
        cmocka_unit_test(unknown_fields_are_carried_and_not_judged),
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(types),
        cmocka_unit_test(ids),
        cmocka_unit_test(short_texts),
        cmocka_unit_test(sagas_steps_and_actions),
        cmocka_unit_test(numbers),
        cmocka_unit_test(deliveries_before_it_was_put_off_are_added),
        cmocka_unit_test(data_has_to_be_an_object),
        cmocka_unit_test(data_is_bounded_in_size_and_depth),
        cmocka_unit_test(known_fields_stand_once),
        cmocka_unit_test(missing_memory_is_not_forgotten),
        cmocka_unit_test(what_could_be_read_is_there_all_the_same),
    };
    return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
