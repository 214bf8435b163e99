/* Events that change their shape: an older and a newer program of one service side by side, each
 * event handled once and in the newest shape that its program understands. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/worker.h"

#define SHOP "shop"     /* publishes Placed in version 2, Noted in none */
#define READER "reader" /* subscribes to Placed */
#define BROKEN "broken"
/* In the environment: the versions that a reader has upcasters from, such as "12". */
#define STEPS "WEIR_TEST_STEPS"
#define SOCKET "WEIR_TEST_SOCKET"
#define QUICK "--claim-idle", "300ms", "--retry-base", "10ms", "--max-deliveries", "3"

static struct test_server server;

/* ---- The services -------------------------------------------------------------------------- */

/* Each upcaster adds its letter to `way`. It has done so already when it refuses. */
static bool go(json_t *data, const char *letter)
{
    char way[16];
    const char *before = json_string_value(json_object_get(data, "way"));
    snprintf(way, sizeof(way), "%s%s", before ? before : "", letter);
    json_object_set_new(data, "way", json_string(way));
    if (json_object_get(data, "kills"))
        raise(SIGKILL);
    return json_object_get(data, "refused") == NULL;
}

/* `n` is called `name` from version 2 on: the key to load needs it. */
static bool from_1(json_t *data)
{
    json_object_set(data, "name", json_object_get(data, "n"));
    json_object_del(data, "n");
    return go(data, "a");
}

static bool from_2(json_t *data)
{
    return go(data, "b");
}

/* Somebody else writes what the first run has loaded. */
static void disturb(const char *key)
{
    static bool disturbed;
    redisContext *other = disturbed ? NULL : redisConnectUnix(getenv(SOCKET));
    if (!other)
        return;
    freeReplyObject(redisCommand(other, "HINCRBY %s times 10", key));
    redisFree(other);
    disturbed = true;
}

/* How often, with which data, of which version, delivered how often. */
static enum weir_outcome on_placed(weir_context *context, const weir_message *message)
{
    int64_t times = 0;
    char *text = json_dumps(weir_message_data(message), JSON_COMPACT | JSON_SORT_KEYS);
    weir_hget_integer(context, NULL, "times", &times);
    weir_hset_integer(context, NULL, "times", times + 1);
    weir_hset(context, NULL, "data", text);
    weir_hset_integer(context, NULL, "version", weir_message_version(message));
    weir_hset_integer(context, NULL, "deliveries", weir_message_deliveries(message));
    weir_note(context, "test.run", "data=%s", text);
    free(text);
    if (json_object_get(weir_message_data(message), "disturbed"))
        disturb("{reader}:order:disturbed");
    if (json_object_get(weir_message_data(message), "retried") &&
        weir_message_deliveries(message) < 2)
        return WEIR_RETRY;
    return WEIR_DONE;
}

static enum weir_outcome place(weir_context *context, const weir_message *message)
{
    weir_publish(context, "Placed", "p", "{s:s}", "name", "published");
    weir_publish_data(context, "Noted", NULL, weir_message_data(message));
    return WEIR_DONE;
}

static weir_service *make_reader(void)
{
    weir_service *service = weir_service_new(READER);
    const char *steps = getenv(STEPS) ? getenv(STEPS) : "";
    /* a program knows data by the shape of the newest version that it understands */
    weir_on_event(service, SHOP, "Placed", on_placed, *steps ? "order:{name}" : "order:{n}");
    weir_on_command(service, "Place", on_placed, "order:{name}");
    if (strchr(steps, '2'))
        weir_upcast(service, SHOP, "Placed", 2, from_2);
    if (strchr(steps, '1'))
        weir_upcast(service, SHOP, "Placed", 1, from_1);
    return service;
}

static weir_service *make(const char *name)
{
    weir_service *service;
    if (strcmp(name, READER) == 0)
        return make_reader();
    service = weir_service_new(name);
    weir_on_command(service, "Place", place, NULL);
    weir_event_version(service, "Placed", 2);
    if (strcmp(name, BROKEN) == 0)
        weir_event_version(service, "Placed", 3);
    return service;
}

/* ---- Helpers ------------------------------------------------------------------------------- */

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    setenv(SOCKET, server.socket, 1);
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

