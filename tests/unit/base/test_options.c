/* Flag before environment before default, and an error that names place, value and remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/options.h"
#include "base/text.h"

struct settings {
    const char *before; /* guards: nothing may write beside a member */
    bool verbose;
    const char *url;
    int64_t port;
    int64_t wait;
    int format;
    int64_t trim, age;
    int64_t offset;
    const char *after;
};

static const char *const formats[] = {"text", "json", NULL};

static const struct weir_option table[] = {
    {.name = "verbose",
     .letter = 'v',
     .environment = "TEST_VERBOSE",
     .kind = WEIR_OPTION_FLAG,
     .offset = offsetof(struct settings, verbose),
     .help = "say more"},
    {.name = "url",
     .letter = 'u',
     .environment = "TEST_URL",
     .kind = WEIR_OPTION_TEXT,
     .offset = offsetof(struct settings, url),
     .initial = "redis://localhost",
     .value_name = "URL",
     .help = "the server"},
    {.name = "port",
     .letter = 'p',
     .environment = "TEST_PORT",
     .kind = WEIR_OPTION_INTEGER,
     .offset = offsetof(struct settings, port),
     .initial = "6379",
     .minimum = 1,
     .maximum = 65535,
     .help = "the port"},
    {.name = "wait",
     .letter = 'w',
     .environment = "TEST_WAIT",
     .kind = WEIR_OPTION_DURATION,
     .offset = offsetof(struct settings, wait),
     .minimum = 0,
     .maximum = 7 * 24 * 3600 * 1000,
     .help = "wait for the result",
     .optional_value = true,
     .bare = "30s"},
    {.name = "format",
     .environment = "TEST_FORMAT",
     .kind = WEIR_OPTION_CHOICE,
     .offset = offsetof(struct settings, format),
     .initial = "json",
     .choices = formats,
     .help = "how to print"},
    {.name = "trim",
     .kind = WEIR_OPTION_DURATION,
     .offset = offsetof(struct settings, trim),
     .initial = "1h",
     .minimum = 500,
     .maximum = 3600 * 1000,
     .help = "trim after this long"},
    {.name = "age",
     .kind = WEIR_OPTION_DURATION,
     .unit_needed = true,
     .offset = offsetof(struct settings, age),
     .maximum = 3600 * 1000,
     .help = "how old"},
    {.name = "offset",
     .kind = WEIR_OPTION_INTEGER,
     .offset = offsetof(struct settings, offset),
     .minimum = INT64_MIN,
     .maximum = INT64_MAX,
     .help = "where to begin"},
    {0},
};

static const char *const variables[] = {"TEST_VERBOSE", "TEST_URL",    "TEST_PORT",
                                        "TEST_WAIT",    "TEST_FORMAT", NULL};

static int clear_environment(void **state)
{
    (void)state;
    for (int i = 0; variables[i] != NULL; i++)
        unsetenv(variables[i]);
    return 0;
}

/* One run of the parser over a command line. */
struct run {
    char *argv[24];
    int argc;
    struct settings settings;
    int operands;
    struct weir_error error;
    enum weir_status status;
};

