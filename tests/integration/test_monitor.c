/* What a program with a desk tells of itself: what it has asked is counted by what came of it, its
 * readiness follows its own word and the server, and a sign of life is given for both its loop and
 * its desk only. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "call/desk.h"
#include "support/manager.h"
#include "support/ports.h"
#include "support/scrape.h"
#include "support/work_service.h"

#define LONG_MS 15000
#define SHORT_MS 50
#define CALLS(kind, outcome)                                                                       \
    "weir_calls_total{service=\"door\",kind=\"" kind "\",outcome=\"" outcome "\"}"

static struct test_server server;
static struct test_worker work;
static weir_desk *desk;
static weir_journal *journal;
static weir_monitor *monitor;
static int port;
static atomic_int answered, last_result;

/* ---- The program --------------------------------------------------------------------------- */

static void open_monitor_of(const char *url)
{
    char why[256] = "", address[32];
    port = test_free_port();
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    desk = weir_desk_open(url, NULL, 10, why, sizeof(why));
    journal = weir_journal_open("door", "info", "text", why, sizeof(why));
    assert_non_null(desk);
    assert_non_null(journal);
    monitor = weir_monitor_open("door", address, desk, journal, why, sizeof(why));
    if (monitor == NULL)
        fail_msg("%s", why);
}

static void open_monitor(void)
{
    open_monitor_of(server.url);
}

static void close_monitor(void)
{
    weir_monitor_close(monitor);
    weir_desk_close(desk);
    weir_journal_close(journal);
    monitor = NULL;
    desk = NULL;
    journal = NULL;
}

static void on_call(void *user, enum weir_call_result result, const struct weir_call_answer *answer)
{
    (void)user, (void)answer;
    last_result = (int)result;
    answered++;
}

static void begin_call(int64_t limit_ms)
{
    json_t *data = json_pack("{s:s}", "n", "a");
    struct weir_command_call mark = {
        .service = "work", .type = "Mark", .data = data, .limit_ms = limit_ms};
    assert_true(weir_desk_call(desk, &mark, on_call, NULL));
    json_decref(data);
}

static void call(enum weir_call_result wanted, int64_t limit_ms)
{
    int before = answered;
    begin_call(limit_ms);
    AWAIT(answered == before + 1);
    assert_int_equal(last_result, (int)wanted);
}

static void on_laid_down(void *user, const char *text, const char *reason)
{
    (void)user, (void)text, (void)reason;
    answered++;
}

static bool page_is(const char *path, int status, const char *part)
{
    struct test_page page = test_page_get_at(port, path);
    bool is = page.status == status && strstr(page.text, part) != NULL;
    test_page_close(&page);
    return is;
}

/* What was collected is told for a second. */
static bool metric_is(const char *series, double value)
{
    struct test_page page = test_page_get_at(port, "/metrics");
    bool is = test_page_metric(&page, series) == value;
    test_page_close(&page);
    return is;
}

static bool is_not_told(const char *name)
{
    struct test_page page = test_page_get_at(port, "/metrics");
    bool is = page.status == 200 && !strstr(page.text, name);
    test_page_close(&page);
    return is;
}

/* ---- Set-up -------------------------------------------------------------------------------- */

static weir_service *make_service(const char *name)
{
    return test_work_service(name);
}

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    work = test_worker_start(&server, "work", "w1", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (monitor != NULL)
        close_monitor();
    test_workers_clear();
    test_manager_end();
    return 0;
}

/* ---- Figures ------------------------------------------------------------------------------- */

