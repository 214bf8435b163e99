/* One message and what becomes of it: each outcome of a handler, and exactly what it leaves on the
 * server. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/proxy.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"

static struct test_server server;
static struct test_worker worker;

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
    worker = test_worker_start(
        &server, WORK, "one",
        OPTIONS("--retry-base", "20ms", "--retry-cap", "100ms", "--claim-idle", "300ms"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (worker.pid > 0)
        assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
    assert_int_equal(test_worker_logged(&worker, "unlisted_move"), 0);
    return 0;
}

static void assert_dead(long long count, const char *reason)
{
    assert_int_equal(test_dead(&server, WORK), count);
    const char *found = test_newest(&server, "{work}:dead", "reason");
    if (!strstr(found, reason))
        fail_msg("the reason '%s' does not hold '%s'", found, reason);
}

static long long marks(const char *n)
{
    return test_number(&server, "{work}:marks", n);
}

/* ---- Outcomes ------------------------------------------------------------------------------ */

static void done_leaves_its_effects_alone(void **state)
{
    (void)state;
    test_do(&server,
            "XADD {work}:commands * type Mark data {\"n\":\"a\"} subject c7 traceparent %s",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    test_await_settled(&server, WORK);
    assert_int_equal(marks("a"), 1);
    assert_int_equal(test_number(&server, "{work}:deliveries", "a"), 1);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 1);
    assert_string_equal(test_newest(&server, "{work}:events", "type"), "Marked");
    assert_string_equal(test_newest(&server, "{work}:events", "source"), WORK);
    assert_string_equal(test_newest(&server, "{work}:events", "subject"), "a");
    assert_string_equal(test_newest(&server, "{work}:events", "data"), "{\"n\":\"a\"}");
    assert_string_equal(test_newest(&server, "{work}:events", "traceparent"),
                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

static void reject_leaves_a_dead_letter_alone(void **state)
{
    (void)state;
    char *entry = test_ask_text(&server, "XADD {work}:commands * type Refuse data "
                                         "{\"n\":\"a\",\"outcome\":\"reject\",\"times\":9} "
                                         "subject c7 own field");
    test_await_settled(&server, WORK);
    assert_dead(1, "wanted: reject");
    assert_string_equal(test_newest(&server, "{work}:dead", "type"), "Refuse");
    assert_string_equal(test_newest(&server, "{work}:dead", "subject"), "c7");
    assert_string_equal(test_newest(&server, "{work}:dead", "own"), "field");
    assert_string_equal(test_newest(&server, "{work}:dead", "deliveries"), "1");
    assert_string_equal(test_newest(&server, "{work}:dead", "stream"), "{work}:commands");
    assert_string_equal(test_newest(&server, "{work}:dead", "entry"), entry);
    assert_int_equal(marks("a"), 0);
    assert_int_equal(test_ask_integer(&server, "EXISTS {work}:events"), 0);
    free(entry);
}

static void discard_leaves_nothing(void **state)
{
    (void)state;
    test_send(&server, WORK, "Refuse", "{\"n\":\"a\",\"outcome\":\"discard\",\"times\":9}");
    test_worker_await_log(&worker, "n=a ");
    test_await_settled(&server, WORK);
    assert_int_equal(test_ask_integer(&server, "EXISTS {work}:marks {work}:events {work}:dead"), 0);
}

static void retry_drops_the_effects_and_comes_back(void **state)
{
    (void)state;
    test_send(&server, WORK, "Refuse", "{\"n\":\"a\",\"outcome\":\"retry\",\"times\":3}");
    AWAIT(marks("a") == 1);
    test_await_settled(&server, WORK);
    assert_int_equal(test_number(&server, "{work}:deliveries", "a"), 4);
    assert_int_equal(test_worker_logged(&worker, "n=a "), 4);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 1);
    assert_int_equal(test_dead(&server, WORK), 0);
}

static void a_retry_waits_on_the_server(void **state)
{
    (void)state;
    test_send(&server, WORK, "Refuse",
              "{\"n\":\"a\",\"outcome\":\"retry\",\"times\":1,\"after\":400}");
    AWAIT(test_scheduled(&server, WORK) == 1);
    assert_int_equal(test_backlog(&server, WORK), 0);
    assert_int_equal(test_pending(&server, WORK), 0);
    assert_int_equal(test_worker_end(&worker, SIGKILL), 128 + SIGKILL);
    worker = test_worker_start(&server, WORK, "two", NULL);
    AWAIT(marks("a") == 1);
    test_await_settled(&server, WORK);
    assert_int_equal(test_number(&server, "{work}:deliveries", "a"), 2);
}

static void refusals_end_in_a_dead_letter(void **state)
{
    (void)state;
    char *entry = test_ask_text(&server, "XADD {work}:commands * type Refuse data "
                                         "{\"n\":\"a\",\"outcome\":\"retry\",\"times\":99}");
    AWAIT(test_dead(&server, WORK) == 1);
    test_await_settled(&server, WORK);
    assert_dead(1, "gave up after 5 deliveries: wanted: retry");
    assert_int_equal(test_worker_logged(&worker, "n=a "), 5);
    assert_string_equal(test_newest(&server, "{work}:dead", "deliveries"), "5");
    assert_string_equal(test_newest(&server, "{work}:dead", "stream"), "{work}:commands");
    assert_string_equal(test_newest(&server, "{work}:dead", "entry"), entry);
    redisReply *letters = test_ask(&server, "XRANGE {work}:dead - +");
    assert_int_equal(letters->element[0]->element[1]->elements,
                     2 * (2 + 4)); /* nothing of weir's */
    freeReplyObject(letters);
    assert_int_equal(marks("a"), 0);
    free(entry);
}

/* ---- Deduplication, delay, messages to others ---------------------------------------------- */

static void a_repeated_id_takes_effect_once(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        test_do(&server, "XADD {work}:commands * type Mark id m1 data {\"n\":\"a\"}");
    test_await_settled(&server, WORK);
    test_do(&server, "XADD {work}:commands * type Mark id m1 data {\"n\":\"a\"}");
    test_do(&server, "XADD {work}:commands * type Mark id m2 data {\"n\":\"b\"}");
    AWAIT(marks("b") == 1);
    test_await_settled(&server, WORK);
    assert_int_equal(marks("a"), 1);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 2);
    assert_int_equal(test_dead(&server, WORK), 0);
}

