/* Who waits for a command, and handlers that act outside: neither goes on before what it acts on
 * has reached a replica, and each is told once what became of it. */
#include <ev.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/proxy.h"
#include "support/replica.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define LONG_MS 15000
#define SHORT_MS 500
#define QUICK "--retry-base", "10ms", "--retry-cap", "20ms", "--max-deliveries", "1000"

static struct test_primary primary;
static struct test_replica replica;
static weir_caller *caller;

/* ---- The service -----------------------------------------------------------------------------
 *
 * Beside those of the work service:
 *
 *   Pay {n, replicas, limit, how}  waits until what it has seen has reached so many replicas, for
 *                                  `limit` ms at the most, and only then acts outside, which is a
 *                                  line "outside n=<n> " in the log; then it takes effect. Told
 *                                  otherwise it asks for a retry. Each answer that it gets is a
 *                                  line "told n=<n> outcome=<number> mine=<0 or 1> ". `how`:
 *                                  "finish": retried before the answer; "twice": asks again while
 *                                  it waits; "later": asks when Ask comes
 *   Ask {}                         has the last Pay that waits for it ask */

struct paying {
    weir_deferral *deferral;
    char n[32];
    unsigned replicas;
    int64_t limit_ms;
};

static struct paying *later;

static const char *text_of(const weir_message *message, const char *name)
{
    const char *text = json_string_value(json_object_get(weir_message_data(message), name));
    return text ? text : "";
}

static long long number_of(const weir_message *message, const char *name)
{
    return json_integer_value(json_object_get(weir_message_data(message), name));
}

static void on_durable(weir_deferral *deferral, enum weir_durable outcome, const char *why,
                       void *user)
{
    struct paying *paying = user;
    weir_context *context = weir_deferral_context(deferral);
    fprintf(stderr, "told n=%s outcome=%d mine=%d %s\n", paying->n, (int)outcome, context != NULL,
            why);
    if (outcome == WEIR_DURABLE_REACHED && context) {
        fprintf(stderr, "outside n=%s \n", paying->n);
        weir_hincrby(context, "marks", paying->n, 1);
        weir_finish(deferral, WEIR_DONE);
    } else {
        weir_finish(deferral, WEIR_RETRY);
    }
    free(paying);
}

static bool ask(struct paying *paying)
{
    if (weir_when_durable(paying->deferral, paying->replicas, false, paying->limit_ms, on_durable,
                          paying))
        return true;
    weir_finish(paying->deferral, WEIR_RETRY);
    free(paying);
    return false;
}

static void ask_twice(weir_context *context, weir_deferral *deferral)
{
    if (!weir_when_durable(deferral, 0, false, LONG_MS, on_durable, NULL))
        weir_note(context, "test.second_refused", NULL);
}

static enum weir_outcome pay(weir_context *context, const weir_message *message)
{
    const char *how = text_of(message, "how");
    struct paying *paying = calloc(1, sizeof *paying);
    weir_deferral *deferral = paying ? weir_defer(context) : NULL;
    if (!deferral) {
        free(paying);
        return WEIR_RETRY;
    }
    paying->deferral = deferral;
    paying->replicas = (unsigned)number_of(message, "replicas");
    paying->limit_ms = number_of(message, "limit");
    snprintf(paying->n, sizeof paying->n, "%s", text_of(message, "n"));
    weir_note(context, "test.pay", "n=%s", paying->n);
    if (strcmp(how, "later") == 0) {
        later = paying;
    } else if (ask(paying) && strcmp(how, "twice") == 0) {
        ask_twice(context, deferral);
    } else if (strcmp(how, "finish") == 0) {
        weir_finish(deferral, weir_message_deliveries(message) > 1 ? WEIR_DONE : WEIR_RETRY);
        free(paying);
    }
    return WEIR_DEFERRED;
}