static struct test_worker start_reader(const char *consumer, const char *steps)
{
    setenv(STEPS, steps, 1);
    return test_worker_start(&server, READER, consumer, OPTIONS(QUICK));
}

static void publish(const char *version, const char *data)
{
    test_do(&server, "XADD {shop}:events * type Placed source shop version %s data %s", version,
            data);
}

static long long pending_events(void)
{
    redisReply *reply = test_ask(&server, "XPENDING {shop}:events reader");
    long long pending = reply->element[0]->integer;
    freeReplyObject(reply);
    return pending;
}

static const char *order(const char *name, const char *field)
{
    char key[64];
    snprintf(key, sizeof(key), "{reader}:order:%s", name);
    return test_text(&server, key, field);
}

static void await_handled(const char *name, const char *data, const char *version)
{
    AWAIT(*order(name, "times"));
    assert_string_equal(order(name, "times"), "1");
    assert_string_equal(order(name, "data"), data);
    assert_string_equal(order(name, "version"), version);
}

/* What waits on the reader's schedule comes due now. */
static void hasten(void)
{
    test_do(&server, "EVAL %s 1 {reader}:scheduled",
            "for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
            "redis.call('ZADD', KEYS[1], 'XX', 0, member) end");
}

/* Whether what was due has been in somebody's hands and stands on the schedule once more. Asked in
 * the order of its way. */
static bool put_off_again(void)
{
    return test_ask_integer(&server, "ZCOUNT {reader}:scheduled -inf 0") == 0 &&
           test_backlog(&server, READER) == 0 && test_scheduled(&server, READER) == 1;
}

static bool scheduled_holds(const char *text)
{
    redisReply *reply = test_ask(&server, "ZRANGE {reader}:scheduled 0 0");
    bool holds = reply->elements == 1 && strstr(reply->element[0]->str, text);
    freeReplyObject(reply);
    return holds;
}

static void await_dead(const char *reason, const char *data)
{
    AWAIT(test_dead(&server, READER) == 1);
    const char *found = test_newest(&server, "{reader}:dead", "reason");
    if (!strstr(found, reason))
        fail_msg("the reason '%s' does not hold '%s'", found, reason);
    assert_string_equal(test_newest(&server, "{reader}:dead", "data"), data);
    assert_string_equal(test_newest(&server, "{reader}:dead", "stream"), "{shop}:events");
    AWAIT(pending_events() == 0);
    test_do(&server, "DEL {reader}:dead");
}

/* ---- Publishing ---------------------------------------------------------------------------- */

static void the_publisher_tells_the_version(void **state)
{
    (void)state;
    struct test_worker shop = test_worker_start(&server, SHOP, "shop", NULL);
    struct test_worker reader = start_reader("new", "12");
    test_send(&server, SHOP, "Place", "{}");
    await_handled("published", "{\"name\":\"published\",\"way\":\"b\"}", "2");
    redisReply *events = test_ask(&server, "XRANGE {shop}:events - +");
    assert_int_equal(events->elements, 2);
    const redisReply *placed = events->element[0]->element[1];
    const redisReply *noted = events->element[1]->element[1];
    assert_string_equal(placed->element[2]->str, "version");
    assert_string_equal(placed->element[3]->str, "2");
    for (size_t i = 0; i < noted->elements; i += 2)
        assert_string_not_equal(noted->element[i]->str, "version");
    freeReplyObject(events);
    test_worker_end_well(&reader);
    test_worker_end_well(&shop);
}

static void a_version_declared_twice_is_a_mistake(void **state)
{
    (void)state;
    struct test_worker broken = test_worker_launch(server.url, BROKEN, "broken", NULL);
    assert_int_equal(test_worker_await_end(&broken), 64);
    assert_int_equal(test_worker_logged(&broken, "weir_event_version: Placed is declared twice"),
                     1);
}

/* ---- Older events -------------------------------------------------------------------------- */

