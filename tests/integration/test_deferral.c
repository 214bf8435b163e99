/* Handlers that wait for something outside: however they end, early, late or after another turn,
 * each message takes effect once, and nothing else is held up meanwhile. */
#include <ev.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define QUICK "--claim-idle", "200ms", "--retry-base", "10ms", "--retry-cap", "20ms"

static struct test_server server;

/* ---- The service -----------------------------------------------------------------------------
 *
 * Besides what the work service has; `n` and the hashes are as there, an outcome is a word.
 *
 *   Early   {n, outcome, returns}  takes effect and finishes with the outcome while its handler
 *                                  runs, then returns `returns`; from the second delivery on DONE
 *   Both    {n, returns}           takes effect, defers and yet returns another outcome; from the
 *                                  second delivery on DONE
 *   Wait    {n, counter, ms, turns} queues an effect on "{S}:early", defers `turns` times (one, if
 *                                  left out) for `ms` or until released, each time to be called
 *                                  again; then adds 1 to the loaded counter by reading and writing
 *   Release {n}                    ends what that Both or Wait has deferred */

struct waiting {
    ev_timer timer;
    weir_deferral *deferral;
    char n[32];
    enum weir_outcome outcome;
    struct waiting *next;
};

static struct waiting *all; /* those that a second SIGTERM leaves behind are no leaks */

static const char *text_of(const weir_message *message, const char *field)
{
    const char *text = json_string_value(json_object_get(weir_message_data(message), field));
    return text ? text : "";
}

static long long number_of(const weir_message *message, const char *field)
{
    return json_integer_value(json_object_get(weir_message_data(message), field));
}

static enum weir_outcome outcome_of(const weir_message *message, const char *field)
{
    static const struct {
        const char *word;
        enum weir_outcome outcome;
    } words[] = {{"done", WEIR_DONE},       {"retry", WEIR_RETRY}, {"reject", WEIR_REJECT},
                 {"discard", WEIR_DISCARD}, {"again", WEIR_AGAIN}, {"deferred", WEIR_DEFERRED}};
    const char *word = text_of(message, field);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].outcome;
    return WEIR_DEFERRED;
}

static void take_effect(weir_context *context, const weir_message *message)
{
    const char *n = text_of(message, "n");
    weir_note(context, "test.run", "n=%s", n);
    weir_hincrby(context, "marks", n, 1);
    weir_hset_integer(context, "deliveries", n, weir_message_deliveries(message));
    weir_publish(context, "Marked", n, "{s:s}", "n", n);
    weir_reason(context, "wanted by %s", n);
}

static void end_waiting(struct waiting *waiting)
{
    struct waiting **link = &all;
    while (*link != waiting)
        link = &(*link)->next;
    *link = waiting->next;
    if (!weir_deferral_context(waiting->deferral))
        fprintf(stderr, "too late n=%s \n", waiting->n);
    weir_finish(waiting->deferral, waiting->outcome);
    free(waiting);
}

static void on_waited(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    end_waiting(timer->data);
}

/* NULL: no memory. */
static struct waiting *wait_for(weir_context *context, const weir_message *message,
                                enum weir_outcome outcome)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (!waiting || !(waiting->deferral = weir_defer(context))) {
        free(waiting);
        return NULL;
    }
    snprintf(waiting->n, sizeof(waiting->n), "%s", text_of(message, "n"));
    waiting->outcome = outcome;
    waiting->next = all;
    all = waiting;
    ev_timer_init(&waiting->timer, on_waited, (double)number_of(message, "ms") / 1000., 0.);
    waiting->timer.data = waiting;
    if (number_of(message, "ms") > 0)
        ev_timer_start(weir_loop(context), &waiting->timer);
    return waiting;
}

static enum weir_outcome early(weir_context *context, const weir_message *message)
{
    weir_deferral *deferral = weir_defer(context);
    if (!deferral)
        return WEIR_RETRY;
    take_effect(context, message);
    if (weir_message_deliveries(message) > 1) {
        weir_finish(deferral, WEIR_DONE);
        return WEIR_DEFERRED;
    }
    weir_finish(deferral, outcome_of(message, "outcome"));
    return outcome_of(message, "returns");
}

static enum weir_outcome both(weir_context *context, const weir_message *message)
{
    take_effect(context, message);
    wait_for(context, message, WEIR_REJECT);
    return weir_message_deliveries(message) > 1 ? WEIR_DONE : outcome_of(message, "returns");
}

