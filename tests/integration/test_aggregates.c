/* Aggregates under load: each command is decided on the state that all before it have left, once,
 * in one process and in two. What happened is told by the service's own events, in their order. */
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/worker.h"

#define LEDGER "ledger"
#define EVENTS "{ledger}:events"
#define AGGREGATES 100
#define ACCOUNTS 200
#define BALANCE 1000
#define PAGE 2000
#define NO_PROGRESS_MS 30000

/* What a sanitizer makes slower by far is done less often. */
#if defined(__SANITIZE_ADDRESS__)
enum { COMMANDS = 20000, TRANSFERS = 5000 };
#else
enum { COMMANDS = 100000, TRANSFERS = 20000 };
#endif

/* ---- The service --------------------------------------------------------------------------- */

/* A number that tells all that came before it, and their order. */
static int64_t next_chain(int64_t chain, int64_t n)
{
    uint64_t sum = ((uint64_t)chain ^ (uint64_t)n) * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((sum ^ sum >> 29) >> 2);
}

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    const char *aggregate;
    int64_t n, count = 0, chain = 0;
    (void)message;
    if (!weir_require_id(context, "aggregate", &aggregate) ||
        !weir_require_integer(context, "n", 0, INT64_MAX, &n))
        return WEIR_REJECT;
    if (weir_exists(context, NULL) && (!weir_hget_integer(context, NULL, "count", &count) ||
                                       !weir_hget_integer(context, NULL, "chain", &chain)))
        return WEIR_REJECT;
    chain = next_chain(chain, n);
    weir_hset_integer(context, NULL, "count", count + 1);
    weir_hset_integer(context, NULL, "last", n);
    weir_hset_integer(context, NULL, "chain", chain);
    weir_publish(context, "Folded", aggregate, "{s:s, s:I, s:I}", "aggregate", aggregate, "n",
                 (json_int_t)n, "chain", (json_int_t)chain);
    return WEIR_DONE;
}

/* Moves the amount, or nothing where there is not enough. */
static enum weir_outcome transfer(weir_context *context, const weir_message *message)
{
    const char *from, *to;
    char from_key[160], to_key[160];
    int64_t n, amount, left, gained;
    (void)message;
    if (!weir_require_id(context, "from", &from) || !weir_require_id(context, "to", &to) ||
        !weir_require_integer(context, "n", 0, INT64_MAX, &n) ||
        !weir_require_integer(context, "amount", 0, INT64_MAX, &amount))
        return WEIR_REJECT;
    snprintf(from_key, sizeof(from_key), "account:%s", from);
    snprintf(to_key, sizeof(to_key), "account:%s", to);
    if (!weir_hget_integer(context, from_key, "balance", &left) ||
        !weir_hget_integer(context, to_key, "balance", &gained))
        return WEIR_REJECT;
    if (amount > left)
        amount = 0;
    weir_hset_integer(context, from_key, "balance", left - amount);
    weir_hset_integer(context, to_key, "balance", gained + amount);
    weir_publish(context, "Transferred", from, "{s:I, s:I, s:I}", "n", (json_int_t)n, "left",
                 (json_int_t)(left - amount), "gained", (json_int_t)(gained + amount));
    return WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Fold", fold, "aggregate:{aggregate}");
    weir_on_command(service, "Transfer", transfer, "account:{from} account:{to}");
    return service;
}

/* ---- The test's side ----------------------------------------------------------------------- */

static struct test_server server;
static struct test_worker workers[2];

/* What is sent, by number: for Fold `to` counts for nothing. */
static struct {
    int from, to, amount;
} plan[COMMANDS];
static bool happened[COMMANDS];

/* What the events so far make of an aggregate and of an account. */
static struct {
    long long count, last;
    int64_t chain;
} folded[AGGREGATES];
static long long balances[ACCOUNTS];

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
    memset(happened, 0, sizeof(happened));
    memset(folded, 0, sizeof(folded));
    return 0;
}

static void start_workers(int count)
{
    workers[0] = test_worker_start(&server, LEDGER, "one", NULL);
    if (count > 1)
        workers[1] = test_worker_start(&server, LEDGER, "two", NULL);
}

static void end_workers(int count)
{
    for (int i = 0; i < count; i++)
        test_worker_end_well(&workers[i]);
}

/* A counter of all workers together, as they have last told. */
static long long counted(const char *counter)
{
    redisReply *reply = test_ask(&server, "HVALS {ledger}:workers");
    long long sum = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        json_t *worker = json_loads(reply->element[i]->str, 0, NULL);
        assert_non_null(worker);
        sum += json_integer_value(json_object_get(worker, counter));
        json_decref(worker);
    }
    freeReplyObject(reply);
    return sum;
}

/* Waits as long as there is progress. */
static void await_handled(int count)
{
    long long before = -1, now = 0, end = 0;
    for (; now < count; now = test_ask_integer(&server, "XLEN " EVENTS)) {
        if (now != before)
            end = test_now() + NO_PROGRESS_MS;
        if (test_now() > end)
            fail_msg("no progress behind %lld of %d", now, count);
        before = now;
        for (int i = 0; i < 10; i++) /* asking takes the server's time, too */
            test_pause();
    }
    test_await_settled(&server, LEDGER);
    AWAIT(counted("done") == count);
    print_message("%d commands: %lld conflicts, %lld retried\n", count, counted("conflicts"),
                  counted("retried"));
    assert_int_equal(test_dead(&server, LEDGER), 0);
}

/* ---- What the events tell ------------------------------------------------------------------ */