static void a_refused_id_may_come_again(void **state)
{
    (void)state;
    test_do(&server, "XADD {work}:commands * type Refuse id m1 data "
                     "{\"n\":\"a\",\"outcome\":\"reject\",\"times\":9}");
    AWAIT(test_dead(&server, WORK) == 1);
    test_do(&server, "XADD {work}:commands * type Mark id m1 data {\"n\":\"a\"}");
    AWAIT(marks("a") == 1);
}

static void delay_holds_a_message_back(void **state)
{
    (void)state;
    long long begun = test_now();
    test_do(&server, "XADD {work}:commands * type Mark delay 300 id m1 data {\"n\":\"a\"}");
    AWAIT(test_scheduled(&server, WORK) == 1);
    assert_int_equal(test_pending(&server, WORK), 0);
    AWAIT(marks("a") == 1);
    assert_true(test_now() - begun >= 300);
    test_await_settled(&server, WORK);
    assert_int_equal(test_number(&server, "{work}:deliveries", "a"), 1);
}

static void sends_to_others(void **state)
{
    (void)state;
    test_do(&server, "XADD {work}:commands * type Pass subject s1 traceparent t1 data "
                     "{\"n\":\"a\",\"to\":\"other\",\"id\":\"m1\",\"delay\":70}");
    test_await_settled(&server, WORK);
    assert_int_equal(test_ask_integer(&server, "XLEN {other}:commands"), 1);
    assert_string_equal(test_newest(&server, "{other}:commands", "type"), "Mark");
    assert_string_equal(test_newest(&server, "{other}:commands", "id"), "m1");
    assert_string_equal(test_newest(&server, "{other}:commands", "delay"), "70");
    assert_string_equal(test_newest(&server, "{other}:commands", "source"), WORK);
    assert_string_equal(test_newest(&server, "{other}:commands", "traceparent"), "t1");
    assert_string_equal(test_newest(&server, "{other}:commands", "data"), "{\"n\":\"a\"}");
    assert_string_equal(test_newest(&server, "{work}:events", "subject"), "s1");
    assert_string_equal(test_newest(&server, "{work}:events", "traceparent"), "t1");
}

/* ---- Refused commits ----------------------------------------------------------------------- */