static enum weir_outcome wait(weir_context *context, const weir_message *message)
{
    static long long turns;
    int64_t value = 0;
    bool last = turns + 1 >= number_of(message, "turns");
    (void)weir_hget_integer(context, NULL, "value", &value);
    if (!weir_resumed(context) || !last) {
        turns += weir_resumed(context);
        weir_note(context, "test.waits", "n=%s resumed=%d", text_of(message, "n"),
                  (int)weir_resumed(context));
        weir_hincrby(context, "early", text_of(message, "n"), 1);
        return wait_for(context, message, WEIR_AGAIN) ? WEIR_DEFERRED : WEIR_RETRY;
    }
    weir_note(context, "test.resumed", "n=%s value=%lld", text_of(message, "n"), (long long)value);
    weir_hset_integer(context, NULL, "value", value + 1);
    take_effect(context, message);
    return WEIR_DONE;
}

static enum weir_outcome release(weir_context *context, const weir_message *message)
{
    struct waiting *waiting = all;
    (void)context;
    while (waiting && strcmp(waiting->n, text_of(message, "n")) != 0)
        waiting = waiting->next;
    if (!waiting)
        return WEIR_REJECT;
    ev_timer_stop(weir_loop(context), &waiting->timer);
    end_waiting(waiting);
    return WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = test_work_service(name);
    weir_on_command(service, "Early", early, NULL);
    weir_on_command(service, "Both", both, NULL);
    weir_on_command(service, "Wait", wait, "counter:{counter}");
    weir_on_command(service, "Release", release, NULL);
    return service;
}

/* ---- Helpers --------------------------------------------------------------------------------- */

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

static struct test_worker start_worker(const char *concurrency)
{
    return test_worker_start(&server, WORK, "one", OPTIONS(QUICK, "--concurrency", concurrency));
}

/* With handlers that still wait. */
static void end_at_once(struct test_worker *worker)
{
    kill(worker->pid, SIGTERM);
    test_worker_await_log(worker, "worker.stopping");
    test_worker_end_well(worker);
}

static long long marks(const char *n)
{
    return test_number(&server, "{work}:marks", n);
}

static long long value_of(const char *counter)
{
    char key[64];
    snprintf(key, sizeof(key), "{work}:counter:%s", counter);
    return test_number(&server, key, "value");
}

/* How often its handler has begun to wait. */
static int waits(const struct test_worker *worker, const char *n)
{
    char line[64];
    snprintf(line, sizeof(line), "test.waits n=%s ", n);
    return test_worker_logged(worker, line);
}

static void begin_waiting(const struct test_worker *worker, const char *n, const char *counter)
{
    test_send(&server, WORK, "Wait", "{\"n\":\"%s\",\"counter\":\"%s\"}", n, counter);
    AWAIT(waits(worker, n) == 1);
}

static void send_release(const char *n)
{
    test_send(&server, WORK, "Release", "{\"n\":\"%s\"}", n);
}

static void assert_each_once(int count)
{
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), count);
    assert_int_equal(test_dead(&server, WORK), 0);
}

/* ---- Outcomes that come before the handler returns, or after another ------------------------- */

/* `deliveries`: after so many it took effect; 0: never. `dead`: left as a dead letter. */
static void expect_early(const char *outcome, const char *returns, int deliveries, int dead)
{
    struct test_worker worker;
    set_up(NULL);
    worker = start_worker("8");
    test_send(&server, WORK, "Early", "{\"n\":\"a\",\"outcome\":\"%s\",\"returns\":\"%s\"}",
              outcome, returns);
    AWAIT(test_worker_logged(&worker, "n=a ") >= (deliveries ? deliveries : 1));
    test_await_settled(&server, WORK);
    /* another, in the same memory */
    test_send(&server, WORK, "Early", "{\"n\":\"b\",\"outcome\":\"done\"}");
    AWAIT(marks("b") == 1);
    test_await_settled(&server, WORK);
    assert_int_equal(test_worker_logged(&worker, "n=a "), deliveries ? deliveries : 1);
    assert_int_equal(marks("a"), deliveries > 0);
    assert_int_equal(test_number(&server, "{work}:deliveries", "a"), deliveries);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 1 + (deliveries > 0));
    assert_int_equal(test_dead(&server, WORK), dead);
    if (dead)
        assert_string_equal(test_newest(&server, "{work}:dead", "reason"), "wanted by a");
    test_worker_end_well(&worker);
}

static void an_outcome_within_the_handler_counts(void **state)
{
    (void)state;
    expect_early("done", "deferred", 1, 0);
    expect_early("retry", "deferred", 2, 0);
    expect_early("reject", "deferred", 0, 1);
    expect_early("discard", "deferred", 0, 0);
    expect_early("again", "deferred", 2, 0); /* it has not waited: tried once more */
}