typedef void event_check(const json_t *data, int n);

static long long member(const json_t *data, const char *name)
{
    const json_t *value = json_object_get(data, name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void check_event(const redisReply *entry, int count, event_check *check)
{
    const redisReply *fields = entry->element[1];
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        json_t *data;
        long long n;
        if (strcmp(fields->element[i]->str, "data") != 0)
            continue;
        data = json_loads(fields->element[i + 1]->str, 0, NULL);
        n = member(data, "n");
        assert_in_range(n, 0, count - 1);
        assert_false(happened[n]);
        happened[n] = true;
        check(data, (int)n);
        json_decref(data);
    }
}

/* All events in their order; each command has led to one. */
static void check_events(int count, event_check *check)
{
    char from[64] = "-";
    int seen = 0;
    for (size_t got = PAGE; got == PAGE;) {
        redisReply *page = test_ask(&server, "XRANGE " EVENTS " %s + COUNT %d", from, PAGE);
        got = page->elements;
        for (size_t i = 0; i < got; i++, seen++)
            check_event(page->element[i], count, check);
        if (got > 0)
            snprintf(from, sizeof(from), "(%s", page->element[got - 1]->element[0]->str);
        freeReplyObject(page);
    }
    assert_int_equal(seen, count);
}

/* ---- Folding ------------------------------------------------------------------------------- */

static void make_fold(char *data, size_t room, int n)
{
    plan[n].from = (int)test_random(AGGREGATES);
    snprintf(data, room, "{\"aggregate\":\"a%d\",\"n\":%d}", plan[n].from, n);
}

static void check_folded(const json_t *data, int n)
{
    int aggregate = plan[n].from;
    folded[aggregate].chain = next_chain(folded[aggregate].chain, n);
    folded[aggregate].last = n;
    folded[aggregate].count++;
    if (folded[aggregate].chain != member(data, "chain"))
        fail_msg("aggregate %d has not gone on from what was before command %d", aggregate, n);
}

static void check_folded_in_order(const json_t *data, int n)
{
    int aggregate = plan[n].from;
    if (folded[aggregate].count > 0 && folded[aggregate].last >= n)
        fail_msg("aggregate %d: command %d came behind %lld", aggregate, n, folded[aggregate].last);
    check_folded(data, n);
}

static void check_state(void)
{
    char key[64];
    for (int i = 0; i < AGGREGATES; i++) {
        snprintf(key, sizeof(key), "{ledger}:aggregate:a%d", i);
        assert_int_equal(test_number(&server, key, "count"), folded[i].count);
        assert_int_equal(test_number(&server, key, "last"), folded[i].last);
        assert_int_equal(test_number(&server, key, "chain"), folded[i].chain);
    }
}

/* No conflict: had two messages for one key overlapped, the second would have read too early. */
static void one_process_folds_in_the_stream_s_order(void **state)
{
    (void)state;
    start_workers(1);
    test_send_made(&server, LEDGER, "Fold", COMMANDS, make_fold);
    await_handled(COMMANDS);
    assert_int_equal(counted("conflicts"), 0);
    check_events(COMMANDS, check_folded_in_order);
    check_state();
    end_workers(1);
}

static void two_processes_fold_in_some_order(void **state)
{
    (void)state;
    start_workers(2);
    test_send_made(&server, LEDGER, "Fold", COMMANDS, make_fold);
    await_handled(COMMANDS);
    assert_true(counted("conflicts") > 0);
    check_events(COMMANDS, check_folded);
    check_state();
    end_workers(2);
}

/* ---- Two hashes at once -------------------------------------------------------------------- */

static void make_transfer(char *data, size_t room, int n)
{
    plan[n].from = (int)test_random(ACCOUNTS);
    plan[n].to = (plan[n].from + 1 + (int)test_random(ACCOUNTS - 1)) % ACCOUNTS;
    plan[n].amount = (int)test_random(BALANCE);
    snprintf(data, room, "{\"from\":\"a%d\",\"to\":\"a%d\",\"amount\":%d,\"n\":%d}", plan[n].from,
             plan[n].to, plan[n].amount, n);
}

static void check_transferred(const json_t *data, int n)
{
    int amount = plan[n].amount <= balances[plan[n].from] ? plan[n].amount : 0;
    balances[plan[n].from] -= amount;
    balances[plan[n].to] += amount;
    assert_int_equal(member(data, "left"), balances[plan[n].from]);
    assert_int_equal(member(data, "gained"), balances[plan[n].to]);
}

static void two_processes_move_money_between_accounts(void **state)
{
    long long sum = 0;
    char key[64];
    (void)state;
    for (int i = 0; i < ACCOUNTS; i++) {
        test_do(&server, "HSET {ledger}:account:a%d balance %d", i, BALANCE);
        balances[i] = BALANCE;
    }
    start_workers(2);
    test_send_made(&server, LEDGER, "Transfer", TRANSFERS, make_transfer);
    await_handled(TRANSFERS);
    assert_true(counted("conflicts") > 0);
    check_events(TRANSFERS, check_transferred);
    for (int i = 0; i < ACCOUNTS; i++) {
        snprintf(key, sizeof(key), "{ledger}:account:a%d", i);
        assert_int_equal(test_number(&server, key, "balance"), balances[i]);
        sum += balances[i];
    }
    assert_int_equal(sum, (long long)ACCOUNTS * BALANCE);
    end_workers(2);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(one_process_folds_in_the_stream_s_order),
        CASE(two_processes_fold_in_some_order),
        CASE(two_processes_move_money_between_accounts),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