static enum weir_outcome ask_now(weir_context *context, const weir_message *message)
{
    (void)context, (void)message;
    (void)!ask(later);
    return WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = test_work_service(name);
    weir_on_command(service, "Pay", pay, "account:{n}");
    weir_on_command(service, "Ask", ask_now, NULL);
    return service;
}

/* ---- Before and after -------------------------------------------------------------------- */

static int start(void **state)
{
    char why[256];
    (void)state;
    test_primary_start(&primary, "primary", NULL);
    test_replica_start(&replica, &primary, "replica");
    use_server(&primary.server);
    caller = weir_caller_open(primary.server.url, NULL, why, sizeof why);
    if (!caller)
        fail_msg("%s", why);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    weir_caller_close(caller);
    test_server_stop(&replica.server, SIGTERM);
    test_server_stop(&primary.server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_server_thaw(&replica.server);
    test_do(&primary.server, "FLUSHALL");
    test_primary_await_replicas(&primary, 1);
    return 0;
}

static struct test_worker start_worker(const char *const *options)
{
    return test_worker_start(&primary.server, WORK, "one", options);
}

static long long marks(const char *n)
{
    return test_number(&primary.server, "{work}:marks", n);
}

static int told(const struct test_worker *worker, const char *n, const char *how)
{
    char line[96];
    snprintf(line, sizeof line, "told n=%s %s", n, how);
    return test_worker_logged(worker, line);
}

static int outside(const struct test_worker *worker, const char *n)
{
    char line[64];
    snprintf(line, sizeof line, "outside n=%s ", n);
    return test_worker_logged(worker, line);
}

static void send_pay(const char *n, int replicas, int limit, const char *how)
{
    test_send(&primary.server, WORK, "Pay",
              "{\"n\":\"%s\",\"replicas\":%d,\"limit\":%d,\"how\":\"%s\"}", n, replicas, limit,
              how);
}

/* ---- Calls ------------------------------------------------------------------------------- */

static enum weir_call_result call(const char *id, int64_t limit_ms, struct weir_call_answer *answer)
{
    json_t *data = json_pack("{s:s}", "n", id);
    enum weir_call_result result = weir_call(caller, WORK, "Mark", id, data, limit_ms, answer);
    json_decref(data);
    return result;
}

static void a_call_is_done_once_it_is_durable(void **state)
{
    (void)state;
    struct weir_call_answer answer;
    struct test_worker worker = start_worker(OPTIONS("--replicas", "1"));
    assert_int_equal(call("a", LONG_MS, &answer), WEIR_CALL_DONE);
    assert_string_equal(answer.token.stream, "{work}:events");
    test_server_freeze(&replica.server);
    /* Again where a slow machine has not come so far in the short time. */
    AWAIT(call("b", SHORT_MS, &answer) != WEIR_CALL_UNKNOWN ||
          strncmp(answer.reason, "it is done", 10) == 0);
    assert_string_equal(answer.reason,
                        "it is done, but has not reached 1 replica in time: 0 replicas have it");
    assert_string_equal(answer.id, "b");
    assert_string_equal(answer.token.stream, "");
    assert_int_equal(marks("b"), 1);
    assert_int_equal(call("b", SHORT_MS, &answer), WEIR_CALL_UNKNOWN);
    test_server_thaw(&replica.server);
    assert_int_equal(call("b", LONG_MS, &answer), WEIR_CALL_DONE);
    assert_string_equal(answer.token.stream, "{work}:events");
    assert_int_equal(marks("b"), 1);
    assert_int_equal(test_ask_integer(&primary.server, "EXISTS {work}:seen:b"), 1);
    char *keys = test_ask_text(&primary.server, "EVAL %s 0",
                               "return table.concat(redis.call('KEYS','*note*'),' ')");
    assert_string_equal(keys, "");
    free(keys);
    test_worker_end_well(&worker);
}

/* Marks of services that ask for nothing are as they were. */
static void a_call_that_needs_nothing_does_not_wait(void **state)
{
    (void)state;
    struct weir_call_answer answer;
    struct test_worker worker = start_worker(NULL);
    test_server_freeze(&replica.server);
    test_do(&primary.server, "CONFIG RESETSTAT");
    assert_int_equal(call("a", LONG_MS, &answer), WEIR_CALL_DONE);
    char *stats = test_ask_text(&primary.server, "INFO commandstats");
    assert_null(strstr(stats, "cmdstat_wait"));
    free(stats);
    test_do(&primary.server, "SET {work}:seen:old done");
    assert_int_equal(call("old", LONG_MS, &answer), WEIR_CALL_DONE);
    test_do(&primary.server, "SET {work}:seen:older 1");
    assert_int_equal(call("older", LONG_MS, &answer), WEIR_CALL_DONE);
    test_worker_end_well(&worker);
}

static void the_command_line_waits_as_well(void **state)
{
    (void)state;
    struct test_worker worker = start_worker(OPTIONS("--replicas", "1"));
    test_server_freeze(&replica.server);
    expect_weir(5, "unknown: it is done, but has not reached 1 replica in time: 0 replicas have it",
                "safe to repeat",
                WORDS("send", WORK, "Mark", "--data", "{\"n\":\"c\"}", "--id", "c", "--wait=1"));
    test_server_thaw(&replica.server);
    expect_weir(0, "done", NULL,
                WORDS("send", WORK, "Mark", "--data", "{\"n\":\"c\"}", "--id", "c", "--wait=15"));
    assert_int_equal(marks("c"), 1);
    test_worker_end_well(&worker);
}

static void the_disk_of_a_server_that_has_none_stays_unknown(void **state)
{
    (void)state;
    struct weir_call_answer answer;
    test_do(&primary.server, "SET {work}:seen:d %s", "done - - disk");
    assert_int_equal(call("d", SHORT_MS, &answer), WEIR_CALL_UNKNOWN);
    if (strstr(answer.reason, "keeps no append-only file") == NULL)
        fail_msg("%s", answer.reason);
}

static bool info_holds(const char *section, const char *text)
{
    char *info = test_ask_text(&primary.server, section);
    bool holds = strstr(info, text) != NULL;
    free(info);
    return holds;
}

static void set_file(const char *appendonly)
{
    test_do(&primary.server, "CONFIG SET appendonly %s", appendonly);
    AWAIT(!info_holds("INFO persistence", "aof_rewrite_in_progress:1") &&
          !info_holds("INFO persistence", "aof_rewrite_scheduled:1"));
}

/* While somebody waits, the server changes, on the same connection: that is said. */
static void a_server_that_cannot_tell_any_more_is_named(void **state)
{
    (void)state;
    bool waits = test_server_has_waitaof(&primary.server);
    test_do(&primary.server, "CONFIG SET appendfsync always");
    set_file("yes");
    struct test_worker worker = start_worker(OPTIONS("--replicas", "1", "--durable-disk"));
    test_server_freeze(&replica.server);
    test_do(&primary.server, "CONFIG RESETSTAT");
    pid_t sender = test_spawn(WORDS(test_program("weir"), "send", WORK, "Mark", "--data",
                                    "{\"n\":\"e\"}", "--id", "e", "--wait=60"),
                              "sender.log");
    AWAIT(info_holds("INFO commandstats", "cmdstat_wait:"));
    if (waits)
        set_file("no");
    else
        test_do(&primary.server, "CONFIG SET appendfsync everysec");
    test_server_thaw(&replica.server);
    assert_int_equal(test_end(sender, 0, 30000), 5);
    test_await_text("sender.log",
                    waits ? "keeps no append-only file"
                          : "has no WAITAOF; use Redis 7.2 or newer, or set appendfsync always",
                    1000);
    assert_int_equal(marks("e"), 1);
    test_worker_end_well(&worker);
    set_file("no");
}

/* What a server has done is gone with its data, on the same connection, too. */
static void a_server_that_is_emptied_vouches_for_nothing(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_do(&primary.server, "SET {work}:seen:f %s", "done - - replicas:1");
    test_proxy_start(&proxy, &primary.server, (struct proxy_trap){"DEL", ":note:", PROXY_HOLD});
    pid_t sender = test_spawn(WORDS(test_program("weir"), "--redis", proxy.url, "send", WORK,
                                    "Mark", "--data", "{\"n\":\"f\"}", "--id", "f", "--wait=30"),
                              "emptied.log");
    test_proxy_await(&proxy);
    test_do(&primary.server, "FLUSHALL");
    test_proxy_release(&proxy, PROXY_NONE);
    assert_int_equal(test_end(sender, 0, 30000), 5);
    test_await_text("emptied.log", "was emptied since; what was done before may be gone", 1000);
    test_proxy_stop(&proxy);
}

/* ---- Handlers ---------------------------------------------------------------------------- */

static void a_handler_acts_outside_once_it_is_durable(void **state)
{
    (void)state;
    struct test_worker worker = start_worker(OPTIONS(QUICK));
    test_server_freeze(&replica.server);
    send_pay("a", 1, LONG_MS, "");
    send_pay("b", 0, LONG_MS, ""); /* asks for nothing, and is told all the same */
    AWAIT(marks("b") == 1);
    test_worker_await_log(&worker, "durability.waiting");
    assert_int_equal(told(&worker, "a", "outcome"), 0);
    assert_int_equal(outside(&worker, "a"), 0);
    test_server_thaw(&replica.server);
    AWAIT(marks("a") == 1);
    assert_int_equal(told(&worker, "a", "outcome=0 mine=1"), 1);
    assert_int_equal(told(&worker, "a", "outcome"), 1);
    assert_int_equal(outside(&worker, "a"), 1);
    test_await_settled(&primary.server, WORK);
    test_worker_end_well(&worker);
}

static void a_limit_that_is_over_is_told(void **state)
{
    (void)state;
    struct test_worker worker = start_worker(OPTIONS(QUICK));
    test_server_freeze(&replica.server);
    send_pay("a", 1, 400, "");
    AWAIT(told(&worker, "a", "outcome=1 mine=1 it has not reached 1 replica within 400 ms") >= 2);
    assert_int_equal(outside(&worker, "a"), 0);
    test_server_thaw(&replica.server);
    AWAIT(marks("a") == 1);
    assert_int_equal(outside(&worker, "a"), 1);
    test_worker_end_well(&worker);
}

/* State was loaded over the connection that is lost: it has to be loaded anew. */
static void a_lost_connection_is_told(void **state)
{
    (void)state;
    char *clients, *line;
    long long id = 0;
    struct test_worker worker = start_worker(OPTIONS(QUICK));
    test_server_freeze(&replica.server);
    send_pay("a", 1, LONG_MS, "");
    test_worker_await_log(&worker, "durability.waiting");
    clients = test_ask_text(&primary.server, "CLIENT LIST");
    for (line = strtok(clients, "\n"); line; line = strtok(NULL, "\n"))
        if (strstr(line, "name=weir:work:commands "))
            assert_int_equal(sscanf(line, "id=%lld", &id), 1);
    free(clients);
    test_do(&primary.server, "CLIENT KILL ID %lld", id);
    AWAIT(told(&worker, "a", "outcome=2 mine=1 the connection was lost since") == 1);
    assert_int_equal(outside(&worker, "a"), 0);
    test_server_thaw(&replica.server);
    AWAIT(marks("a") == 1);
    assert_int_equal(outside(&worker, "a"), 1);
    test_worker_end_well(&worker);
}

/* Another has finished it, or the server has lost it: it is not there to act on. */
static void a_message_that_is_not_pending_is_told(void **state)
{
    (void)state;
    struct test_worker worker = start_worker(OPTIONS(QUICK));
    send_pay("a", 0, LONG_MS, "later");
    test_worker_await_log(&worker, "test.pay n=a");
    redisReply *found = test_ask(&primary.server, "XRANGE {work}:commands - +");
    assert_int_equal(found->elements, 1);
    test_do(&primary.server, "XACK {work}:commands work %s", found->element[0]->element[0]->str);
    freeReplyObject(found);
    test_send(&primary.server, WORK, "Ask", "{}");
    AWAIT(told(&worker, "a", "outcome=2 mine=1 the message is not pending any more") == 1);
    assert_int_equal(outside(&worker, "a"), 0);
    test_worker_end_well(&worker);
}

static void the_message_may_be_taken_from_the_handler(void **state)
{
    (void)state;
    struct test_worker worker =
        start_worker(OPTIONS(QUICK, "--handler-timeout", "300ms", "--claim-idle", "600ms"));
    test_server_freeze(&replica.server);
    send_pay("a", 1, 2000, "");
    AWAIT(told(&worker, "a", "outcome=2 mine=0 the message is no longer this handler's") >= 1);
    assert_int_equal(outside(&worker, "a"), 0);
    test_server_thaw(&replica.server);
    AWAIT(marks("a") == 1);
    assert_int_equal(outside(&worker, "a"), 1);
    test_await_settled(&primary.server, WORK);
    test_worker_end_well(&worker);
}

static void a_finish_takes_it_back(void **state)
{
    (void)state;
    struct test_worker worker = start_worker(OPTIONS(QUICK));
    send_pay("a", 1, LONG_MS, "finish");
    send_pay("b", 1, LONG_MS, "twice");
    AWAIT(marks("b") == 1);
    test_await_settled(&primary.server, WORK);
    assert_int_equal(test_worker_logged(&worker, "test.pay n=a"), 2);
    assert_int_equal(told(&worker, "a", ""), 0);
    assert_int_equal(told(&worker, "b", "outcome"), 1);
    assert_int_equal(test_worker_logged(&worker, "test.second_refused"), 1);
    test_worker_end_well(&worker);
}

/* SIGTERM lets what is begun come to its end; a second one ends at once, and all are told. */
static void a_worker_that_stops_tells_all(void **state)
{
    (void)state;
    struct test_worker worker = start_worker(OPTIONS(QUICK));
    test_server_freeze(&replica.server);
    send_pay("a", 1, LONG_MS, "");
    send_pay("b", 1, LONG_MS, "");
    test_worker_await_log(&worker, "durability.waiting");
    AWAIT(test_worker_logged(&worker, "test.pay n=b") == 1);
    kill(worker.pid, SIGTERM);
    test_worker_await_log(&worker, "worker.stopping");
    assert_int_equal(told(&worker, "a", ""), 0);
    test_worker_end_well(&worker);
    assert_int_equal(told(&worker, "a", "outcome=2"), 1);
    assert_int_equal(told(&worker, "b", "outcome=2"), 1);
    assert_int_equal(test_pending(&primary.server, WORK), 2);
    test_server_thaw(&replica.server);
    worker = test_worker_start(&primary.server, WORK, "one", OPTIONS(QUICK));
    AWAIT(marks("a") == 1 && marks("b") == 1);
    kill(worker.pid, SIGTERM);
    test_worker_end_well(&worker);
}

int main(int argc, char **argv)
{
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_done_once_it_is_durable),
        TEST(a_call_that_needs_nothing_does_not_wait),
        TEST(the_command_line_waits_as_well),
        TEST(the_disk_of_a_server_that_has_none_stays_unknown),
        TEST(a_server_that_cannot_tell_any_more_is_named),
        TEST(a_server_that_is_emptied_vouches_for_nothing),
        TEST(a_handler_acts_outside_once_it_is_durable),
        TEST(a_limit_that_is_over_is_told),
        TEST(a_lost_connection_is_told),
        TEST(a_message_that_is_not_pending_is_told),
        TEST(the_message_may_be_taken_from_the_handler),
        TEST(a_finish_takes_it_back),
        TEST(a_worker_that_stops_tells_all),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
