/* What a worker tells of itself over HTTP: its counts are those of its messages, what the server
 * tells is right or left out, and its health is said while the server is there and while it is not.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ev.h>

#include "support/ports.h"
#include "support/proxy.h"
#include "support/scrape.h"
#include "support/work_service.h"

#define WORK "work"
#define READER "reader"
#define VIEW "view"
#define SERVED OPTIONS("--metrics", "127.0.0.1:0")
#define MESSAGES(type, outcome)                                                                    \
    "weir_messages_total{service=\"work\",type=\"" type "\",outcome=\"" outcome "\"}"
#define HANDLER(part, type, bound)                                                                 \
    "weir_handler_seconds_" part "{service=\"work\",type=\"" type "\"" bound "}"
#define OF(name, service) name "{service=\"" service "\"}"
#define OF_STREAM(name, service, stream) name "{service=\"" service "\",stream=\"" stream "\"}"

static struct test_server server;

static enum weir_outcome on_event(weir_context *context, const weir_message *message)
{
    (void)context;
    (void)message;
    return WEIR_DONE;
}

/* Waits for 300 ms, and decides when it is called again. */
static void on_waited(int revents, void *deferral)
{
    (void)revents;
    weir_finish(deferral, WEIR_AGAIN);
}

static enum weir_outcome wait_first(weir_context *context, const weir_message *message)
{
    weir_deferral *deferral = weir_resumed(context) ? NULL : weir_defer(context);
    (void)message;
    if (deferral != NULL)
        ev_once(weir_loop(context), -1, 0, 0.3, on_waited, deferral);
    return deferral != NULL ? WEIR_DEFERRED : WEIR_DONE;
}

/* An event without a number cannot be folded. */
static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    int64_t n;
    if (!weir_require_integer(context, "n", 0, 1000, &n))
        return WEIR_REJECT;
    weir_hincrby(context, "model:all", "count", 1);
    (void)message;
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service;
    service = strcmp(name, VIEW) == 0 ? weir_service_new(name) : test_work_service(name);
    if (strcmp(name, WORK) == 0)
        weir_on_command(service, "Wait", wait_first, NULL);
    if (strcmp(name, READER) == 0)
        weir_on_event(service, WORK, "Marked", on_event, NULL);
    if (strcmp(name, VIEW) == 0) {
        weir_project(service, "model", WORK, "Marked", fold, NULL);
        weir_project(service, "model", "silent", "Said", fold, NULL);
    }
    return service;
}

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    return 0;
}

/* ---- Counts ------------------------------------------------------------------------------------
 */

static void messages_are_counted_by_what_became_of_them(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", SERVED);
    for (int n = 0; n < 5; n++)
        test_send(&server, WORK, "Mark", "{\"n\":\"m%d\"}", n);
    test_send(&server, WORK, "Refuse", "{\"n\":\"r\",\"outcome\":\"reject\",\"times\":1}");
    test_send(&server, WORK, "Refuse",
              "{\"n\":\"a\",\"outcome\":\"retry\",\"times\":2,\"after\":1}");
    for (int n = 0; n < 20; n++) {
        char type[32];
        snprintf(type, sizeof(type), "Unknown%d", n);
        test_send(&server, WORK, type, "{}");
    }
    test_await_settled(&server, WORK);
    assert_true(test_metric(&one, MESSAGES("Mark", "done")) == 5);
    assert_true(test_metric(&one, MESSAGES("Mark", "dead")) == 0);
    assert_true(test_metric(&one, MESSAGES("Refuse", "dead")) == 1);
    assert_true(test_metric(&one, MESSAGES("Refuse", "retried")) == 2);
    assert_true(test_metric(&one, MESSAGES("Refuse", "done")) == 1);
    assert_true(test_metric(&one, MESSAGES("other", "dead")) == 20);
    assert_true(test_metric(&one, OF("weir_retries_total", WORK)) == 2);
    assert_true(test_metric(&one, OF("weir_fenced_total", WORK)) == 0);
    assert_true(test_metric(&one, OF("weir_dead_letters", WORK)) == 21);
    assert_true(test_metric(&one, "weir_handler_seconds_count{service=\"work\",type=\"Refuse\"}") ==
                4);
    assert_true(test_metric(&one, "weir_commit_seconds_count{service=\"work\",type=\"Mark\"}") ==
                5);
    assert_true(
        test_metric(&one, "weir_build_info{service=\"work\",version=\"" WEIR_VERSION "\"}") == 1);
    assert_false(test_page_is(&one, "/metrics", 200, "Unknown"));
    test_worker_end_well(&one);
}

