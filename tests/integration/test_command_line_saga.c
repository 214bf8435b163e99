/* The command line from outside: one saga, drawn on a terminal. */
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

/* Two branches side by side between a first and a last step. */
static const char order[] =
    "{\"name\":\"order\",\"version\":1,\"steps\":["
    "{\"name\":\"create\",\"service\":\"s\",\"command\":\"C\",\"compensation\":\"U\"},"
    "{\"name\":\"reserve\",\"service\":\"s\",\"command\":\"R\",\"compensation\":\"U\"},"
    "{\"name\":\"pay\",\"service\":\"s\",\"command\":\"P\",\"after\":[\"create\"]},"
    "{\"name\":\"send-a-notification-with-a-long-name\",\"service\":\"s\",\"command\":\"N\","
    "\"after\":[\"reserve\",\"pay\"]}]}";

static struct test_server server;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    setenv("TZ", "UTC", 1);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static void set(const char *field, const char *value)
{
    test_do(&server, "HSET {sagas}:saga:s1 %s %s", field, value);
}

static void set_step(const char *step, const char *state, int sent, int ended, const char *attempts)
{
    char field[96], value[32];
    snprintf(field, sizeof(field), "step:%s:state", step);
    set(field, state);
    snprintf(field, sizeof(field), "step:%s:attempts", step);
    set(field, attempts);
    snprintf(field, sizeof(field), "step:%s:sentAt", step);
    snprintf(value, sizeof(value), "%lld", 1700000000000LL + sent);
    set(field, value);
    snprintf(field, sizeof(field), "step:%s:endedAt", step);
    snprintf(value, sizeof(value), "%lld", 1700000000000LL + ended);
    set(field, value);
}

/* Compensated, in 1,000 ms: create was undone last. */
static int add_saga(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    test_do(&server, "HSET {sagas}:definition:order latest 1 1 %s", order);
    test_do(&server,
            "HSET {sagas}:saga:s1 definition order version 1 state compensated startedAt "
            "1700000000000 updatedAt 1700000001000 endedAt 1700000001000 revision 9 data {}");
    set("reason", "pay: refused");
    set_step("create", "compensated", 900, 1000, "1");
    set("step:create:compensationAttempts", "2");
    set_step("reserve", "compensated", 500, 900, "1");
    set("step:reserve:compensationAttempts", "1");
    set_step("pay", "failed", 0, 500, "3");
    set("step:pay:error", "refused\033[2J\n");
    set("step:send-a-notification-with-a-long-name:state", "skipped");
    return 0;
}

static struct test_run draw(int columns, const char *words)
{
    return run_on_terminal(columns, "NO_COLOR=1 LC_ALL=C.UTF-8", words);
}