static void older_events_go_through_the_chain(void **state)
{
    (void)state;
    struct test_worker reader = start_reader("new", "12");
    test_do(&server, "XADD {shop}:events * type Placed data {\"n\":\"none\"}");
    publish("1", "{\"n\":\"one\"}");
    publish("2", "{\"name\":\"two\"}");
    publish("3", "{\"name\":\"three\"}");
    publish("1", "{\"n\":\"again\",\"retried\":1}");
    await_handled("none", "{\"name\":\"none\",\"way\":\"ab\"}", "1");
    await_handled("one", "{\"name\":\"one\",\"way\":\"ab\"}", "1");
    await_handled("two", "{\"name\":\"two\",\"way\":\"b\"}", "2");
    await_handled("three", "{\"name\":\"three\"}", "3");
    await_handled("again", "{\"name\":\"again\",\"retried\":1,\"way\":\"ab\"}", "1");
    assert_string_equal(order("again", "deliveries"), "2");
    test_worker_end_well(&reader);
}

static void a_conflict_does_not_upcast_twice(void **state)
{
    (void)state;
    struct test_worker reader = start_reader("new", "12");
    publish("1", "{\"n\":\"disturbed\",\"disturbed\":1}");
    AWAIT(*order("disturbed", "data"));
    assert_string_equal(order("disturbed", "times"), "11");
    assert_string_equal(order("disturbed", "data"),
                        "{\"disturbed\":1,\"name\":\"disturbed\",\"way\":\"ab\"}");
    assert_int_equal(test_worker_logged(&reader, "test.run"), 2);
    test_worker_end_well(&reader);
}

static void what_cannot_be_upcast_is_dead_as_it_came(void **state)
{
    (void)state;
    struct test_worker reader = start_reader("new", "12");
    publish("1", "{\"n\":\"x\",\"refused\":1}");
    await_dead("version: 1 of Placed, the upcaster from 1 to 2 refused it",
               "{\"n\":\"x\",\"refused\":1}");
    publish("2", "{\"name\":\"x\",\"refused\":1}");
    await_dead("version: 2 of Placed, the upcaster from 2 to 3 refused it",
               "{\"name\":\"x\",\"refused\":1}");
    test_worker_end_well(&reader);
    reader = start_reader("gap", "2");
    publish("1", "{\"n\":\"x\"}");
    await_dead("version: 1 of Placed is too old, this program has no upcaster from 1",
               "{\"n\":\"x\"}");
    assert_string_equal(order("x", "times"), "");
    test_worker_end_well(&reader);
}

static void a_malformed_version_is_not_understood(void **state)
{
    (void)state;
    struct test_worker reader = start_reader("new", "12");
    publish("0", "{\"n\":\"x\"}");
    await_dead("version: must be a whole number from 1 to 1000000", "{\"n\":\"x\"}");
    test_do(&server, "XADD {reader}:commands * type Place version 1.5 data {\"name\":\"x\"}");
    AWAIT(test_dead(&server, READER) == 1);
    assert_string_equal(test_newest(&server, "{reader}:dead", "reason"),
                        "version: must be a whole number from 1 to 1000000");
    test_worker_end_well(&reader);
}

static void the_version_of_a_command_says_nothing(void **state)
{
    (void)state;
    struct test_worker reader = start_reader("new", "12");
    test_do(&server, "XADD {reader}:commands * type Place version 9 data {\"name\":\"c\"}");
    await_handled("c", "{\"name\":\"c\"}", "9");
    test_worker_end_well(&reader);
}

/* An upcaster that kills its worker is found as a handler would be. */
static void an_upcaster_that_kills_is_counted(void **state)
{
    (void)state;
    static const char data[] = "{\"n\":\"x\",\"kills\":1}";
    publish("1", data);
    setenv(STEPS, "12", 1);
    for (int i = 0; i < 3; i++) {
        struct test_worker dying = test_worker_launch(server.url, READER, "dying", OPTIONS(QUICK));
        assert_int_equal(test_worker_await_end(&dying), 128 + SIGKILL);
    }
    struct test_worker reader = start_reader("dying", "12");
    AWAIT(test_dead(&server, READER) == 1);
    assert_non_null(strstr(test_newest(&server, "{reader}:dead", "reason"), "crashed or hung"));
    assert_string_equal(test_newest(&server, "{reader}:dead", "data"), data);
    test_worker_end_well(&reader);
}

/* ---- Newer events -------------------------------------------------------------------------- */