/* Its commit was carried out, and is repeated: no other worker has had a part in that. */
static void a_lost_answer_is_no_fence(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_commit", "lost", PROXY_CUT_AFTER});
    struct test_worker one = test_worker_launch(proxy.url, WORK, "one", SERVED);
    test_send(&server, WORK, "Mark", "{\"n\":\"lost\"}");
    test_proxy_await(&proxy);
    AWAIT(test_metric(&one, MESSAGES("Mark", "unknown")) == 1);
    assert_true(test_metric(&one, MESSAGES("Mark", "done")) == 0);
    assert_true(test_metric(&one, OF("weir_fenced_total", WORK)) == 0);
    test_send(&server, WORK, "Mark", "{\"n\":\"heard\"}");
    AWAIT(test_metric(&one, MESSAGES("Mark", "done")) == 1);
    assert_true(test_metric(&one, "weir_commit_seconds_count{service=\"work\",type=\"Mark\"}") ==
                2);
    test_worker_end_well(&one);
    test_proxy_stop(&proxy);
}

/* A deferred handler's time is that until its outcome. */
static void handlers_and_take_overs_are_measured(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    test_send(&server, WORK, "Crash", "{\"n\":\"c\",\"times\":1}");
    test_worker_await_end(&one);
    struct test_worker two = test_worker_start(
        &server, WORK, "two", OPTIONS("--metrics", "127.0.0.1:0", "--claim-idle", "200ms"));
    test_send(&server, WORK, "Defer", "{\"n\":\"d\",\"ms\":300}");
    test_send(&server, WORK, "Wait", "{}");
    test_await_settled(&server, WORK);
    assert_true(test_metric(&two, OF("weir_claimed_total", WORK)) == 1);
    assert_true(test_metric(&two, MESSAGES("Crash", "done")) == 1);
    /* 300 ms from when the loop last looked at the clock */
    assert_true(test_metric(&two, HANDLER("sum", "Defer", "")) >= 0.05);
    assert_true(test_metric(&two, HANDLER("bucket", "Defer", ",le=\"0.05\"")) == 0);
    assert_true(test_metric(&two, HANDLER("count", "Defer", "")) == 1);
    assert_true(test_metric(&two, HANDLER("bucket", "Wait", ",le=\"0.05\"")) == 0);
    assert_true(test_metric(&two, HANDLER("count", "Wait", "")) == 1);
    test_worker_end_well(&two);
}

/* ---- What the server tells ---------------------------------------------------------------------
 */

static long long server_ms(void)
{
    return 1000 * test_ask_integer(&server, "EVAL %s 0", "return tonumber(redis.call('TIME')[1])");
}

static void what_waits_is_told_as_the_server_has_it(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(
        &server, WORK, "one", OPTIONS("--metrics", "127.0.0.1:0", "--concurrency", "1"));
    assert_true(test_metric(&one, OF_STREAM("weir_oldest_seconds", WORK, "{work}:commands")) == 0);
    /* What waits was written a while ago, by the id of its entry. */
    long long now =
        test_ask_integer(&server, "EVAL %s 0", "local t = redis.call('TIME') return t[1] * 1000");
    for (int n = 0; n < 3; n++)
        test_do(&server, "XADD {work}:commands %lld-%d type Defer data %s", now - 100000, n + 1,
                "{\"n\":\"d\",\"ms\":60000}");
    test_do(&server, "XADD {work}:commands * type Mark delay 600000 data {}");
    AWAIT(test_pending(&server, WORK) == 1);
    AWAIT(test_metric(&one, OF_STREAM("weir_backlog", WORK, "{work}:commands")) == 4);
    assert_true(test_metric(&one, OF_STREAM("weir_pending", WORK, "{work}:commands")) == 1);
    double age = test_metric(&one, OF_STREAM("weir_oldest_seconds", WORK, "{work}:commands"));
    assert_true(age >= 99 && age < 200);
    assert_true(test_metric(&one, OF("weir_scheduled", WORK)) == 0);
    /* A key of another kind cannot be told; the rest can. */
    test_do(&server, "SET {work}:scheduled text");
    test_do(&server, "ZADD {work}:other 1 a");
    AWAIT(test_metric(&one, OF("weir_scheduled", WORK)) == -1);
    assert_true(test_metric(&one, OF_STREAM("weir_backlog", WORK, "{work}:commands")) == 4);
    test_worker_end(&one, SIGKILL);
}

#define EVENTS(name) OF_STREAM(name, READER, "{work}:events")

static void assert_old(const struct test_worker *worker, double at_least)
{
    double age = test_metric(worker, EVENTS("weir_oldest_seconds"));
    assert_true(age >= at_least - 1 && age < at_least + 40);
}

