/* The command line from outside: what operators do is recorded, and told again. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/terminal.h"

static struct test_server server;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    unsetenv("WEIR_OPERATOR");
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    return 0;
}

/* The only action that is recorded. To be freed. */
static json_t *only_action(void)
{
    json_t *actions = ask_weir_json(0, WORDS("actions"));
    assert_int_equal(json_array_size(actions), 1);
    json_t *action = json_incref(json_array_get(actions, 0));
    json_decref(actions);
    return action;
}

static void expect_action(const char *who, const char *words, const char *target,
                          const char *outcome)
{
    json_t *action = only_action();
    if (who)
        assert_string_equal(shown_text(action, "who"), who);
    assert_string_equal(shown_text(action, "via"), "weir");
    assert_string_equal(shown_text(action, "action"), words);
    assert_string_equal(shown_text(action, "target"), target);
    assert_string_equal(shown_text(action, "outcome"), outcome);
    json_decref(action);
    test_do(&server, "DEL {weir}:actions");
}

static void each_change_is_recorded(void **state)
{
    (void)state;
    char *out = ask_weir(WORDS("install", "--force", "--as", "tom"));
    free(out);
    json_t *action = only_action();
    assert_true(json_is_true(json_object_get(json_object_get(action, "details"), "force")));
    assert_null(json_object_get(json_object_get(action, "details"), "as"));
    json_decref(action);
    char library[64];
    snprintf(library, sizeof(library), "function library %lld",
             test_ask_integer(&server, "FCALL weir_version 0"));
    expect_action("tom", "install", library, "done");
    test_do(&server, "XADD {s}:events * type T");
    test_do(&server, "XGROUP CREATE {s}:events old 0");
    setenv("WEIR_OPERATOR", "eve", 1);
    expect_weir(0, "retired", NULL, WORDS("readers", "s", "retire", "old", "--silent-for", "1"));
    unsetenv("WEIR_OPERATOR");
    expect_action("eve", "readers retire", "s old", "done");
    expect_weir(0, "loaded", NULL, WORDS("definition", "load", "one.json"));
    expect_action(NULL, "definition load", "one version 1", "done");
}

/* Nothing was changed, so nothing is recorded; nor what only shows. */
static void what_changes_nothing_is_not_recorded(void **state)
{
    (void)state;
    expect_weir(0, "library", NULL, WORDS("install"));
    test_do(&server, "DEL {weir}:actions");
    expect_weir(0, "nothing done", NULL, WORDS("install"));
    expect_weir(1, NULL, "no saga s1", WORDS("cancel", "s1"));
    expect_weir(1, NULL, "no service s:", WORDS("dead", "s"));
    expect_weir(64, NULL, "--as", WORDS("install", "--force", "--as", "a\nb"));
    expect_weir(64, NULL, "--as", WORDS("install", "--force", "--as="));
    json_t *actions = ask_weir_json(0, WORDS("actions"));
    assert_int_equal(json_array_size(actions), 0);
    json_decref(actions);
}

/* Messages' data may be anything, and the record is for everybody. */
static void data_is_in_no_record(void **state)
{
    (void)state;
    static const char data[] = "{\"card\":\"4111-1111\"}";
    free(ask_weir(WORDS("install", "--force")));
    test_do(&server, "DEL {weir}:actions");
    test_do(&server, "XADD {s}:dead 1-1 type T reason r stream {s}:commands entry 7-1");
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga s1 definition one data {}");
    free(ask_weir(WORDS("signal", "s1", "Go", "--data", data)));
    free(ask_weir(WORDS("dead", "s", "replay", "1-1", "--data", data)));
    char *actions = ask_weir(WORDS("actions", "--json"));
    assert_non_null(strstr(actions, "\"signal\""));
    assert_non_null(strstr(actions, "\"dead replay\""));
    assert_null(strstr(actions, "4111"));
    free(actions);
}

static void that_it_cannot_be_recorded_is_told(void **state)
{
    (void)state;
    test_do(&server, "SET {weir}:actions 1");
    expect_weir(0, "loaded", "could not be recorded for weir actions", WORDS("install", "--force"));
    expect_weir(1, NULL, "WRONGTYPE", WORDS("actions"));
}

/* A service with 103 dead letters; the first id is 1-1, the last 103-1. */
static void bury_many(void)
{
    test_do(&server, "EVAL %s 0",
            "for i = 1, 103 do redis.call('XADD', '{s}:dead', i .. '-1', 'type', 'T', 'reason', "
            "'r') end");
}