static void a_commit_is_whole_or_not_at_all(void **state)
{
    (void)state;
    test_do(&server, "SET {work}:typed x");
    test_send(&server, WORK, "Spoil", "{\"n\":\"a\",\"key\":\"typed\"}");
    test_send(&server, WORK, "Mark", "{\"n\":\"b\"}");
    AWAIT(marks("b") == 1);
    test_await_settled(&server, WORK);
    assert_dead(1, "{work}:typed: it is a string, not a hash");
    assert_int_equal(marks("a"), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 1);
    assert_int_equal(test_ask_integer(&server, "EXISTS {other}:commands"), 0);
}

static void loaded_state_of_another_type_is_named(void **state)
{
    (void)state;
    test_do(&server, "SET {work}:counter:c x");
    test_send(&server, WORK, "Count", "{\"n\":\"a\",\"counter\":\"c\"}");
    AWAIT(test_dead(&server, WORK) == 1);
    test_await_settled(&server, WORK);
    assert_dead(1, "{work}:counter:c: WRONGTYPE");
    assert_int_equal(marks("a"), 0);
}

static void survives_dead_letters_of_another_type(void **state)
{
    (void)state;
    test_do(&server, "SET {work}:dead x");
    test_send(&server, WORK, "Refuse", "{\"n\":\"a\",\"outcome\":\"reject\",\"times\":99}");
    test_worker_await_log(&worker, "message.left_pending");
    test_send(&server, WORK, "Mark", "{\"n\":\"b\"}");
    AWAIT(marks("b") == 1);
    assert_int_equal(test_pending(&server, WORK), 1);
    assert_int_equal(test_backlog(&server, WORK), 1);
    test_do(&server, "DEL {work}:dead");
    AWAIT(test_dead(&server, WORK) == 1);
    test_await_settled(&server, WORK);
}

static void survives_a_schedule_of_another_type(void **state)
{
    (void)state;
    test_do(&server, "SET {work}:scheduled x");
    test_send(&server, WORK, "Refuse", "{\"n\":\"a\",\"outcome\":\"retry\",\"times\":1}");
    test_send(&server, WORK, "Mark", "{\"n\":\"b\"}");
    AWAIT(marks("b") == 1 && test_dead(&server, WORK) == 1);
    assert_dead(1, "{work}:scheduled: it is a string, not a zset");
    assert_int_equal(test_pending(&server, WORK), 0);
    test_do(&server, "DEL {work}:scheduled");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* Stays the same for a while; where more is still being read the test may miss it, and passes. */
static long long steady_pending(void)
{
    long long pending = -1;
    for (int same = 0; same < 30; test_pause()) {
        long long now = test_pending(&server, WORK);
        same = now == pending ? same + 1 : 0;
        pending = now;
    }
    return pending;
}

/* However many a worker may have in hand: more would wait in its memory and be done no sooner. */
static void a_server_that_is_behind_is_not_read_further(void **state)
{
    (void)state;
    struct test_proxy proxy;
    enum { MESSAGES = 3000, UNDER_WAY = 1024, BATCH = 128 };
    assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_commit", "marks", PROXY_HOLD});
    for (int i = 0; i < MESSAGES; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
    worker = test_worker_launch(proxy.url, WORK, "one", OPTIONS("--concurrency", "10000"));
    test_proxy_await(&proxy);
    AWAIT(test_pending(&server, WORK) >= UNDER_WAY - BATCH);
    assert_in_range(steady_pending(), UNDER_WAY - BATCH, UNDER_WAY + BATCH);
    test_proxy_release(&proxy, PROXY_NONE);
    test_await_settled(&server, WORK);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), MESSAGES);
    test_worker_end_well(&worker);
    test_proxy_stop(&proxy);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(done_leaves_its_effects_alone),
        CASE(reject_leaves_a_dead_letter_alone),
        CASE(discard_leaves_nothing),
        CASE(retry_drops_the_effects_and_comes_back),
        CASE(a_retry_waits_on_the_server),
        CASE(refusals_end_in_a_dead_letter),
        CASE(a_repeated_id_takes_effect_once),
        CASE(a_refused_id_may_come_again),
        CASE(delay_holds_a_message_back),
        CASE(sends_to_others),
        CASE(a_commit_is_whole_or_not_at_all),
        CASE(loaded_state_of_another_type_is_named),
        CASE(survives_dead_letters_of_another_type),
        CASE(survives_a_schedule_of_another_type),
        CASE(a_server_that_is_behind_is_not_read_further),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