/* Others read the same events: what this service has not read is told by its group. */
static void a_subscription_is_told_by_its_own_group(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(
        &server, READER, "one",
        OPTIONS("--metrics", "127.0.0.1:0", "--claim-idle", "1h", "--concurrency", "1"));
    assert_true(test_metric(&one, EVENTS("weir_backlog")) == 0);
    assert_true(test_metric(&one, EVENTS("weir_oldest_seconds")) == 0);
    /* It has its hands full with something else, and reads none of what comes. */
    test_send(&server, READER, "Defer", "{\"n\":\"d\",\"ms\":60000}");
    AWAIT(test_pending(&server, READER) == 1);
    long long now = server_ms();
    test_do(&server, "XADD {work}:events %lld-1 type Marked data {}", now - 300000);
    test_do(&server, "XADD {work}:events %lld-1 type Marked data {}", now - 200000);
    test_do(&server, "XADD {work}:events %lld-1 type Marked data {}", now - 100000);
    AWAIT(test_metric(&one, EVENTS("weir_backlog")) == 3);
    assert_true(test_metric(&one, EVENTS("weir_pending")) == 0);
    assert_old(&one, 300);
    test_do(&server, "XREADGROUP GROUP reader other COUNT 1 STREAMS {work}:events >");
    AWAIT(test_metric(&one, EVENTS("weir_pending")) == 1);
    assert_true(test_metric(&one, EVENTS("weir_backlog")) == 3);
    assert_old(&one, 300);
    test_do(&server, "XACK {work}:events reader %lld-1", now - 300000);
    AWAIT(test_metric(&one, EVENTS("weir_backlog")) == 2);
    assert_old(&one, 200);
    /* Behind a move by hand the server does not know how many there are, but which is the next. */
    test_do(&server, "XGROUP SETID {work}:events reader %lld-1", now - 200000);
    AWAIT(test_metric(&one, EVENTS("weir_backlog")) == -1);
    assert_true(test_metric(&one, EVENTS("weir_pending")) == 0);
    assert_old(&one, 100);
    test_worker_end(&one, SIGKILL);
}

static void a_projection_tells_how_far_it_is_behind(void **state)
{
    const char *lag = "weir_projection_lag{service=\"view\",projection=\"model\",source=\"work\"}";
    const char *silent =
        "weir_projection_lag{service=\"view\",projection=\"model\",source=\"silent\"}";
    const char *applied = "weir_projection_events_total{service=\"view\",projection=\"model\"}";
    (void)state;
    struct test_worker one = test_worker_start(&server, VIEW, "one", SERVED);
    test_do(&server, "XADD {work}:events 1-1 type Marked data %s", "{\"n\":1}");
    test_do(&server, "XADD {work}:events 2-1 type Marked data %s", "{\"n\":2}");
    AWAIT(test_number(&server, "{view}:model:all", "count") == 2);
    AWAIT(test_metric(&one, lag) == 0);
    assert_true(test_metric(&one, silent) == 0);
    assert_true(test_metric(&one, applied) == 2);
    test_do(&server, "XADD {work}:events 3-1 type Marked data {}");
    AWAIT(test_metric(&one, lag) > 1e6);
    assert_true(test_metric(&one, silent) == 0);
    test_worker_end_well(&one);
}

/* ---- Health ------------------------------------------------------------------------------------
 */

static void the_server_may_be_down(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", SERVED);
    test_send(&server, WORK, "Mark", "{\"n\":\"m\"}");
    test_await_settled(&server, WORK);
    AWAIT(test_page_is(&one, "/readyz", 200, "ok\n"));
    assert_true(test_page_is(&one, "/healthz", 200, "ok\n"));
    test_server_stop(&server, SIGKILL);
    AWAIT(test_page_is(&one, "/readyz", 503, "no connection to unix://"));
    assert_true(test_page_is(&one, "/healthz", 200, "ok\n")); /* it was heard of a moment ago */
    assert_true(test_metric(&one, MESSAGES("Mark", "done")) == 1);
    AWAIT(test_metric(&one, OF("weir_dead_letters", WORK)) == -1);
    assert_true(test_metric(&one, OF_STREAM("weir_backlog", WORK, "{work}:commands")) == -1);
    test_server_restart(&server, 0);
    AWAIT(test_page_is(&one, "/readyz", 200, "ok\n"));
    AWAIT(test_metric(&one, OF("weir_dead_letters", WORK)) == 0);
    assert_true(test_metric(&one, "weir_reconnects_total{service=\"work\",link=\"commands\"}") >=
                1);
    test_worker_end_well(&one);
}