static void expect_named(const json_t *action, const char *outcome)
{
    const json_t *details = json_object_get(action, "details");
    assert_string_equal(shown_text(action, "outcome"), outcome);
    assert_string_equal(shown_text(action, "target"), "s 103 letters");
    assert_int_equal(json_array_size(json_object_get(details, "targets")), 100);
    assert_int_equal(shown_number(details, "unnamed"), 3);
}

/* Both entries, as the second is missing where the run is killed. */
static void what_is_not_named_is_told(void **state)
{
    (void)state;
    expect_weir(0, "library", NULL, WORDS("install", "--force"));
    test_do(&server, "DEL {weir}:actions");
    bury_many();
    expect_weir(0, NULL, "103 of 103 letters dropped",
                WORDS("dead", "s", "drop", "--all", "--yes"));
    json_t *actions = ask_weir_json(0, WORDS("actions"));
    assert_int_equal(json_array_size(actions), 2);
    expect_named(json_array_get(actions, 0), "103 of 103 letters dropped");
    expect_named(json_array_get(actions, 1), "begun");
    const json_t *targets =
        json_object_get(json_object_get(json_array_get(actions, 1), "details"), "targets");
    const char *named = json_string_value(json_array_get(targets, 0));
    expect_weir(0, "begun", NULL, WORDS("actions", "--target", named));
    json_decref(actions);
    expect_weir(0, "age\twho", "2 more entries", WORDS("actions", "--target", "no such letter"));
}

static void lists_by_time_and_name(void **state)
{
    (void)state;
    for (int i = 1; i <= 1203; i++)
        test_do(&server,
                "XADD {weir}:actions %d-1 who %s via weir action cancel target s%d details %s "
                "outcome done",
                i, i % 400 == 1 ? "rare" : "other", i,
                i == 5 ? "{\"targets\":[\"s5\",\"zebra\"]}" : "{}");
    json_t *actions = ask_weir_json(0, WORDS("actions", "--who", "rare"));
    assert_int_equal(json_array_size(actions), 4); /* 1, 401, 801, 1201: over three batches */
    assert_string_equal(shown_text(json_array_get(actions, 0), "target"), "s1201");
    assert_string_equal(shown_text(json_array_get(actions, 3), "target"), "s1");
    json_decref(actions);
    actions = ask_weir_json(0, WORDS("actions", "--target", "zebra"));
    assert_int_equal(json_array_size(actions), 1);
    assert_int_equal(shown_number(json_array_get(actions, 0), "at"), 5);
    json_decref(actions);
    expect_weir(0, "\ts5\tdone\t-\n", NULL, WORDS("actions", "--target", "zebra"));
    actions = ask_weir_json(0, WORDS("actions", "--limit", "3"));
    assert_int_equal(json_array_size(actions), 3);
    json_decref(actions);
    test_do(&server, "XADD {weir}:actions * who now via weir action cancel target s outcome done");
    actions = ask_weir_json(0, WORDS("actions", "--since", "1h"));
    assert_int_equal(json_array_size(actions), 1);
    assert_string_equal(shown_text(json_array_get(actions, 0), "who"), "now");
    json_decref(actions);
}

static void hostile_entries_are_shown_as_text(void **state)
{
    (void)state;
    test_do(&server, "XADD {weir}:actions 7-1 who %s target %b details %s", "e\033[2Jve",
            "\xff\n\"x\"", (size_t)6, "{\"a\":\"\033]0;t\a\"}");
    struct test_run run = run_on_terminal(80, "NO_COLOR=1", "actions");
    assert_null(strchr(run.out, '\033'));
    assert_null(strchr(run.out, '\a'));
    assert_non_null(strstr(run.out, "e\\u001b[2Jve"));
    test_run_close(&run);
    expect_weir(0, "e\\u001b[2Jve\t", NULL, WORDS("actions"));
}

int main(void)
{
    FILE *file = fopen("one.json", "w");
    if (!file ||
        fputs("{\"name\":\"one\",\"version\":1,\"steps\":[{\"name\":\"a\",\"service\":"
              "\"s\",\"command\":\"C\"}]}",
              file) < 0 ||
        fclose(file) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_change_is_recorded, clear),
        cmocka_unit_test_setup(what_changes_nothing_is_not_recorded, clear),
        cmocka_unit_test_setup(data_is_in_no_record, clear),
        cmocka_unit_test_setup(that_it_cannot_be_recorded_is_told, clear),
        cmocka_unit_test_setup(what_is_not_named_is_told, clear),
        cmocka_unit_test_setup(lists_by_time_and_name, clear),
        cmocka_unit_test_setup(hostile_entries_are_shown_as_text, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
