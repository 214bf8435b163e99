/* Read models: whatever dies on the way, a model is the fold of the events. */
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

#define VIEW "view"
#define SOURCES 2
#define ACCOUNTS 5

static struct test_server server;

/* ---- The view: balances by reading and writing, totals by adding, the order of each source --- */

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    const json_t *data = weir_message_data(message);
    int64_t amount = json_integer_value(json_object_get(data, "amount")), balance = 0;
    char key[64];
    if (json_object_get(data, "refuse")) {
        weir_reason(context, "not to be folded");
        return WEIR_REJECT;
    }
    (void)weir_hget_integer(context, NULL, "balance", &balance);
    weir_hset_integer(context, NULL, "balance", balance + amount);
    weir_hset(context, NULL, "last", weir_message_entry(message));
    weir_hincrby(context, "total", "amount", amount);
    weir_hincrby(context, "total", weir_message_source(message), 1);
    snprintf(key, sizeof(key), "entries:%s", weir_message_source(message));
    weir_hincrby(context, key, weir_message_entry(message), 1);
    if (json_object_get(data, "discard")) {
        weir_reason(context, "amount: is nonsense");
        return WEIR_DISCARD;
    }
    return WEIR_DONE;
}

static enum weir_outcome other_fold(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "other", "events", 1);
    return WEIR_DONE;
}

static enum weir_outcome answer(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "pings", "n", 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_project(service, "balances", "s0", "Moved", fold, "account:{account}");
    weir_project(service, "balances", "s1", "Moved", fold, "account:{account}");
    weir_project(service, "other", "s0", "Moved", other_fold, NULL);
    weir_on_command(service, "Ping", answer, NULL);
    return service;
}

/* ---- Events, and what their fold must be ----------------------------------------------------- */

static long long balances[ACCOUNTS], total, counts[SOURCES];

static const char *const durable[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", durable);
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
    memset(balances, 0, sizeof(balances));
    memset(counts, 0, sizeof(counts));
    total = 0;
    return 0;
}

static void publish(int count)
{
    for (int i = 0; i < count; i++) {
        unsigned source = test_random(SOURCES), account = test_random(ACCOUNTS);
        int amount = (int)test_random(1000) - 300;
        redisAppendCommand(server.connection,
                           "XADD {s%u}:events * type Moved source s%u data "
                           "{\"account\":%u,\"amount\":%d}",
                           source, source, account, amount);
        balances[account] += amount;
        total += amount;
        counts[source]++;
    }
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(server.connection, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        freeReplyObject(reply);
    }
}

static bool caught_up(void)
{
    return test_number(&server, "{view}:total", "s0") >= counts[0] &&
           test_number(&server, "{view}:total", "s1") >= counts[1];
}

static void assert_folded(void)
{
    char key[64];
    AWAIT(caught_up());
    assert_int_equal(test_number(&server, "{view}:total", "amount"), total);
    for (int i = 0; i < ACCOUNTS; i++) {
        snprintf(key, sizeof(key), "{view}:account:%d", i);
        assert_int_equal(test_number(&server, key, "balance"), balances[i]);
    }
    for (int i = 0; i < SOURCES; i++) {
        snprintf(key, sizeof(key), "{view}:entries:s%d", i);
        assert_int_equal(test_ask_integer(&server, "HLEN %s", key), counts[i]);
        assert_int_equal(test_others(&server, key, "1"), 0);
    }
    AWAIT(test_number(&server, "{view}:other", "events") >= counts[0]);
    assert_int_equal(test_number(&server, "{view}:other", "events"), counts[0]);
}

static struct test_worker start_view(const char *consumer)
{
    return test_worker_start(&server, VIEW, consumer, NULL);
}

static void end_well(struct test_worker *worker)
{
    assert_int_equal(test_worker_end(worker, SIGTERM), 0);
    assert_int_equal(test_worker_logged(worker, "unlisted_move"), 0);
}

static void pause_for(unsigned ms)
{
    for (long long end = test_now() + ms; test_now() < end;)
        test_pause();
}

/* ---- The tests ------------------------------------------------------------------------------- */

static void folds_what_was_there_and_what_comes(void **state)
{
    (void)state;
    publish(500);
    struct test_worker view = start_view("one");
    publish(500);
    assert_folded();
    redisReply *reply = test_ask(&server, "XINFO STREAM {s0}:events");
    assert_string_equal(test_text(&server, "{view}:checkpoint:balances", "{s0}:events"),
                        reply->element[7]->str);
    freeReplyObject(reply);
    end_well(&view);
}