static struct run parse(const char *const *words)
{
    struct run run = {.argc = 1, .operands = -1};
    static char program[] = "program";
    run.argv[0] = program;
    for (int i = 0; words[i] != NULL; i++)
        run.argv[run.argc++] = (char *)(uintptr_t)words[i];
    run.settings.before = run.settings.after = "untouched";
    run.status =
        weir_options_parse(table, &run.settings, run.argc, run.argv, &run.operands, &run.error);
    assert_string_equal(run.settings.before, "untouched");
    assert_string_equal(run.settings.after, "untouched");
    assert_int_equal(run.status, run.error.status);
    return run;
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static struct run parse_nothing(void)
{
    return parse((const char *const[]){NULL});
}

static void assert_refused(struct run run, const char *sentence)
{
    assert_int_equal(run.status, WEIR_INVALID);
    assert_string_equal(run.error.text, sentence);
}

static void defaults_alone(void **state)
{
    (void)state;
    struct run run = parse_nothing();
    assert_int_equal(run.status, WEIR_OK);
    assert_false(run.settings.verbose);
    assert_string_equal(run.settings.url, "redis://localhost");
    assert_int_equal(run.settings.port, 6379);
    assert_int_equal(run.settings.wait, 0);
    assert_int_equal(run.settings.format, 1);
    assert_int_equal(run.settings.trim, 3600000);
    assert_int_equal(run.operands, 0);
}

static void members_without_a_default_are_emptied(void **state)
{
    (void)state;
    static const struct weir_option bare_table[] = {
        {.name = "verbose", .kind = WEIR_OPTION_FLAG, .offset = offsetof(struct settings, verbose)},
        {.name = "url", .kind = WEIR_OPTION_TEXT, .offset = offsetof(struct settings, url)},
        {.name = "port", .kind = WEIR_OPTION_INTEGER, .offset = offsetof(struct settings, port)},
        {.name = "wait", .kind = WEIR_OPTION_DURATION, .offset = offsetof(struct settings, wait)},
        {.name = "format",
         .kind = WEIR_OPTION_CHOICE,
         .offset = offsetof(struct settings, format),
         .choices = formats},
        {0},
    };
    struct settings settings = {
        .verbose = true, .url = "old", .port = 9, .wait = 9, .format = 9, .trim = 9};
    char program[] = "program";
    char *argv[] = {program, NULL};
    int operands = -1;
    assert_int_equal(weir_options_parse(bare_table, &settings, 1, argv, &operands, NULL), WEIR_OK);
    assert_false(settings.verbose);
    assert_null(settings.url);
    assert_int_equal(settings.port, 0);
    assert_int_equal(settings.wait, 0);
    assert_int_equal(settings.format, 0);
    assert_int_equal(settings.trim, 9);
}

static void an_empty_command_line_is_allowed(void **state)
{
    (void)state;
    struct settings settings;
    char *argv[] = {NULL};
    int operands = -1;
    assert_int_equal(weir_options_parse(table, &settings, 0, argv, &operands, NULL), WEIR_OK);
    assert_int_equal(operands, 0);
}

static void environment_before_default(void **state)
{
    (void)state;
    setenv("TEST_VERBOSE", "yes", 1);
    setenv("TEST_URL", "redis://other", 1);
    setenv("TEST_PORT", "1", 1);
    setenv("TEST_WAIT", "7d", 1);
    setenv("TEST_FORMAT", "text", 1);
    struct run run = parse_nothing();
    assert_int_equal(run.status, WEIR_OK);
    assert_true(run.settings.verbose);
    assert_string_equal(run.settings.url, "redis://other");
    assert_ptr_equal(run.settings.url, getenv("TEST_URL"));
    assert_int_equal(run.settings.port, 1);
    assert_int_equal(run.settings.wait, 604800000);
    assert_int_equal(run.settings.format, 0);
}

static void flag_before_environment(void **state)
{
    (void)state;
    setenv("TEST_URL", "redis://other", 1);
    setenv("TEST_PORT", "1", 1);
    setenv("TEST_FORMAT", "text", 1);
    setenv("TEST_VERBOSE", "off", 1);
    struct run run = PARSE("-u", "redis://flag", "--port=2", "--format", "json", "-v");
    assert_int_equal(run.status, WEIR_OK);
    assert_string_equal(run.settings.url, "redis://flag");
    assert_int_equal(run.settings.port, 2);
    assert_int_equal(run.settings.format, 1);
    assert_true(run.settings.verbose);
}

static void a_variable_is_not_read_where_the_flag_is_given(void **state)
{
    (void)state;
    setenv("TEST_PORT", "malformed", 1);
    assert_int_equal(PARSE("--port", "5").settings.port, 5);
    assert_int_equal(PARSE("word", "-p", "5").status, WEIR_OK);
    assert_int_equal(PARSE("--", "--port", "5").status, WEIR_INVALID);
    assert_int_equal(PARSE("--url", "--port").status, WEIR_INVALID);
}

static void an_empty_variable_counts_as_not_set(void **state)
{
    (void)state;
    setenv("TEST_URL", "", 1);
    setenv("TEST_PORT", "", 1);
    struct run run = parse_nothing();
    assert_int_equal(run.status, WEIR_OK);
    assert_string_equal(run.settings.url, "redis://localhost");
    assert_int_equal(run.settings.port, 6379);
}

static void flags_in_the_environment_have_words(void **state)
{
    (void)state;
    static const char *const on[] = {"1", "true", "yes", "on"};
    static const char *const off[] = {"0", "false", "no", "off"};
    for (int i = 0; i < 4; i++) {
        setenv("TEST_VERBOSE", on[i], 1);
        assert_true(parse_nothing().settings.verbose);
        setenv("TEST_VERBOSE", off[i], 1);
        assert_false(parse_nothing().settings.verbose);
    }
    setenv("TEST_VERBOSE", "perhaps", 1);
    assert_refused(parse_nothing(), "TEST_VERBOSE: \"perhaps\" is not one of 0, false, no, off, 1, "
                                    "true, yes, on");
}

static void every_way_to_write_a_value(void **state)
{
    (void)state;
    assert_string_equal(PARSE("--url", "a").settings.url, "a");
    assert_string_equal(PARSE("--url=a").settings.url, "a");
    assert_string_equal(PARSE("-u", "a").settings.url, "a");
    assert_string_equal(PARSE("--url=").settings.url, "");
    assert_string_equal(PARSE("--url", "").settings.url, "");
    assert_string_equal(PARSE("--url=a=b").settings.url, "a=b");
    assert_string_equal(PARSE("--url", "-").settings.url, "-");
    assert_string_equal(PARSE("--url", "--").settings.url, "--");
    assert_string_equal(PARSE("--url", "-v").settings.url, "-v");
    assert_int_equal(PARSE("--offset", "-5").settings.offset, -5);
    assert_int_equal(PARSE("--trim", "500").settings.trim, 500);
}

static void a_unit_may_be_needed(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--age", "7s").settings.age, 7000);
    assert_refused(PARSE("--age", "7"),
                   "--age: \"7\" is not a length of time (a number with ms, s, m, h or d) from "
                   "0ms to 1h");
}

static void the_last_flag_counts(void **state)
{
    (void)state;
    assert_string_equal(PARSE("--url", "a", "-u", "b", "--url=c").settings.url, "c");
}

static void an_optional_value_needs_its_equals_sign(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--wait").settings.wait, 30000);
    assert_int_equal(PARSE("-w").settings.wait, 30000);
    assert_int_equal(PARSE("--wait=5s").settings.wait, 5000);
    struct run run = PARSE("--wait", "5s");
    assert_int_equal(run.settings.wait, 30000);
    assert_int_equal(run.operands, 1);
    assert_string_equal(run.argv[1], "5s");
    assert_refused(PARSE("--wait="),
                   "--wait: \"\" is not a length of time (a number with ms, s, m, "
                   "h or d; alone it is ms) from 0ms to 7d");
}

static void operands_come_to_the_front(void **state)
{
    (void)state;
    struct run run =
        PARSE("one", "-v", "two", "--url", "a", "-", "--port=7", "three", "--", "-v", "--", "--x");
    assert_int_equal(run.status, WEIR_OK);
    assert_int_equal(run.operands, 7);
    static const char *const expected[] = {"one", "two", "-", "three", "-v", "--", "--x"};
    for (int i = 0; i < 7; i++)
        assert_string_equal(run.argv[1 + i], expected[i]);
    assert_string_equal(run.argv[0], "program");
    assert_null(run.argv[run.argc]);
    assert_true(run.settings.verbose);
    assert_string_equal(run.settings.url, "a");
    assert_int_equal(run.settings.port, 7);
}

static void no_word_of_the_command_line_is_lost(void **state)
{
    (void)state;
    struct run run = PARSE("-v", "one", "--url", "a", "two");
    static const char *const expected[] = {"one", "two", "-v", "--url", "a"};
    for (int i = 0; i < 5; i++)
        assert_string_equal(run.argv[1 + i], expected[i]);
}

static void a_double_dash_alone_is_nothing(void **state)
{
    (void)state;
    struct run run = PARSE("--");
    assert_int_equal(run.status, WEIR_OK);
    assert_int_equal(run.operands, 0);
}

static void unknown_flags_are_named(void **state)
{
    (void)state;
    assert_refused(PARSE("--nothing"), "--nothing: no such flag is known");
    assert_refused(PARSE("--nothing=secret"), "--nothing: no such flag is known");
    assert_refused(PARSE("-x"), "-x: no such flag is known");
    assert_refused(PARSE("-vp"), "-vp: no such flag is known");
    assert_refused(PARSE("-p7"), "-p7: no such flag is known");
    assert_refused(PARSE("--ur"), "--ur: no such flag is known");
    assert_refused(PARSE("--urls"), "--urls: no such flag is known");
    assert_refused(PARSE("--=x"), "--: no such flag is known");
    assert_refused(PARSE("---"), "---: no such flag is known");
    assert_refused(PARSE("-5"), "-5: no such flag is known");
}

static void missing_values_are_named(void **state)
{
    (void)state;
    assert_refused(PARSE("--url"), "--url: the value is missing; it must be a text");
    assert_refused(PARSE("x", "-p"),
                   "--port: the value is missing; it must be a whole number from 1 to 65535");
    assert_refused(PARSE("--format"),
                   "--format: the value is missing; it must be one of text, json");
}

static void a_flag_takes_no_value(void **state)
{
    (void)state;
    assert_refused(PARSE("--verbose=yes"),
                   "--verbose: \"yes\" is not allowed; the flag takes no value");
    assert_refused(PARSE("--verbose="), "--verbose: \"\" is not allowed; the flag takes no value");
}

static void malformed_values_are_named(void **state)
{
    (void)state;
    assert_refused(PARSE("--port=abc"), "--port: \"abc\" is not a whole number from 1 to 65535");
    assert_refused(PARSE("-p", "+1"), "--port: \"+1\" is not a whole number from 1 to 65535");
    assert_refused(PARSE("--port", "01"), "--port: \"01\" is not a whole number from 1 to 65535");
    assert_refused(PARSE("--port="), "--port: \"\" is not a whole number from 1 to 65535");
    assert_refused(PARSE("--trim", "1x"), "--trim: \"1x\" is not a length of time (a number with "
                                          "ms, s, m, h or d; alone it is ms) from 500ms to 1h");
    assert_refused(PARSE("--format=JSON"), "--format: \"JSON\" is not one of text, json");
    assert_refused(PARSE("--format="), "--format: \"\" is not one of text, json");
}

static void ranges_hold_to_the_last_number(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--port=1").settings.port, 1);
    assert_int_equal(PARSE("--port=65535").settings.port, 65535);
    assert_int_equal(PARSE("--port=0").status, WEIR_INVALID);
    assert_int_equal(PARSE("--port=65536").status, WEIR_INVALID);
    assert_int_equal(PARSE("--trim=500ms").status, WEIR_OK);
    assert_int_equal(PARSE("--trim=499").status, WEIR_INVALID);
    assert_int_equal(PARSE("--trim=60m").status, WEIR_OK);
    assert_int_equal(PARSE("--trim=3600001").status, WEIR_INVALID);
    assert_true(PARSE("--offset=-9223372036854775808").settings.offset == INT64_MIN);
    assert_true(PARSE("--offset=9223372036854775807").settings.offset == INT64_MAX);
    assert_refused(PARSE("--offset=9223372036854775808"),
                   "--offset: \"9223372036854775808\" is not a whole number from "
                   "-9223372036854775808 to 9223372036854775807");
}

static void variables_are_named(void **state)
{
    (void)state;
    setenv("TEST_PORT", "70000", 1);
    assert_refused(parse_nothing(), "TEST_PORT: \"70000\" is not a whole number from 1 to 65535");
    unsetenv("TEST_PORT");
    setenv("TEST_FORMAT", "xml", 1);
    assert_refused(parse_nothing(), "TEST_FORMAT: \"xml\" is not one of text, json");
}

static void a_bad_default_is_named(void **state)
{
    (void)state;
    static const struct weir_option bad_table[] = {
        {.name = "port",
         .kind = WEIR_OPTION_INTEGER,
         .offset = offsetof(struct settings, port),
         .initial = "0",
         .minimum = 1,
         .maximum = 9},
        {0},
    };
    struct settings settings;
    char program[] = "program";
    char *argv[] = {program, NULL};
    int operands = -1;
    struct weir_error error = {0};
    assert_int_equal(weir_options_parse(bad_table, &settings, 1, argv, &operands, &error),
                     WEIR_INVALID);
    assert_string_equal(error.text, "default of --port: \"0\" is not a whole number from 1 to 9");
}

static void a_long_value_leaves_room_for_the_remedy(void **state)
{
    (void)state;
    char value[500];
    memset(value, '7', sizeof value);
    value[sizeof value - 1] = '\0';
    struct run run = PARSE("--port", value);
    assert_int_equal(run.status, WEIR_INVALID);
    assert_non_null(strstr(run.error.text, "77\" is not a whole number from 1 to 65535"));
    for (int i = 0; i < 124; i++)
        memcpy(value + i * 4, "\xF0\x9F\x98\x80", 4);
    for (size_t shift = 0; shift < 4; shift++) {
        run = PARSE("--port", value + shift);
        assert_non_null(strstr(run.error.text, "\xF0\x9F\x98\x80\" is not a whole number"));
    }
}

static void an_error_stays_on_one_line(void **state)
{
    (void)state;
    assert_refused(PARSE("--port=1\n2\x1b"), "--port: \"1 2 \" is not a whole number from 1 to "
                                             "65535");
    assert_refused(PARSE("--no\nthing"), "--no thing: no such flag is known");
}

static void help_is_aligned_and_complete(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    weir_options_help(table, 80, out);
    fclose(out);
    assert_string_equal(
        text, "  -v, --verbose           say more (environment: TEST_VERBOSE)\n"
              "  -u, --url URL           the server (default: redis://localhost; environment:\n"
              "                          TEST_URL)\n"
              "  -p, --port NUMBER       the port (default: 6379; environment: TEST_PORT)\n"
              "  -w, --wait[=TIME]       wait for the result; a bare number is ms (environment:\n"
              "                          TEST_WAIT)\n"
              "      --format text|json  how to print (default: json; environment: TEST_FORMAT)\n"
              "      --trim TIME         trim after this long; a bare number is ms (default:\n"
              "                          1h)\n"
              "      --age TIME          how old\n"
              "      --offset NUMBER     where to begin\n");
    free(text);
}

/* A word that is too long for a line stands alone; a sign of several bytes is one column. */
static void help_is_broken_where_the_terminal_ends(void **state)
{
    (void)state;
    static const struct weir_option options[] = {
        {.name = "url",
         .kind = WEIR_OPTION_TEXT,
         .help = "redis://[user:password@]host[:port][/db], or … … … … … at once"},
        {.name = NULL}};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    weir_options_help(options, 45, out);
    weir_options_help(options, 20, out);
    fclose(out);
    assert_string_equal(text, "      --url TEXT  redis://[user:password@]host[:port][/db],\n"
                              "                  or … … … … … at once\n"
                              "      --url TEXT  redis://[user:password@]host[:port][/db],\n"
                              "                  or … … … … … at once\n");
    free(text);
}

static void help_of_an_empty_table_is_empty(void **state)
{
    (void)state;
    static const struct weir_option empty[] = {{0}};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    weir_options_help(empty, 80, out);
    fclose(out);
    assert_int_equal(length, 0);
    free(text);
}

static void a_flag_for_texts_may_come_again(void **state)
{
    (void)state;
    struct several {
        const char *before;
        struct weir_texts texts;
        const char *behind;
    } settings = {.before = "before", .behind = "behind"};
    const struct weir_option options[] = {
        {.name = "after", .kind = WEIR_OPTION_TEXTS, .offset = offsetof(struct several, texts)},
        {.name = NULL}};
    char *words[WEIR_TEXTS_MAX + 2] = {"program", "--after=1", "x", "--after", "2"};
    struct weir_error error = {0};
    int operands = 0;
    assert_int_equal(weir_options_parse(options, &settings, 1, words, &operands, &error), WEIR_OK);
    assert_int_equal(settings.texts.count, 0);
    assert_int_equal(weir_options_parse(options, &settings, 5, words, &operands, &error), WEIR_OK);
    assert_int_equal(settings.texts.count, 2);
    assert_string_equal(settings.texts.at[0], "1");
    assert_string_equal(settings.texts.at[1], "2");
    assert_int_equal(operands, 1);
    for (int i = 1; i <= WEIR_TEXTS_MAX + 1; i++)
        words[i] = "--after=x";
    assert_int_equal(
        weir_options_parse(options, &settings, WEIR_TEXTS_MAX + 1, words, &operands, &error),
        WEIR_OK);
    assert_int_equal(settings.texts.count, WEIR_TEXTS_MAX);
    assert_int_equal(
        weir_options_parse(options, &settings, WEIR_TEXTS_MAX + 2, words, &operands, &error),
        WEIR_INVALID);
    assert_non_null(strstr(error.text, "at most 16 texts"));
    assert_string_equal(settings.before, "before");
    assert_string_equal(settings.behind, "behind");
}

#define clean(name) cmocka_unit_test_setup_teardown(name, clear_environment, clear_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        clean(defaults_alone),
        clean(members_without_a_default_are_emptied),
        clean(an_empty_command_line_is_allowed),
        clean(environment_before_default),
        clean(flag_before_environment),
        clean(a_variable_is_not_read_where_the_flag_is_given),
        clean(an_empty_variable_counts_as_not_set),
        clean(flags_in_the_environment_have_words),
        clean(every_way_to_write_a_value),
        clean(a_unit_may_be_needed),
        clean(the_last_flag_counts),
        clean(a_flag_for_texts_may_come_again),
        clean(an_optional_value_needs_its_equals_sign),
        clean(operands_come_to_the_front),
        clean(no_word_of_the_command_line_is_lost),
        clean(a_double_dash_alone_is_nothing),
        clean(unknown_flags_are_named),
        clean(missing_values_are_named),
        clean(a_flag_takes_no_value),
        clean(malformed_values_are_named),
        clean(ranges_hold_to_the_last_number),
        clean(variables_are_named),
        clean(a_bad_default_is_named),
        clean(a_long_value_leaves_room_for_the_remedy),
        clean(an_error_stays_on_one_line),
        clean(help_is_aligned_and_complete),
        clean(help_is_broken_where_the_terminal_ends),
        clean(help_of_an_empty_table_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