static void what_the_handler_returns_goes_before_it(void **state)
{
    (void)state;
    expect_early("reject", "done", 1, 0);
    expect_early("done", "reject", 0, 1);
    expect_early("done", "retry", 2, 0);
}

static void await_too_late(const struct test_worker *worker, const char *n, int times)
{
    char line[64];
    snprintf(line, sizeof(line), "too late n=%s ", n);
    AWAIT(test_worker_logged(worker, line) == times);
}

static void an_outcome_after_another_is_ignored(void **state)
{
    (void)state;
    struct test_worker worker = start_worker("8");
    test_send(&server, WORK, "Both", "{\"n\":\"a\",\"returns\":\"done\"}");
    AWAIT(marks("a") == 1);
    begin_waiting(&worker, "b", "b"); /* in the same memory */
    send_release("a");
    await_too_late(&worker, "a", 1);
    send_release("b");
    AWAIT(marks("b") == 1);
    test_await_settled(&server, WORK);
    assert_each_once(2);
    test_worker_end_well(&worker);
}

static void an_outcome_after_a_retry_is_ignored(void **state)
{
    (void)state;
    struct test_worker worker = start_worker("8");
    test_send(&server, WORK, "Both", "{\"n\":\"a\",\"returns\":\"retry\"}");
    AWAIT(marks("a") == 1);
    send_release("a"); /* of the second delivery */
    send_release("a"); /* of the first */
    await_too_late(&worker, "a", 2);
    test_await_settled(&server, WORK);
    assert_each_once(1);
    assert_int_equal(test_number(&server, "{work}:deliveries", "a"), 2);
    test_worker_end_well(&worker);
}

/* ---- Called again ---------------------------------------------------------------------------- */

static void is_called_again_on_fresh_state(void **state)
{
    (void)state;
    struct test_worker worker = start_worker("8");
    begin_waiting(&worker, "a", "c");
    test_send(&server, WORK, "Count", "{\"n\":\"b\",\"counter\":\"c\"}");
    test_send(&server, WORK, "Count", "{\"n\":\"d\",\"counter\":\"c\"}");
    AWAIT(marks("b") == 1 && marks("d") == 1); /* it gives way */
    assert_int_equal(marks("a"), 0);
    assert_int_equal(test_pending(&server, WORK), 1);
    send_release("a");
    AWAIT(marks("a") == 1);
    test_await_settled(&server, WORK);
    assert_int_equal(value_of("c"), 3);
    assert_int_equal(test_worker_logged(&worker, "test.waits n=a resumed=0"), 1);
    assert_int_equal(test_worker_logged(&worker, "test.resumed n=a value=2"), 1);
    assert_int_equal(test_worker_logged(&worker, "test.resumed"), 1);
    assert_int_equal(test_ask_integer(&server, "EXISTS {work}:early"), 0);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_number(&server, "{work}:deliveries", "a"), 1);
    assert_int_equal(test_dead(&server, WORK), 0);
    test_worker_end_well(&worker);
}

static void may_wait_more_than_once(void **state)
{
    (void)state;
    struct test_worker worker = start_worker("8");
    test_send(&server, WORK, "Wait", "{\"n\":\"a\",\"counter\":\"c\",\"turns\":4}");
    for (int i = 1; i <= 4; i++) {
        AWAIT(waits(&worker, "a") == i);
        send_release("a");
    }
    AWAIT(marks("a") == 1);
    test_await_settled(&server, WORK);
    assert_int_equal(test_worker_logged(&worker, "test.waits n=a resumed=1"), 3);
    assert_int_equal(value_of("c"), 1);
    assert_each_once(1);
    test_worker_end_well(&worker);
}

/* One behind the other they would take 2400 ms. */
static void those_for_one_key_wait_side_by_side(void **state)
{
    (void)state;
    struct test_worker worker = start_worker("16");
    long long begun = test_now();
    for (int i = 0; i < 8; i++)
        test_send(&server, WORK, "Wait", "{\"n\":\"n%d\",\"counter\":\"c\",\"ms\":300}", i);
    AWAIT(test_ask_integer(&server, "HLEN {work}:marks") == 8);
    assert_in_range(test_now() - begun, 300, 2000);
    test_await_settled(&server, WORK);
    assert_each_once(8);
    assert_int_equal(value_of("c"), 8);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    assert_int_equal(test_ask_integer(&server, "EXISTS {work}:early"), 0);
    assert_int_equal(test_worker_logged(&worker, "test.waits"), 8);
    test_worker_end_well(&worker);
}