static void what_is_asked_is_counted(void **state)
{
    (void)state;
    open_monitor();
    for (int i = 0; i < 3; i++)
        call(WEIR_CALL_DONE, LONG_MS);
    kill(work.pid, SIGSTOP);
    call(WEIR_CALL_UNKNOWN, SHORT_MS);
    kill(work.pid, SIGCONT);
    assert_true(weir_desk_lay_down(desk, "door", "key", "text", 1000, LONG_MS, on_laid_down, NULL));
    AWAIT(metric_is(CALLS("lay_down", "answered"), 1));
    assert_true(metric_is(CALLS("call", "answered"), 3));
    assert_true(metric_is(CALLS("call", "timed-out"), 1));
    assert_true(metric_is(CALLS("start", "answered"), 0)); /* that there are none is told, too */
    assert_true(metric_is("weir_call_seconds_count{service=\"door\",kind=\"call\"}", 4));
    assert_true(
        metric_is("weir_call_seconds_bucket{service=\"door\",kind=\"call\",le=\"+Inf\"}", 4));
    AWAIT(metric_is("weir_calls_in_hand{service=\"door\"}", 0));
    assert_true(metric_is("weir_build_info{service=\"door\",version=\"" WEIR_VERSION "\"}", 1));
    kill(work.pid, SIGSTOP);
    begin_call(LONG_MS);
    AWAIT(metric_is("weir_calls_in_hand{service=\"door\"}", 1));
}

static void lost_connections_are_counted(void **state)
{
    (void)state;
    open_monitor();
    weir_monitor_ready(monitor);
    AWAIT(page_is("/readyz", 200, "ok\n"));
    AWAIT(metric_is("weir_reconnects_total{service=\"door\",link=\"desk\"}", 0));
    test_server_stop(&server, SIGTERM);
    AWAIT(page_is("/readyz", 503, "no connection"));
    call(WEIR_CALL_UNKNOWN, LONG_MS);
    test_server_restart(&server, 0);
    AWAIT(metric_is("weir_reconnects_total{service=\"door\",link=\"desk\"}", 1));
    assert_true(metric_is(CALLS("call", "unreachable"), 1));
}

static void a_program_has_metrics_of_its_own(void **state)
{
    static const struct weir_metric seen = {
        WEIR_METRIC_COUNTER, "door_seen_total", "Who was seen.", {"who", "how"}};
    static const struct weir_metric open = {WEIR_METRIC_GAUGE, "door_open", "1: it is open.", {0}};
    static const struct weir_metric took = {
        WEIR_METRIC_SECONDS, "door_seconds", "How long it took.", {"who"}};
    (void)state;
    open_monitor();
    weir_monitor_measure(monitor, &seen, (const char *const[]){"tom", "well"}, 1);
    weir_monitor_measure(monitor, &seen, (const char *const[]){"tom", "well"}, 2);
    weir_monitor_measure(monitor, &seen, (const char *const[]){"eve", "\"ill\""}, 1);
    weir_monitor_measure(monitor, &open, NULL, 7);
    weir_monitor_measure(monitor, &open, NULL, 0.5);
    weir_monitor_measure(monitor, &took, (const char *const[]){"tom"}, 0.002);
    weir_monitor_measure(monitor, &took, (const char *const[]){"tom"}, 0.75);
    assert_true(metric_is("door_seen_total{who=\"tom\",how=\"well\"}", 3));
    assert_true(metric_is("door_seen_total{who=\"eve\",how=\"\\\"ill\\\"\"}", 1));
    assert_true(metric_is("door_open", 0.5));
    assert_true(metric_is("door_seconds_bucket{who=\"tom\",le=\"0.0025\"}", 1));
    assert_true(metric_is("door_seconds_bucket{who=\"tom\",le=\"1\"}", 2));
    assert_true(metric_is("door_seconds_sum{who=\"tom\"}", 0.752));
    for (int i = 0; i < 300; i++) {
        char who[16];
        snprintf(who, sizeof(who), "who-%d", i);
        weir_monitor_measure(monitor, &took, (const char *const[]){who}, 1);
    }
    assert_true(metric_is("door_seconds_count{who=\"other\"}", 45)); /* but for 255, and tom */
}

