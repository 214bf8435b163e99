/* Requests become the words of a command, or nothing; no client reaches a flag that is not his. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "commands/run.h"
#include "dashboard/history.h"
#include "dashboard/route.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The words, each behind a blank; or the status. */
static const char *words_of(const char *path, bool action, const char *name, const char *value)
{
    static char line[4096];
    const struct weir_route_argument argument = {name, value};
    struct weir_words words;
    struct weir_error error = {0};
    enum weir_status status =
        weir_route_words(path, action, &argument, name ? 1 : 0, &words, &error);
    line[0] = '\0';
    if (status != WEIR_OK)
        return weir_status_text(status);
    for (int i = 0; i < words.count; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s", i > 0 ? " " : "",
                 words.words[i]);
    assert_null(words.words[words.count]);
    weir_words_close(&words);
    return line;
}

static void shown(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name, *value, *words;
    } cases[] = {
        {"top", NULL, NULL, "top --"},
        {"sagas", "state", "suspended", "sagas --state=suspended --"},
        {"sagas", "page", "", "sagas --page --"},
        {"sagas", "page", "false", "sagas --"},
        {"sagas", "limit", "500", "sagas --limit=500 --"},
        {"saga/--redis=x", NULL, NULL, "saga -- --redis=x"},
        {"projection", NULL, NULL, "projection --"},
        {"dead/payments", "limit", "5", "dead --limit=5 -- payments"},
        {"projection/list", NULL, NULL, "projection -- list"},
        {"projection/show/views/shop", NULL, NULL, "projection -- show views/shop"},
        {"dead/payments/show/1-2", NULL, NULL, "dead -- payments show 1-2"},
        {"definition/show/a/2", NULL, NULL, "definition -- show a 2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(words_of(cases[i].path, false, cases[i].name, cases[i].value),
                            cases[i].words);
}

static void acted(void **state)
{
    (void)state;
    assert_string_equal(words_of("cancel/a", true, "reason", "--yes"),
                        "cancel --reason=--yes -- a");
    assert_string_equal(words_of("resume/a", true, "retry", "true"), "resume --retry -- a");
    assert_string_equal(words_of("projection/rebuild/v/p", true, NULL, NULL),
                        "projection --detach -- rebuild v/p");
    assert_string_equal(words_of("dead/payments/drop", true, "reason", "x y"),
                        "dead --yes --reason=x y -- payments drop");
    assert_string_equal(words_of("dead/payments/drop", true, "exactly", "true"),
                        "dead --yes --exactly -- payments drop");
    assert_string_equal(words_of("dead/payments/replay", true, "up-to", "1-2"),
                        "dead --yes --up-to=1-2 -- payments replay");
    assert_string_equal(words_of("projection/skip/v/p", true, "entry", "1-2"),
                        "projection -- skip v/p 1-2");
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name, *value;
        enum weir_status status;
    } cases[] = {
        {"", NULL, NULL, WEIR_NOT_FOUND},
        {"start/x", NULL, NULL, WEIR_NOT_FOUND},
        {"query/a/b", NULL, NULL, WEIR_NOT_FOUND},
        {"install", NULL, NULL, WEIR_NOT_FOUND},
        {"definition/load/x", NULL, NULL, WEIR_NOT_FOUND},
        {"projection/forget/x", NULL, NULL, WEIR_NOT_FOUND},
        {"cancel/a", NULL, NULL, WEIR_NOT_FOUND}, /* an action, by GET */
        {"dead/payments/forget", NULL, NULL, WEIR_NOT_FOUND},
        {"dead", NULL, NULL, WEIR_INVALID},
        {"saga", NULL, NULL, WEIR_INVALID},
        {"saga/a/b", NULL, NULL, WEIR_INVALID},
        {"top", "limit", "1", WEIR_INVALID},
        {"sagas", "limit", "501", WEIR_INVALID},
        {"sagas", "page", "maybe", WEIR_INVALID},
        {"sagas", "redis", "x", WEIR_INVALID},
        {"sagas", "namespace", "x", WEIR_INVALID},
        {"sagas", "json", "", WEIR_INVALID},
        {"sagas", "help", "", WEIR_INVALID},
        {"sagas", "watch", "1s", WEIR_INVALID},
        {"sagas", "", "x", WEIR_INVALID},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(words_of(cases[i].path, false, cases[i].name, cases[i].value),
                            weir_status_text(cases[i].status));
    assert_string_equal(words_of("sagas", true, NULL, NULL), weir_status_text(WEIR_NOT_FOUND));
    assert_string_equal(words_of("cancel/a", true, "wait", "60"), weir_status_text(WEIR_INVALID));
    assert_string_equal(words_of("cancel/a", true, "yes", ""), weir_status_text(WEIR_INVALID));
    assert_string_equal(words_of("dead/payments/drop", true, "all", ""),
                        weir_status_text(WEIR_INVALID));
}