static void survives_the_death_of_the_runner(void **state)
{
    (void)state;
    struct test_worker view = start_view("one");
    for (int i = 0; i < 12; i++) {
        publish(200);
        pause_for(test_random(15));
        assert_int_equal(test_worker_end(&view, SIGKILL), 128 + SIGKILL);
        view = start_view("one");
    }
    assert_folded();
    end_well(&view);
}

static void two_runners_fold_each_event_once(void **state)
{
    (void)state;
    struct test_worker one = start_view("one"), two = start_view("two");
    for (int i = 0; i < 10; i++) {
        publish(100);
        pause_for(test_random(10));
        if (i == 5)
            test_do(&server, "CLIENT KILL TYPE normal");
    }
    assert_folded();
    end_well(&one);
    publish(100);
    assert_folded();
    end_well(&two);
}

static void survives_the_death_of_the_server(void **state)
{
    (void)state;
    struct test_worker view = start_view("one");
    for (int i = 0; i < 4; i++) {
        publish(300);
        pause_for(test_random(15));
        test_server_restart(&server, SIGKILL);
    }
    assert_folded();
    end_well(&view);
}

static void a_refused_event_stops_its_projection_alone(void **state)
{
    (void)state;
    struct test_worker view = start_view("one");
    publish(50);
    assert_folded();
    long long folded = counts[0] + counts[1];
    test_do(&server, "XADD {s0}:events * type Moved source s0 data {\"refuse\":1}");
    test_do(&server, "XADD {s0}:events * type Moved source s0 data {\"account\":1,\"amount\":1}");
    test_worker_await_log(&view, "projection.stopped");
    assert_int_equal(test_worker_logged(&view, "not to be folded"), 1);
    AWAIT(test_number(&server, "{view}:other", "events") == counts[0] + 2);
    assert_int_equal(test_number(&server, "{view}:total", "s0") +
                         test_number(&server, "{view}:total", "s1"),
                     folded);
    test_send(&server, VIEW, "Ping", "{}");
    AWAIT(test_number(&server, "{view}:pings", "n") == 1);
    end_well(&view);
}

static void a_model_of_another_type_stops_its_projection_alone(void **state)
{
    (void)state;
    test_do(&server, "SET {view}:account:1 x");
    test_do(&server, "XADD {s0}:events * type Moved source s0 data {\"account\":1,\"amount\":1}");
    struct test_worker view = start_view("one");
    test_worker_await_log(&view, "projection.stopped");
    AWAIT(test_number(&server, "{view}:other", "events") == 1);
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:checkpoint:balances"), 0);
    end_well(&view);
}

static void a_malformed_event_is_put_away(void **state)
{
    (void)state;
    struct test_worker view = start_view("one");
    publish(20);
    char *entry = test_ask_text(&server, "XADD {s1}:events * type Moved source s1 data nonsense");
    publish(20);
    assert_folded();
    assert_int_equal(test_dead(&server, VIEW), 1);
    assert_string_equal(test_newest(&server, "{view}:dead", "stream"), "{s1}:events");
    assert_string_equal(test_newest(&server, "{view}:dead", "entry"), entry);
    assert_string_equal(test_newest(&server, "{view}:dead", "data"), "nonsense");
    assert_non_null(strstr(test_newest(&server, "{view}:dead", "reason"), "data: "));
    free(entry);
    end_well(&view);
}

/* Nothing is left of what it has written for that, and what comes before and after it counts. */
static void what_the_handler_discards_is_put_away(void **state)
{
    (void)state;
    static const char data[] = "{\"account\":1,\"amount\":7,\"discard\":true}";
    publish(10);
    for (int i = 0; i < 3; i++) { /* one behind the other, in one batch */
        test_do(&server, "XADD {s1}:events * type Moved source s1 data %s", data);
        publish(i * 5);
    }
    struct test_worker view = start_view("one");
    assert_folded();
    assert_int_equal(test_dead(&server, VIEW), 3);
    assert_string_equal(test_newest(&server, "{view}:dead", "data"), data);
    assert_string_equal(test_newest(&server, "{view}:dead", "reason"), "amount: is nonsense");
    assert_int_equal(test_worker_logged(&view, "projection.stopped"), 0);
    end_well(&view);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(folds_what_was_there_and_what_comes),
        CASE(survives_the_death_of_the_runner),
        CASE(two_runners_fold_each_event_once),
        CASE(survives_the_death_of_the_server),
        CASE(a_refused_event_stops_its_projection_alone),
        CASE(a_model_of_another_type_stops_its_projection_alone),
        CASE(a_malformed_event_is_put_away),
        CASE(what_the_handler_discards_is_put_away),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
