/* Events that a service subscribes to: each is handled once for the whole service, and none is
 * trimmed before everybody has passed it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"     /* publishes Marked */
#define READER "reader" /* subscribes to it */
#define VIEW "view"     /* folds it */
#define QUICK "--claim-idle", "300ms", "--retry-base", "10ms"

static struct test_server server;

/* ---- The services -------------------------------------------------------------------------- */

static const char *n_of(const weir_message *message)
{
    const char *n = json_string_value(json_object_get(weir_message_data(message), "n"));
    return n ? n : "";
}

static enum weir_outcome on_marked(weir_context *context, const weir_message *message)
{
    const char *n = n_of(message);
    weir_hincrby(context, "seen", n, 1);
    weir_hset_integer(context, "deliveries", n, weir_message_deliveries(message));
    if (strcmp(n, "reject") == 0) {
        weir_reason(context, "not wanted");
        return WEIR_REJECT;
    }
    return strcmp(n, "retry") == 0 && weir_message_deliveries(message) < 3 ? WEIR_RETRY : WEIR_DONE;
}

/* Only sees its own commands, never the events that come back under the same type. */
static enum weir_outcome on_command(weir_context *context, const weir_message *message)
{
    weir_hincrby(context, "commanded", n_of(message), 1);
    return WEIR_DONE;
}

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "total", "events", 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    if (strcmp(name, WORK) == 0)
        return test_work_service(name);
    weir_service *service = weir_service_new(name);
    if (strcmp(name, READER) == 0) {
        weir_on_event(service, WORK, "Marked", on_marked, NULL);
        weir_on_command(service, "Marked", on_command, NULL);
    } else {
        weir_project(service, "all", WORK, "Marked", fold, NULL);
    }
    return service;
}

/* ---- The tests ----------------------------------------------------------------------------- */

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

static struct test_worker start_reader(const char *consumer)
{
    return test_worker_start(&server, READER, consumer, OPTIONS(QUICK));
}

static long long pending_events(const char *group)
{
    redisReply *reply = test_ask(&server, "XPENDING {work}:events %s", group);
    long long pending = reply->element[0]->integer;
    freeReplyObject(reply);
    return pending;
}

static void publish(const char *n)
{
    test_do(&server, "XADD {work}:events * type Marked source work data {\"n\":\"%s\"}", n);
}

static void two_processes_handle_each_event_once(void **state)
{
    (void)state;
    struct test_worker publisher = test_worker_start(&server, WORK, "publisher", NULL);
    struct test_worker one = start_reader("one"), two = start_reader("two");
    test_send_many(&server, WORK, "Mark", "", 0, 1000, NULL);
    assert_int_equal(test_worker_end(&two, SIGKILL), 128 + SIGKILL);
    two = start_reader("three");
    test_send_many(&server, WORK, "Mark", "", 1000, 1000, NULL);
    test_do(&server, "CLIENT KILL TYPE normal");
    AWAIT(test_ask_integer(&server, "HLEN {reader}:seen") == 2000);
    AWAIT(pending_events(READER) == 0);
    assert_int_equal(test_others(&server, "{reader}:seen", "1"), 0);
    assert_int_equal(test_dead(&server, READER), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 2000); /* they stay */
    test_worker_end_well(&publisher);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

static void reads_what_was_published_before(void **state)
{
    (void)state;
    publish("before");
    struct test_worker one = start_reader("one");
    publish("after");
    AWAIT(test_ask_integer(&server, "HLEN {reader}:seen") == 2);
    test_worker_end_well(&one);
}

static void a_rejected_event_goes_to_the_subscriber(void **state)
{
    (void)state;
    struct test_worker one = start_reader("one");
    publish("reject");
    test_do(&server, "XADD {work}:events * type Marked data nonsense");
    publish("last");
    AWAIT(test_number(&server, "{reader}:seen", "last") == 1 && test_dead(&server, READER) == 2);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_number(&server, "{reader}:seen", "reject"), 0);
    assert_string_equal(test_newest(&server, "{reader}:dead", "stream"), "{work}:events");
    assert_non_null(strstr(test_newest(&server, "{reader}:dead", "reason"), "data: "));
    AWAIT(pending_events(READER) == 0);
    test_worker_end_well(&one);
}

static void a_retried_event_comes_back_to_its_handler(void **state)
{
    (void)state;
    struct test_worker one = start_reader("one");
    publish("retry");
    AWAIT(test_number(&server, "{reader}:seen", "retry") == 1);
    test_await_settled(&server, READER);
    assert_int_equal(test_number(&server, "{reader}:deliveries", "retry"), 3);
    assert_int_equal(pending_events(READER), 0);
    assert_int_equal(test_dead(&server, READER), 0);
    test_send(&server, READER, "Marked", "{\"n\":\"own\"}");
    test_await_settled(&server, READER);
    assert_int_equal(test_number(&server, "{reader}:seen", "own"), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {reader}:commanded"), 1);
    test_worker_end_well(&one);
}

/* ---- Trimming ------------------------------------------------------------------------------ */

static long long events(void)
{
    return test_ask_integer(&server, "XLEN {work}:events");
}

/* A publisher trims when it starts. */
static void trim(void)
{
    struct test_worker trimmer =
        test_worker_start(&server, WORK, "trimmer", OPTIONS("--event-retention", "0ms"));
    AWAIT(test_ask_integer(&server, "HEXISTS {work}:workers trimmer") == 1);
    test_worker_end_well(&trimmer);
}

static void events_stay_until_everybody_has_passed(void **state)
{
    (void)state;
    struct test_worker reader = start_reader("one");
    struct test_worker view = test_worker_start(&server, VIEW, "view", NULL);
    AWAIT(test_ask_integer(&server, "HLEN {work}:readers") == 1);
    test_do(&server, "XGROUP CREATE {work}:events slow 0");
    kill(view.pid, SIGSTOP);
    for (int i = 0; i < 1000; i++)
        publish("x");
    AWAIT(test_number(&server, "{reader}:seen", "x") == 1000);
    trim();
    assert_int_equal(events(), 1000); /* neither the slow group nor the view has read them */
    freeReplyObject(test_ask(&server, "XREADGROUP GROUP slow s COUNT 600 STREAMS {work}:events >"));
    trim();
    assert_int_equal(events(), 1000); /* nor the view */
    kill(view.pid, SIGCONT);
    AWAIT(test_number(&server, "{view}:total", "events") == 1000);
    trim();
    assert_int_equal(events(), 1000); /* pending for the slow group */
    test_do(&server, "XGROUP SETID {work}:events slow $");
    test_do(&server, "XGROUP DELCONSUMER {work}:events slow s");
    AWAIT((publish("y"), trim(), events()) < 300); /* the view says how far it is now and then */
    assert_true(events() > 0);
    test_worker_end_well(&reader);
    test_worker_end_well(&view);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(two_processes_handle_each_event_once),
        CASE(reads_what_was_published_before),
        CASE(a_rejected_event_goes_to_the_subscriber),
        CASE(a_retried_event_comes_back_to_its_handler),
        CASE(events_stay_until_everybody_has_passed),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