static void many_operands(void **state)
{
    (void)state;
    struct weir_text path = {0};
    weir_text_append_string(&path, "dead/payments/drop");
    for (int i = 0; i < 100; i++)
        weir_text_format(&path, "/%d-0", i);
    assert_non_null(strstr(words_of(path.at, true, NULL, NULL), " 99-0"));
    for (int i = 0; i < 200; i++)
        weir_text_format(&path, "/%d-0", i);
    assert_string_equal(words_of(path.at, true, NULL, NULL), weir_status_text(WEIR_INVALID));
    weir_text_close(&path);
}

/* Another order of options is another question; texts that run together are not the same. */
static void keys(void **state)
{
    (void)state;
    struct weir_words one, other;
    struct weir_error error = {0};
    assert_int_equal(weir_route_words("definition/show/a/1", false, NULL, 0, &one, &error),
                     WEIR_OK);
    assert_int_equal(weir_route_words("definition/show/a1", false, NULL, 0, &other, &error),
                     WEIR_OK);
    char *first = weir_words_key(&one), *second = weir_words_key(&other);
    assert_string_not_equal(first, second);
    free(first);
    free(second);
    weir_words_close(&one);
    weir_words_close(&other);
}

/* The ring forgets the oldest, and what was not known stays so. */
static void history_is_an_hour(void **state)
{
    (void)state;
    struct ev_loop *loop = ev_loop_new(0);
    struct weir_history *history = weir_history_open(loop, NULL);
    struct weir_text text = {0};
    char json[128];
    weir_history_add(history, "nonsense", 8);
    weir_history_add(history, "{\"now\":\"text\"}", 14);
    weir_history_add(history, NULL, 0);
    assert_int_equal(weir_history_version(history), 0);
    for (int i = 1; i <= WEIR_HISTORY_KEPT + 5; i++) {
        snprintf(json, sizeof(json), "{\"now\":%d,\"rate\":{\"handled\":%d.5},\"totals\":{}}", i,
                 i);
        weir_history_add(history, json, strlen(json));
    }
    weir_history_append(history, &text);
    json_t *made = json_loads(text.at, 0, NULL);
    json_t *samples = json_object_get(made, "samples");
    assert_int_equal(json_array_size(samples), WEIR_HISTORY_KEPT);
    assert_int_equal(json_integer_value(json_object_get(made, "since")), 6);
    json_t *last = json_array_get(samples, WEIR_HISTORY_KEPT - 1);
    assert_int_equal(json_integer_value(json_array_get(last, 0)), WEIR_HISTORY_KEPT + 5);
    assert_true(json_is_null(json_array_get(last, 1)));
    assert_true(json_real_value(json_array_get(last, 2)) == WEIR_HISTORY_KEPT + 5.5);
    assert_int_equal(json_array_size(last), json_array_size(json_object_get(made, "fields")));
    json_decref(made);
    weir_text_close(&text);
    weir_history_close(history);
    ev_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shown),   cmocka_unit_test(acted),
        cmocka_unit_test(refused), cmocka_unit_test(many_operands),
        cmocka_unit_test(keys),    cmocka_unit_test(history_is_an_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