/* Nothing that a program measures costs it more than that figure. */
static void what_cannot_be_counted_is_left_out(void **state)
{
    static const struct weir_metric seen = {
        WEIR_METRIC_COUNTER, "door_seen_total", "Who was seen.", {"who"}};
    static const struct weir_metric open = {WEIR_METRIC_GAUGE, "door_open", "1: it is open.", {0}};
    static const struct weir_metric took = {
        WEIR_METRIC_SECONDS, "door_seconds", "How long it took.", {"who"}};
    static const struct weir_metric other_kind = {
        WEIR_METRIC_SECONDS, "door_seen_total", "Who was seen.", {"who"}};
    static const struct weir_metric other_labels = {
        WEIR_METRIC_COUNTER, "door_seen_total", "Who was seen.", {"who", "how"}};
    static const double odd[] = {-1, NAN, -INFINITY};
    const char *const tom[] = {"tom", "well"};
    (void)state;
    open_monitor();
    weir_monitor_measure(monitor, &seen, tom, 2);
    weir_monitor_measure(monitor, &took, tom, 0.5);
    weir_monitor_measure(monitor, &open, NULL, -3);
    for (int i = 0; i < 3; i++) {
        weir_monitor_measure(monitor, &seen, tom, odd[i]);
        weir_monitor_measure(monitor, &took, tom, odd[i]);
    }
    weir_monitor_measure(monitor, &open, NULL, NAN);
    weir_monitor_measure(monitor, &other_kind, tom, 1);
    weir_monitor_measure(monitor, &other_labels, tom, 1);
    assert_true(metric_is("door_seen_total{who=\"tom\"}", 2));
    assert_true(metric_is("door_seconds_count{who=\"tom\"}", 1));
    assert_true(metric_is("door_seconds_sum{who=\"tom\"}", 0.5));
    assert_true(metric_is("door_open", -3));
    weir_monitor_measure(monitor, &took, (const char *const[]){"eve"}, 1e300);
    weir_monitor_measure(monitor, &seen, (const char *const[]){"eve"}, 1e300);
    assert_true(metric_is("door_seconds_bucket{who=\"eve\",le=\"30\"}", 0));
    assert_true(metric_is("door_seconds_count{who=\"eve\"}", 1));
    assert_true(metric_is("door_seen_total{who=\"eve\"}", (double)INT64_MAX));
}

/* ---- Health -------------------------------------------------------------------------------- */

static void it_is_ready_while_it_says_so_and_the_server_is_there(void **state)
{
    (void)state;
    open_monitor();
    assert_true(page_is("/readyz", 503, "it does not take requests yet\n"));
    assert_true(page_is("/healthz", 200, "ok\n"));
    weir_monitor_ready(monitor);
    AWAIT(page_is("/readyz", 200, "ok\n"));
    test_server_stop(&server, SIGTERM);
    AWAIT(page_is("/readyz", 503, "no connection to unix://"));
    assert_true(page_is("/healthz", 200, "ok\n")); /* it was heard of a moment ago */
    test_server_restart(&server, 0);
    AWAIT(page_is("/readyz", 200, "ok\n"));
    test_do(&server, "REPLICAOF 127.0.0.1 1");
    AWAIT(page_is("/readyz", 503, "this server is a replica"));
    test_do(&server, "REPLICAOF NO ONE");
    AWAIT(page_is("/readyz", 200, "ok\n"));
    weir_monitor_stop(monitor);
    assert_true(page_is("/readyz", 503, "stopping"));
    assert_true(is_not_told("weir_calls_in_hand"));
    weir_desk_close(desk); /* before the monitor: what it told stands */
    desk = NULL;
    assert_true(page_is("/healthz", 200, "ok\n"));
    assert_true(metric_is("weir_build_info{service=\"door\",version=\"" WEIR_VERSION "\"}", 1));
}

/* A user who may hardly do anything can tell that it is there. */
static void a_role_that_is_not_told_is_no_trouble(void **state)
{
    char url[TEST_PATH_MAX + 32], why[256];
    (void)state;
    test_do(&server, "ACL SETUSER mean on >word ~* +@all -role");
    snprintf(url, sizeof(url), "unix://mean:word@%s", server.socket);
    open_monitor();
    close_monitor();
    desk = weir_desk_open(url, NULL, 10, why, sizeof(why));
    journal = weir_journal_open("door", "info", "text", why, sizeof(why));
    snprintf(url, sizeof(url), "127.0.0.1:%d", port);
    monitor = weir_monitor_open("door", url, desk, journal, why, sizeof(why));
    weir_monitor_ready(monitor);
    AWAIT(page_is("/readyz", 200, "ok\n"));
}