/* The part of a line behind the step's name; "" where there is none. */
static const char *row_of(const char *out, const char *step)
{
    static char row[512];
    const char *at = strstr(out, step);
    snprintf(row, sizeof(row), "%.*s", at ? (int)strcspn(at, "\r\n") : 0, at ? at : "");
    return row;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static void draws_the_steps_over_time(void **state)
{
    (void)state;
    struct test_run run = draw(80, "saga s1");
    assert_in_range(longest_line(run.out), 60, 80);
    assert_non_null(strstr(run.out, "↺   create "));
    assert_non_null(strstr(run.out, "↺ ┌ reserve "));
    assert_non_null(strstr(run.out, "✗ └ pay "));
    assert_non_null(strstr(run.out, "»   send-a-notification-with-a-long-n"));
    assert_non_null(strstr(row_of(run.out, "create "), "compensated  1/2 "));
    /* Half the time it waited for its payment, and a tenth to undo the first step. */
    size_t pay = count_of(row_of(run.out, "pay  "), "█");
    size_t reserve = count_of(row_of(run.out, "reserve "), "▒");
    size_t create = count_of(row_of(run.out, "create "), "▒");
    assert_in_range(pay, 5, 20);
    assert_in_range(reserve, pay * 3 / 5, pay);
    assert_in_range(create, 1, pay * 2 / 5);
    assert_null(strpbrk(run.out, "\033"));
    assert_non_null(strstr(run.out, "    refused\\u001b[2J\\n"));
    test_run_close(&run);
}

static void fits_a_narrow_terminal(void **state)
{
    (void)state;
    set("reason", "pay: a rather long reason that needs more than one line of forty columns");
    struct test_run run = draw(40, "saga s1");
    assert_in_range(longest_line(run.out), 30, 40);
    assert_non_null(strstr(run.out, "forty columns\r\n"));
    assert_non_null(strstr(run.out, "✗ └ pay "));
    assert_true(count_of(row_of(run.out, "pay  "), "█") > 0);
    test_run_close(&run);
    run = draw(20, "saga s1");
    assert_non_null(strstr(run.out, "pay "));
    test_run_close(&run);
}

static void takes_letters_where_the_locale_has_no_more(void **state)
{
    (void)state;
    struct test_run run = run_on_terminal(80, "NO_COLOR=1 LC_ALL=C", "saga s1");
    for (const char *at = run.out; *at; at++)
        assert_true((unsigned char)*at < 0x80);
    assert_non_null(strstr(run.out, "x \\ pay "));
    assert_true(count_of(row_of(run.out, "pay  "), "#") > 4);
    test_run_close(&run);
}

static void long_results_are_cut_but_for_full(void **state)
{
    (void)state;
    char result[4200] = "{\"text\":\"";
    memset(result + 9, 'r', 4000);
    memcpy(result + 9 + 4000, "\"}", 3);
    set("step:create:result", result);
    struct test_run run = draw(80, "saga s1");
    assert_in_range(longest_line(run.out), 60, 80);
    assert_non_null(strstr(run.out, "weir: cut to fit; --full shows all"));
    test_run_close(&run);
    run = draw(80, "saga s1 --full");
    assert_non_null(strstr(run.out, result));
    assert_null(strstr(run.out, "cut to fit"));
    test_run_close(&run);
    expect_weir(0, result, NULL, WORDS("saga", "s1")); /* nor where it is piped */
}

static void a_step_that_goes_on_reaches_now(void **state)
{
    (void)state;
    set("state", "running");
    test_do(&server, "HDEL {sagas}:saga:s1 endedAt step:pay:endedAt");
    set("step:pay:state", "running");
    struct test_run run = draw(80, "saga s1");
    assert_non_null(strstr(run.out, "▸ └ pay "));
    assert_true(count_of(row_of(run.out, "pay  "), "░") > 10);
    test_run_close(&run);
}

static void the_definition_is_told_with_the_steps(void **state)
{
    (void)state;
    json_t *saga = ask_weir_json(0, WORDS("saga", "s1"));
    const json_t *pay = json_array_get(json_object_get(saga, "steps"), 2);
    assert_string_equal(shown_text(pay, "name"), "pay");
    assert_string_equal(shown_text(pay, "service"), "s");
    assert_string_equal(shown_text(pay, "kind"), "compensatable");
    const json_t *after = json_object_get(pay, "after");
    assert_int_equal(json_array_size(after), 1);
    assert_string_equal(json_string_value(json_array_get(after, 0)), "create");
    assert_true(json_is_null(json_object_get(pay, "signal")));
    json_decref(saga);
}

/* Times that make no sense draw something that makes none, within the lines. */
static void odd_times_stay_within_the_lines(void **state)
{
    (void)state;
    static const char *const times[] = {"-9223372036854775808", "9223372036854775807", "0", "x"};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        set("startedAt", times[i]);
        set("endedAt", times[(i + 1) % 4]);
        set("step:pay:sentAt", times[(i + 2) % 4]);
        set("step:pay:endedAt", times[(i + 3) % 4]);
        struct test_run run = draw(80, "saga s1");
        assert_in_range(longest_line(run.out), 30, 80);
        test_run_close(&run);
    }
    set("step:pay:state", "\033[31m");
    struct test_run run = draw(80, "saga s1");
    assert_null(strchr(run.out, '\033'));
    test_run_close(&run);
    /* Without its definition nothing is known of what runs side by side. */
    test_do(&server, "DEL {sagas}:definition:order");
    run = draw(80, "saga s1");
    assert_null(strstr(run.out, "┌"));
    assert_non_null(strstr(run.out, "pay "));
    test_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(draws_the_steps_over_time, add_saga),
        cmocka_unit_test_setup(fits_a_narrow_terminal, add_saga),
        cmocka_unit_test_setup(takes_letters_where_the_locale_has_no_more, add_saga),
        cmocka_unit_test_setup(long_results_are_cut_but_for_full, add_saga),
        cmocka_unit_test_setup(a_step_that_goes_on_reaches_now, add_saga),
        cmocka_unit_test_setup(the_definition_is_told_with_the_steps, add_saga),
        cmocka_unit_test_setup(odd_times_stay_within_the_lines, add_saga),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
