/* Runs the command line for the tests. */
#include "support/command_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 32
#define RUN_LIMIT_MS 30000

void use_server(const struct test_server *server)
{
    setenv("REDIS_URL", server->url, 1);
    unsetenv("WEIR_NAMESPACE");
    unsetenv("NO_COLOR");
    unsetenv("COLUMNS");
}

static void collect(const char **all, const char *const *words, const char *last)
{
    size_t count = 0;
    all[count++] = test_program("weir");
    while (*words && count < WORDS_MAX - 1)
        all[count++] = *words++;
    all[count++] = last;
    all[count] = NULL;
}

static void check_code(const struct test_run *run, int code, const char *const *words)
{
    if (run->code != code)
        fail_msg("weir %s …: exit code %d instead of %d; output: %s; errors: %s", words[0],
                 run->code, code, run->out, run->error);
}

struct test_run run_weir(int code, const char *const *words, const char *input)
{
    const char *all[WORDS_MAX + 1];
    collect(all, words, NULL);
    struct test_run run = test_run(all, input, RUN_LIMIT_MS);
    check_code(&run, code, words);
    return run;
}

static void check_text(const char *actual, const char *part, const char *which,
                       const char *const *words)
{
    if (part ? !strstr(actual, part) : *actual)
        fail_msg("weir %s …: '%s' expected in %s: %s", words[0], part ? part : "nothing", which,
                 actual);
}

static void check_prefix(const char *errors)
{
    for (const char *line = errors; *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, "weir: ", 6) != 0 || !strchr(line, '\n'))
            fail_msg("not a line of the form 'weir: …': %s", line);
}

void expect_weir(int code, const char *out, const char *error, const char *const *words)
{
    struct test_run run = run_weir(code, words, NULL);
    check_text(run.out, out, "the output", words);
    check_text(run.error, error, "the errors", words);
    check_prefix(run.error);
    test_run_close(&run);
}

char *ask_weir(const char *const *words)
{
    struct test_run run = run_weir(0, words, NULL);
    char *text = strndup(run.out, strcspn(run.out, "\n"));
    test_run_close(&run);
    return text;
}

json_t *ask_weir_json(int code, const char *const *words)
{
    const char *all[WORDS_MAX + 1];
    collect(all, words, "--json");
    struct test_run run = test_run(all, NULL, RUN_LIMIT_MS);
    check_code(&run, code, words);
    const char *end = strchr(run.out, '\n');
    if (!end || end[1] != '\0')
        fail_msg("weir %s … --json: not exactly one line: %s", words[0], run.out);
    json_t *value = json_loads(run.out, JSON_ALLOW_NUL, NULL);
    if (!value)
        fail_msg("weir %s … --json: no JSON: %s", words[0], run.out);
    test_run_close(&run);
    return value;
}

const char *shown_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "(no text)";
}

json_int_t shown_number(const json_t *object, const char *key)
{
    const json_t *number = json_object_get(object, key);
    assert_true(json_is_integer(number));
    return json_integer_value(number);
}