static void the_server_may_hang(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", SERVED);
    AWAIT(test_metric(&one, OF("weir_dead_letters", WORK)) == 0);
    test_server_freeze(&server);
    AWAIT(test_metric(&one, OF("weir_dead_letters", WORK)) == -1);
    assert_true(test_metric(&one, OF("weir_dead_letters", WORK)) == -1); /* behind the first one */
    assert_int_equal(test_worker_logged(&one, "link.lost"), 0); /* they did not wait for that */
    test_server_thaw(&server);
    AWAIT(test_metric(&one, OF("weir_dead_letters", WORK)) == 0);
    test_worker_end_well(&one);
}

static void the_server_may_be_no_master(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", SERVED);
    test_do(&server, "REPLICAOF 127.0.0.1 1");
    AWAIT(test_page_is(&one, "/readyz", 503, "master"));
    test_do(&server, "REPLICAOF NO ONE");
    AWAIT(test_page_is(&one, "/readyz", 200, "ok\n"));
    test_worker_end_well(&one);
}

static void the_function_library_may_be_missing(void **state)
{
    (void)state;
    test_do(&server, "FUNCTION FLUSH");
    test_do(&server, "CONFIG SET maxmemory 1");
    struct test_worker one = test_worker_launch(server.url, WORK, "one", SERVED);
    AWAIT(test_page_is(&one, "/readyz", 503, "the function library is not on unix://"));
    test_do(&server, "CONFIG SET maxmemory 0");
    AWAIT(test_page_is(&one, "/readyz", 200, "ok\n"));
    test_worker_end_well(&one);
}

static void one_that_stops_is_not_ready(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", SERVED);
    test_send(&server, WORK, "Defer", "{\"n\":\"d\",\"ms\":1500}");
    AWAIT(test_pending(&server, WORK) == 1);
    kill(one.pid, SIGTERM);
    AWAIT(test_page_is(&one, "/readyz", 503, "stopping"));
    assert_true(test_page_is(&one, "/healthz", 200, "ok\n"));
    assert_int_equal(test_worker_await_end(&one), 0);
    assert_int_equal(test_number(&server, "{work}:marks", "d"), 1);
}

static void other_paths_are_not_there(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", SERVED);
    assert_true(test_page_is(&one, "/", 404, "/metrics, /healthz"));
    assert_true(test_page_is(&one, "/metrics/x", 404, ""));
    assert_true(test_page_is(&one, "/metrics?name[]=a", 200, "weir_build_info"));
    test_worker_end_well(&one);
}

/* ---- The option --------------------------------------------------------------------------------
 */

static void assert_refused(const char *address, int code, const char *sentence)
{
    struct test_worker one =
        test_worker_launch(server.url, WORK, "one", OPTIONS("--metrics", address));
    assert_int_equal(test_worker_await_end(&one), code);
    assert_int_equal(test_worker_logged(&one, sentence), 1);
}

static void an_address_that_cannot_be_had_is_said_at_once(void **state)
{
    char taken[32];
    int port, listening = test_listen(&port);
    (void)state;
    assert_true(listening >= 0);
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", port);
    assert_refused(taken, 71, "--metrics: cannot listen at 127.0.0.1 port");
    assert_refused("9100", 64, "--metrics: \"9100\" is not an address");
    assert_refused("127.0.0.1:65536", 64, "--metrics: ");
}

static void nothing_listens_unless_asked(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    assert_int_equal(test_worker_logged(&one, "metrics.listening"), 0);
    test_worker_end_well(&one);
    setenv("WEIR_METRICS", "127.0.0.1:0", 1);
    one = test_worker_start(&server, WORK, "one", NULL);
    unsetenv("WEIR_METRICS");
    assert_true(test_page_is(&one, "/healthz", 200, "ok\n"));
    test_worker_end_well(&one);
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_are_counted_by_what_became_of_them),
        TEST(a_lost_answer_is_no_fence),
        TEST(handlers_and_take_overs_are_measured),
        TEST(what_waits_is_told_as_the_server_has_it),
        TEST(a_subscription_is_told_by_its_own_group),
        TEST(a_projection_tells_how_far_it_is_behind),
        TEST(the_server_may_be_down),
        TEST(the_server_may_hang),
        TEST(the_server_may_be_no_master),
        TEST(the_function_library_may_be_missing),
        TEST(one_that_stops_is_not_ready),
        TEST(other_paths_are_not_there),
        TEST(an_address_that_cannot_be_had_is_said_at_once),
        TEST(nothing_listens_unless_asked),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
