/* Messages whose handling writes nothing: many are acknowledged in one call, and each exactly as if
 * it had a call of its own. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/proxy.h"
#include "support/worker.h"

#define ONE_READ 128
#define MANY 600

static struct test_server server;

static enum weir_outcome nothing(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_note(context, "test.run", NULL);
    return WEIR_DONE;
}

static enum weir_outcome count(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "counts", "n", 1);
    return WEIR_DONE;
}

/* What waits for a message to end it, in the order of its coming. */
static weir_deferral *waiting[MANY];
static size_t waiting_count;

static enum weir_outcome wait_for_end(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_note(context, "test.run", NULL);
    waiting[waiting_count] = weir_defer(context);
    return waiting[waiting_count++] != NULL ? WEIR_DEFERRED : WEIR_RETRY;
}

static enum weir_outcome end_all(weir_context *context, const weir_message *message)
{
    (void)context;
    (void)message;
    for (size_t i = 0; i < waiting_count; i++)
        weir_finish(waiting[i], WEIR_DONE);
    waiting_count = 0;
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Nothing", nothing, NULL);
    weir_on_command(service, "Count", count, NULL);
    weir_on_command(service, "Wait", wait_for_end, NULL);
    weir_on_command(service, "End", end_all, NULL);
    weir_on_event(service, "others", "Told", nothing, NULL);
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

static int empty(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    return 0;
}

static void send_many(const char *type)
{
    for (int i = 0; i < MANY; i++)
        test_do(&server, "XADD {work}:commands * type %s", type);
}

static void they_go_in_few_calls(void **state)
{
    (void)state;
    struct test_worker worker;
    long long before = test_calls_of(&server, "fcall");
    send_many("Nothing");
    worker = test_worker_start(&server, "work", "one", NULL);
    test_await_settled(&server, "work");
    assert_int_equal(test_worker_logged(&worker, "test.run"), MANY);
    assert_in_range(test_calls_of(&server, "fcall") - before, 1, MANY / 4);
    assert_int_equal(test_dead(&server, "work"), 0);
    test_worker_end_well(&worker);
}

/* Those of other streams, and those that write, in between. */
static void the_others_are_not_taken_for_them(void **state)
{
    (void)state;
    struct test_worker worker;
    for (int i = 0; i < MANY; i++) {
        test_do(&server, "XADD {work}:commands * type %s", i % 3 == 0 ? "Count" : "Nothing");
        test_do(&server, "XADD {others}:events * type Told");
    }
    worker = test_worker_start(&server, "work", "one", NULL);
    test_await_settled(&server, "work");
    AWAIT(test_worker_logged(&worker, "test.run") == MANY + MANY * 2 / 3);
    AWAIT(test_ask_integer(&server, "XLEN {others}:events") == MANY);
    AWAIT(strcmp(test_text(&server, "{work}:counts", "n"), "200") == 0);
    redisReply *pending = test_ask(&server, "XPENDING {others}:events work");
    AWAIT((freeReplyObject(pending), pending = test_ask(&server, "XPENDING {others}:events work"),
           pending->element[0]->integer == 0));
    freeReplyObject(pending);
    test_worker_end_well(&worker);
}

/* Whether it was carried out or not, the call is made again. What a read under way has brought may
 * be found among what is pending just then, and be handled twice: at most what one read holds. */
static void check_cut(enum proxy_deed deed)
{
    struct test_proxy proxy;
    struct test_worker worker;
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_settle_many", "work", deed});
    send_many("Nothing");
    worker = test_worker_launch(proxy.url, "work", "one", OPTIONS("--log-level", "debug"));
    test_await_settled(&server, "work");
    AWAIT(test_worker_logged(&worker, "message.handled") +
              test_worker_logged(&worker, "message.fenced") >=
          MANY);
    assert_in_range(test_worker_logged(&worker, "test.run"), MANY, MANY + ONE_READ);
    if (deed == PROXY_CUT_AFTER)
        assert_true(test_worker_logged(&worker, "message.fenced") > 0);
    assert_true(test_worker_logged(&worker, "link.lost") > 0);
    test_worker_end_well(&worker);
    test_proxy_stop(&proxy);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
    (void)state;
    check_cut(PROXY_CUT_AFTER);
}

static void a_lost_call_is_made_again(void **state)
{
    (void)state;
    check_cut(PROXY_CUT_BEFORE);
}

static void what_others_have_finished_is_counted(void **state)
{
    (void)state;
    struct test_proxy proxy;
    struct test_worker worker;
    char *first;
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_settle_many", "work", PROXY_HOLD});
    send_many("Nothing");
    first = test_ask_text(&server, "EVAL return(redis.call('xrange',KEYS[1],'-','+')[1][1]) 1 %s",
                          "{work}:commands");
    worker = test_worker_launch(proxy.url, "work", "one", OPTIONS("--log-level", "debug"));
    test_proxy_await(&proxy);
    assert_int_equal(test_ask_integer(&server, "XACK {work}:commands work %s", first), 1);
    assert_int_equal(test_ask_integer(&server, "XDEL {work}:commands %s", first), 1);
    test_proxy_release(&proxy, PROXY_NONE);
    test_await_settled(&server, "work");
    AWAIT(test_worker_logged(&worker, "message.fenced") == 1);
    AWAIT(test_worker_logged(&worker, "message.handled") == MANY - 1);
    test_worker_end_well(&worker);
    test_proxy_stop(&proxy);
    free(first);
}

/* As after a program that is older has loaded its functions. */
static void a_missing_function_is_loaded(void **state)
{
    (void)state;
    struct test_worker worker = test_worker_start(&server, "work", "one", NULL);
    test_do(&server, "FUNCTION DELETE weir");
    send_many("Nothing");
    test_await_settled(&server, "work");
    assert_int_equal(test_worker_logged(&worker, "test.run"), MANY);
    assert_int_equal(test_dead(&server, "work"), 0);
    test_worker_end_well(&worker);
}

/* The key is no stream any more: each is named, and stays where it was or is given up. */
static void what_cannot_be_acknowledged_is_said(void **state)
{
    (void)state;
    struct test_proxy proxy;
    struct test_worker worker;
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_settle_many", "work", PROXY_HOLD});
    send_many("Nothing");
    worker = test_worker_launch(proxy.url, "work", "one", NULL);
    test_proxy_await(&proxy);
    test_do(&server, "SET {work}:commands text");
    test_proxy_release(&proxy, PROXY_NONE);
    AWAIT(test_worker_logged(&worker, "message.left_pending") > 1);
    test_do(&server, "DEL {work}:commands");
    test_worker_end_well(&worker);
    test_proxy_stop(&proxy);
}

/* ---- Runs ----------------------------------------------------------------------------------- */

#define RUN 20    /* less than what a worker reads at once */
#define STRANGE 3 /* read by another consumer, between two runs */

/* At once, so that a worker that waits for them reads them in one answer. */
static void send_run(int count)
{
    test_do(&server, "EVAL %s 1 {work}:commands %d",
            "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'type', 'Wait') end", count);
}

static void let_another_read(void)
{
    test_do(&server, "EVAL %s 1 {work}:commands %d",
            "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'type', 'Wait') end"
            " redis.call('XREADGROUP', 'GROUP', 'work', 'stranger', 'COUNT', ARGV[1], 'STREAMS',"
            " KEYS[1], '>')",
            STRANGE);
}

static struct test_worker start_with_two_runs(void)
{
    struct test_worker worker = test_worker_start(&server, "work", "one", NULL);
    send_run(RUN);
    AWAIT(test_worker_logged(&worker, "test.run") == RUN);
    let_another_read();
    send_run(RUN);
    AWAIT(test_worker_logged(&worker, "test.run") == 2 * RUN);
    return worker;
}

static void end_them(void)
{
    test_do(&server, "XADD {work}:commands * type End");
    AWAIT(test_pending(&server, "work") == STRANGE);
}

static void check_left_to_the_other(void)
{
    redisReply *left =
        test_ask(&server, "XREADGROUP GROUP work stranger STREAMS {work}:commands 0");
    const redisReply *entries = left->element[0]->element[1];
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:commands"), STRANGE);
    assert_int_equal(entries->elements, STRANGE);
    for (size_t i = 0; i < STRANGE; i++)
        assert_int_equal(entries->element[i]->element[1]->type, REDIS_REPLY_ARRAY);
    freeReplyObject(left);
}

/* Two runs that end together are two: the entries in between are another's. */
static void a_run_ends_with_its_answer(void **state)
{
    (void)state;
    long long before = test_calls_of(&server, "xtrim");
    struct test_worker worker = start_with_two_runs();
    end_them();
    check_left_to_the_other();
    assert_int_equal(test_calls_of(&server, "xtrim") - before, 1);
    test_worker_end_well(&worker);
}

/* What a worker finds again among its pending ones need not have been consecutive. */
static void what_is_found_again_is_no_run(void **state)
{
    (void)state;
    long long before = test_calls_of(&server, "xtrim");
    struct test_worker worker = start_with_two_runs();
    test_worker_end(&worker, SIGKILL);
    worker = test_worker_start(&server, "work", "one", NULL);
    AWAIT(test_worker_logged(&worker, "test.run") == 2 * RUN);
    end_them();
    check_left_to_the_other();
    assert_int_equal(test_calls_of(&server, "xtrim") - before, 0);
    test_worker_end_well(&worker);
}

/* The connection was lost before the call: the server that it goes to may be another one. */
static void what_is_sent_again_is_no_run(void **state)
{
    (void)state;
    struct test_proxy proxy;
    long long before = test_calls_of(&server, "xtrim");
    test_proxy_start(&proxy, &server,
                     (struct proxy_trap){"weir_settle_many", "run", PROXY_CUT_BEFORE});
    struct test_worker worker = test_worker_launch(proxy.url, "work", "one", NULL);
    test_worker_await_log(&worker, "worker.ready");
    send_run(RUN);
    AWAIT(test_worker_logged(&worker, "test.run") == RUN);
    test_do(&server, "XADD {work}:commands * type End");
    test_proxy_await(&proxy);
    test_await_settled(&server, "work");
    assert_int_equal(test_calls_of(&server, "xtrim") - before, 0);
    test_worker_end_well(&worker);
    test_proxy_stop(&proxy);
}

/* Two workers read in turn, so that each has the front at times. */
static void two_workers_share_an_inbox(void **state)
{
    (void)state;
    struct test_worker one, two;
    long long before = test_calls_of(&server, "xtrim");
    for (int i = 0; i < 4 * MANY; i++)
        test_do(&server, "XADD {work}:commands * type %s", i % 300 == 0 ? "Count" : "Nothing");
    one = test_worker_launch(server.url, "work", "one", NULL);
    two = test_worker_launch(server.url, "work", "two", NULL);
    test_await_settled(&server, "work");
    AWAIT(test_worker_logged(&one, "test.run") + test_worker_logged(&two, "test.run") ==
          4 * MANY - 4 * MANY / 300);
    assert_int_equal(test_number(&server, "{work}:counts", "n"), 4 * MANY / 300);
    assert_true(test_calls_of(&server, "xtrim") > before);
    test_worker_await_log(&one,
                          "worker.ready"); /* the other may have been quick enough to do all */
    test_worker_await_log(&two, "worker.ready");
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(they_go_in_few_calls, empty),
        cmocka_unit_test_setup(the_others_are_not_taken_for_them, empty),
        cmocka_unit_test_setup(a_lost_answer_is_asked_for_again, empty),
        cmocka_unit_test_setup(a_lost_call_is_made_again, empty),
        cmocka_unit_test_setup(what_others_have_finished_is_counted, empty),
        cmocka_unit_test_setup(a_missing_function_is_loaded, empty),
        cmocka_unit_test_setup(what_cannot_be_acknowledged_is_said, empty),
        cmocka_unit_test_setup(a_run_ends_with_its_answer, empty),
        cmocka_unit_test_setup(what_is_found_again_is_no_run, empty),
        cmocka_unit_test_setup(what_is_sent_again_is_no_run, empty),
        cmocka_unit_test_setup(two_workers_share_an_inbox, empty),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests_name("settling", tests, start, stop);
}