static void an_address_that_is_taken_opens_none(void **state)
{
    char why[256] = "", address[32];
    int taken, listening = test_listen(&taken);
    (void)state;
    open_monitor();
    snprintf(address, sizeof(address), "127.0.0.1:%d", taken);
    assert_null(weir_monitor_open("door", address, desk, journal, why, sizeof(why)));
    assert_ptr_equal(strstr(why, "cannot listen at 127.0.0.1 port"), why);
    assert_null(weir_monitor_open("door", "x", desk, journal, why, sizeof(why)));
    weir_monitor_close(NULL);
    close(listening);
}

/* ---- The service manager ------------------------------------------------------------------- */

static void the_manager_is_told(void **state)
{
    (void)state;
    test_manager_begin("@weir-test-monitor", "4000000");
    test_server_stop(&server, SIGTERM);
    open_monitor();
    AWAIT(test_manager_heard("STATUS=waiting for unix://"));
    weir_monitor_ready(monitor);
    assert_false(test_manager_heard("READY=1")); /* not without a server */
    test_server_restart(&server, 0);
    AWAIT(test_manager_heard("READY=1\n") && test_manager_heard("STATUS=connected to unix://"));
    assert_false(test_manager_heard("STOPPING=1"));
    weir_monitor_stop(monitor);
    assert_true(test_manager_heard("STOPPING=1\nSTATUS=stopping\n"));
}

static void both_have_to_live(void **state)
{
    (void)state;
    test_manager_begin("@weir-test-monitor", "200000");
    open_monitor();
    for (int before = test_manager_beats(); test_manager_beats() < before + 5; test_pause())
        weir_monitor_beat(monitor);
    test_server_freeze(&server); /* the desk waits for it, in order */
    for (int before = test_manager_beats(); test_manager_beats() < before + 2; test_pause())
        weir_monitor_beat(monitor);
    test_server_thaw(&server);
    int before = test_manager_beats(); /* one that was due may still come */
    for (long long end = test_now() + 1000; test_now() < end; test_pause())
        assert_in_range(test_manager_beats(), before, before + 1);
    for (before = test_manager_beats(); test_manager_beats() < before + 2; test_pause())
        weir_monitor_beat(monitor);
}

/* Many services stop at once. */
static void a_busy_manager_hears_of_the_end(void **state)
{
    (void)state;
    test_manager_begin("@weir-test-monitor", "4000000");
    open_monitor();
    weir_monitor_ready(monitor);
    AWAIT(test_manager_heard("READY=1\n") && test_manager_heard("STATUS=connected"));
    test_manager_overwhelm();
    weir_monitor_stop(monitor);
    AWAIT(test_manager_heard("STOPPING=1\n") && test_manager_heard("STATUS=stopping\n"));
}

static bool has_beaten(int before, int times)
{
    weir_monitor_beat(monitor);
    return test_manager_beats() >= before + times;
}

/* Each takes a second, and the desk's thread waits for all of them. */
static void silent_sentinels_end_nobody(void **state)
{
    char url[600] = "redis-sentinel://";
    int silent, listening = test_listen(&silent);
    (void)state;
    for (int i = 0; i < 30; i++)
        snprintf(url + strlen(url), sizeof(url) - strlen(url), "%s127.0.0.1:%d", i > 0 ? "," : "",
                 silent);
    strcat(url, "/shop");
    test_manager_begin("@weir-test-monitor", "400000");
    open_monitor_of(url);
    weir_monitor_ready(monitor);
    int before = test_manager_beats();
    AWAIT(has_beaten(before, 5));
    assert_true(weir_desk_connects(desk)); /* it still asks them */
    close(listening);
}

int main(int argc, char **argv)
{
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_is_asked_is_counted),
        CASE(lost_connections_are_counted),
        CASE(a_program_has_metrics_of_its_own),
        CASE(what_cannot_be_counted_is_left_out),
        CASE(it_is_ready_while_it_says_so_and_the_server_is_there),
        CASE(a_role_that_is_not_told_is_no_trouble),
        CASE(an_address_that_is_taken_opens_none),
        CASE(the_manager_is_told),
        CASE(both_have_to_live),
        CASE(a_busy_manager_hears_of_the_end),
        CASE(silent_sentinels_end_nobody),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
