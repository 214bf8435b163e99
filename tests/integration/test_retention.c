/* Events are kept by number: the newest stay, and whatever a reader has not passed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"     /* publishes Marked */
#define READER "reader" /* subscribes to it */
#define MANY 2000
#define LIMIT 50

static struct test_server server;

static enum weir_outcome on_marked(weir_context *context, const weir_message *message)
{
    const char *n = json_string_value(json_object_get(weir_message_data(message), "n"));
    weir_hincrby(context, "seen", n ? n : "", 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    if (strcmp(name, WORK) == 0)
        return test_work_service(name);
    weir_service *service = weir_service_new(name);
    weir_on_event(service, WORK, "Marked", on_marked, NULL);
    return service;
}

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_workers_clear();
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    test_do(&server, "CONFIG SET stream-node-max-entries 100");
    return 0;
}

/* ---- What happens -------------------------------------------------------------------------- */

static void publish(int first, int count)
{
    static const char script[] =
        "for i = ARGV[1], ARGV[1] + ARGV[2] - 1 do redis.call('XADD', KEYS[1], '*', 'type', "
        "'Marked', 'source', 'work', 'data', '{\"n\":\"' .. i .. '\"}') end return 0";
    assert_int_equal(
        test_ask_integer(&server, "EVAL %s 1 {work}:events %d %d", script, first, count), 0);
}

static long long events(void)
{
    return test_ask_integer(&server, "XLEN {work}:events");
}

static struct test_worker start_trimmer(void)
{
    return test_worker_start(&server, WORK, "trimmer", OPTIONS("--event-limit", "50"));
}

/* A reader that has read the first ten events. */
static struct test_worker start_reader(void)
{
    publish(0, 10);
    struct test_worker reader = test_worker_start(&server, READER, "one", NULL);
    AWAIT(test_ask_integer(&server, "HLEN {reader}:seen") == 10);
    return reader;
}

static void assert_each_seen_once(int count)
{
    assert_int_equal(test_ask_integer(&server, "HLEN {reader}:seen"), count);
    assert_int_equal(test_others(&server, "{reader}:seen", "1"), 0);
}

/* ---- Cases --------------------------------------------------------------------------------- */

static void only_the_newest_stay(void **state)
{
    (void)state;
    publish(0, 25000);
    struct test_worker trimmer = start_trimmer();
    AWAIT(events() <= LIMIT);
    assert_int_equal(events(), LIMIT);
    assert_string_equal(test_newest(&server, "{work}:events", "data"), "{\"n\":\"24999\"}");
    assert_int_equal(test_worker_logged(&trimmer, "events.held_back"), 0);
    test_worker_end_well(&trimmer);
}

static void without_a_limit_all_stay(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET stream-node-max-entries 1");
    test_do(&server, "XADD {work}:events 1-1 type Marked"); /* of 1970: tells that it has trimmed */
    publish(0, MANY);
    struct test_worker trimmer = test_worker_start(&server, WORK, "trimmer", NULL);
    AWAIT(events() == MANY);
    test_worker_end_well(&trimmer);
    assert_int_equal(events(), MANY);
}

static void waits_for_a_reader_that_lags(void **state)
{
    (void)state;
    struct test_worker reader = start_reader();
    kill(reader.pid, SIGSTOP);
    publish(10, MANY);
    struct test_worker trimmer = start_trimmer();
    test_worker_await_log(&trimmer, "events.held_back reader=reader position=");
    assert_true(events() >= MANY);
    kill(reader.pid, SIGCONT);
    AWAIT(test_ask_integer(&server, "HLEN {reader}:seen") == MANY + 10);
    assert_each_seen_once(MANY + 10);
    test_worker_await_log(&trimmer, "events.released reader=reader");
    AWAIT(events() == LIMIT);
    assert_int_equal(test_worker_logged(&trimmer, "events.held_back"), 1);
    test_worker_end_well(&trimmer);
    test_worker_end_well(&reader);
}

static void waits_for_a_reader_that_is_stopped(void **state)
{
    (void)state;
    struct test_worker reader = start_reader();
    test_worker_end_well(&reader);
    publish(10, MANY);
    struct test_worker trimmer = start_trimmer();
    test_worker_await_log(&trimmer, "events.held_back reader=reader position=");
    test_worker_end_well(&trimmer);
    assert_true(events() >= MANY);
    reader = test_worker_start(&server, READER, "two", NULL);
    AWAIT(test_ask_integer(&server, "HLEN {reader}:seen") == MANY + 10);
    assert_each_seen_once(MANY + 10);
    test_worker_end_well(&reader);
    trimmer = start_trimmer();
    AWAIT(events() == LIMIT);
    test_worker_end_well(&trimmer);
}

static void does_not_wait_for_a_reader_that_is_retired(void **state)
{
    (void)state;
    struct test_worker reader = start_reader();
    expect_weir(1, NULL, "reader was heard of ", WORDS("readers", WORK, "retire", READER));
    test_worker_end_well(&reader);
    publish(10, MANY);
    struct test_worker trimmer = start_trimmer();
    test_worker_await_log(&trimmer, "events.held_back reader=reader position=");
    expect_weir(0, "\nreader\tgroup\t", NULL, WORDS("readers", WORK));
    expect_weir(0, "group reader is retired at ", NULL, WORDS("readers", WORK, "retire", READER));
    AWAIT(events() == LIMIT);
    test_worker_await_log(&trimmer, "events.released reader=reader");
    test_worker_end_well(&trimmer);
    test_do(&server, "DEL {reader}:seen");
    reader = test_worker_start(&server, READER, "two", NULL);
    AWAIT(test_ask_integer(&server, "HLEN {reader}:seen") == LIMIT);
    assert_each_seen_once(LIMIT);
    assert_int_equal(test_number(&server, "{reader}:seen", "1960"), 1); /* the oldest */
    test_worker_end_well(&reader);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(only_the_newest_stay),
        CASE(without_a_limit_all_stay),
        CASE(waits_for_a_reader_that_lags),
        CASE(waits_for_a_reader_that_is_stopped),
        CASE(does_not_wait_for_a_reader_that_is_retired),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