static void a_newer_event_waits_for_a_newer_program(void **state)
{
    (void)state;
    struct test_worker old = start_reader("old", "1");
    publish("3", "{\"name\":\"three\"}");
    publish("2", "{\"name\":\"two\"}");
    await_handled("two", "{\"name\":\"two\"}", "2"); /* others go on */
    AWAIT(test_scheduled(&server, READER) == 1 && pending_events() == 0);
    for (int i = 0; i < 4; i++) { /* more often than deliveries are allowed */
        hasten();
        AWAIT(put_off_again());
    }
    AWAIT(scheduled_holds("7:version1:3"));
    AWAIT(scheduled_holds("10:deliveries1:0"));
    AWAIT(scheduled_holds("12:originStream13:{shop}:events"));
    assert_int_equal(test_worker_logged_of(&old,
                                           "event.too_new version=3 understood=2 type=Placed ",
                                           " stream={shop}:events entry="),
                     1);
    assert_int_equal(test_worker_logged(&old, "event.too_new"), 1);
    struct test_worker newer = start_reader("newer", "12"); /* beside the other */
    AWAIT((hasten(), *order("three", "times")));
    await_handled("three", "{\"name\":\"three\"}", "3");
    assert_string_equal(order("three", "deliveries"), "1");
    test_await_settled(&server, READER);
    assert_int_equal(test_dead(&server, READER), 0);
    test_worker_end_well(&newer);
    test_worker_end_well(&old);
}

static void both_programs_together_handle_each_once(void **state)
{
    (void)state;
    enum { EVENTS = 60 };
    struct test_worker old = start_reader("old", "1"), newer = start_reader("newer", "12");
    char version[8], data[64], name[16];
    for (int i = 0; i < EVENTS; i++) {
        snprintf(version, sizeof(version), "%d", i % 3 + 1);
        snprintf(data, sizeof(data), "{\"%s\":\"n%d\"}", i % 3 == 0 ? "n" : "name", i);
        publish(version, data);
    }
    AWAIT((hasten(), pending_events() == 0 && test_settled(&server, READER)));
    for (int i = 0; i < EVENTS; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_string_equal(order(name, "times"), "1");
        snprintf(version, sizeof(version), "%d", i % 3 + 1);
        assert_string_equal(order(name, "version"), version);
    }
    assert_int_equal(test_dead(&server, READER), 0);
    test_worker_end_well(&newer);
    test_worker_end_well(&old);
}

/* Whoever had it died, again and again: that is no reason to bury what is only too new. */
static void one_that_workers_died_with_waits_all_the_same(void **state)
{
    (void)state;
    test_do(&server, "XGROUP CREATE {shop}:events reader 0 MKSTREAM");
    publish("3", "{\"name\":\"three\"}");
    freeReplyObject(test_ask(&server, "XREADGROUP GROUP reader ghost STREAMS {shop}:events >"));
    char *entry =
        test_ask_text(&server, "EVAL %s 1 {shop}:events",
                      "return redis.call('XPENDING', KEYS[1], 'reader', '-', '+', '1')[1][1]");
    test_do(&server, "XCLAIM {shop}:events reader ghost 0 %s RETRYCOUNT 9 JUSTID", entry);
    free(entry);
    struct test_worker old = start_reader("old", "1");
    AWAIT(pending_events() == 0);
    AWAIT(scheduled_holds("10:deliveries1:9"));
    assert_int_equal(test_dead(&server, READER), 0);
    test_worker_end_well(&old);
    struct test_worker newer = start_reader("newer", "12");
    AWAIT((hasten(), *order("three", "times")));
    assert_string_equal(order("three", "times"), "1");
    test_worker_end_well(&newer);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(the_publisher_tells_the_version),
        CASE(a_version_declared_twice_is_a_mistake),
        CASE(older_events_go_through_the_chain),
        CASE(a_conflict_does_not_upcast_twice),
        CASE(what_cannot_be_upcast_is_dead_as_it_came),
        CASE(a_malformed_version_is_not_understood),
        CASE(the_version_of_a_command_says_nothing),
        CASE(an_upcaster_that_kills_is_counted),
        CASE(a_newer_event_waits_for_a_newer_program),
        CASE(both_programs_together_handle_each_once),
        CASE(one_that_workers_died_with_waits_all_the_same),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