/* Two processes write the same counter; the one that has waited finds it changed at its commit. */
static void a_conflict_after_the_wait_is_run_again(void **state)
{
    (void)state;
    struct test_worker one = start_worker("64");
    struct test_worker two =
        test_worker_start(&server, WORK, "two", OPTIONS(QUICK, "--concurrency", "4"));
    for (int i = 0; i < 30; i++) {
        test_send(&server, WORK, "Wait", "{\"n\":\"n%d\",\"counter\":\"c\",\"ms\":20}", i);
        test_send(&server, WORK, "Count", "{\"n\":\"m%d\",\"counter\":\"c\"}", i);
    }
    AWAIT(test_ask_integer(&server, "HLEN {work}:marks") == 60);
    test_await_settled(&server, WORK);
    assert_int_equal(value_of("c"), 60);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_ask_integer(&server, "EXISTS {work}:early"), 0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

/* ---- Beside those that wait ------------------------------------------------------------------ */

static void the_last_place_is_used(void **state)
{
    (void)state;
    struct test_worker worker = start_worker("8");
    char name[16];
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof(name), "w%d", i);
        begin_waiting(&worker, name, name);
    }
    for (int i = 0; i < 20; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
    AWAIT(test_ask_integer(&server, "HLEN {work}:marks") == 20);
    assert_int_equal(test_pending(&server, WORK), 7);
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof(name), "w%d", i);
        send_release(name);
    }
    test_await_settled(&server, WORK);
    assert_each_once(27);
    test_worker_end_well(&worker);
}

/* A message that a worker, now silent, has begun so many times. */
static void leave_behind(const char *type, const char *data, int deliveries)
{
    static const char script[] =
        "local id = redis.call('XADD', KEYS[1], '*', 'type', ARGV[1], 'data', ARGV[2]) "
        "redis.call('XREADGROUP', 'GROUP', 'work', 'ghost', 'STREAMS', KEYS[1], '>') "
        "return redis.call('XCLAIM', KEYS[1], 'work', 'ghost', 0, id, 'IDLE', 60000, "
        "'RETRYCOUNT', ARGV[3], 'JUSTID')";
    test_do(&server, "EVAL %s 1 {work}:commands %s %s %d", script, type, data, deliveries);
}

static void a_suspect_behind_one_that_waits_deafens_nobody(void **state)
{
    (void)state;
    struct test_worker worker = start_worker("8");
    begin_waiting(&worker, "a", "c");
    leave_behind("Wait", "{\"n\":\"b\",\"counter\":\"c\"}", 2);
    AWAIT(waits(&worker, "b") == 1);
    test_send(&server, WORK, "Mark", "{\"n\":\"other\"}");
    test_send(&server, WORK, "Count", "{\"n\":\"d\",\"counter\":\"d\"}");
    test_send(&server, WORK, "Count", "{\"n\":\"c\",\"counter\":\"c\"}");
    AWAIT(marks("other") == 1 && marks("d") == 1 && marks("c") == 1);
    assert_int_equal(test_worker_logged(&worker, "message.taken_over"), 1);
    send_release("b");
    send_release("a");
    AWAIT(marks("a") == 1 && marks("b") == 1);
    test_await_settled(&server, WORK);
    assert_int_equal(value_of("c"), 3);
    assert_int_equal(test_number(&server, "{work}:deliveries", "b"), 3);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_dead(&server, WORK), 0);
    test_worker_end_well(&worker);
}

/* Those that were begun twice begin alone, but wait together. */
static void suspects_that_wait_do_not_hold_each_other_up(void **state)
{
    (void)state;
    struct test_worker worker = start_worker("16");
    char data[64];
    for (int i = 0; i < 6; i++) {
        snprintf(data, sizeof(data), "{\"n\":\"n%d\",\"counter\":\"c%d\"}", i, i / 3);
        leave_behind("Wait", data, 2);
    }
    AWAIT(test_worker_logged(&worker, "test.waits") == 6);
    test_send(&server, WORK, "Mark", "{\"n\":\"other\"}");
    AWAIT(marks("other") == 1);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 1);
    end_at_once(&worker);
    assert_int_equal(test_pending(&server, WORK), 6);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(an_outcome_within_the_handler_counts),
        CASE(what_the_handler_returns_goes_before_it),
        CASE(an_outcome_after_another_is_ignored),
        CASE(an_outcome_after_a_retry_is_ignored),
        CASE(is_called_again_on_fresh_state),
        CASE(may_wait_more_than_once),
        CASE(those_for_one_key_wait_side_by_side),
        CASE(a_conflict_after_the_wait_is_run_again),
        CASE(the_last_place_is_used),
        CASE(a_suspect_behind_one_that_waits_deafens_nobody),
        CASE(suspects_that_wait_do_not_hold_each_other_up),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
