/* Read models built anew beside the live ones: whatever dies on the way, the model is the fold of
 * the events, and who reads it in between sees values that only move forward. */
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
#define ITEMS 1000
#define GROUPS 7
#define DAY_MS 86400000LL
#define STATUS "{view}:projection:items"

static struct test_server server;

/* ---- The view: every type that a read model may have ----------------------------------------- */

static enum weir_outcome moved(weir_context *context, const weir_message *message)
{
    const json_t *data = weir_message_data(message);
    int64_t item = json_integer_value(json_object_get(data, "item")), sum = 0;
    char key[64], name[32];
    (void)weir_hget_integer(context, NULL, "sum", &sum);
    weir_hset_integer(context, NULL, "sum",
                      sum + json_integer_value(json_object_get(data, "amount")));
    weir_hset_integer(context, NULL, "n", json_integer_value(json_object_get(data, "n")));
    weir_hincrby(context, NULL, "count", 1);
    snprintf(name, sizeof name, "%lld", (long long)item);
    weir_zadd(context, "ranking", json_integer_value(json_object_get(data, "n")), name);
    snprintf(key, sizeof key, "group:%lld", (long long)item % GROUPS);
    weir_sadd(context, key, name);
    snprintf(key, sizeof key, "fresh:%lld", (long long)item);
    weir_set(context, key, weir_message_entry(message));
    weir_expire(context, key, DAY_MS);
    weir_incrby(context, "total", 1);
    return WEIR_DONE;
}

static enum weir_outcome dropped(weir_context *context, const weir_message *message)
{
    int64_t item = json_integer_value(json_object_get(weir_message_data(message), "item"));
    char key[64], name[32];
    weir_del(context, NULL);
    snprintf(name, sizeof name, "%lld", (long long)item);
    weir_zrem(context, "ranking", name);
    snprintf(key, sizeof key, "group:%lld", (long long)item % GROUPS);
    weir_srem(context, key, name);
    return WEIR_DONE;
}

static enum weir_outcome refused(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_reason(context, "not to be folded");
    return WEIR_REJECT;
}

static enum weir_outcome deadly(weir_context *context, const weir_message *message)
{
    (void)context;
    (void)message;
    abort();
}

static enum weir_outcome published(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_publish(context, "Echo", NULL, "{}");
    return WEIR_DONE;
}

static enum weir_outcome lent(weir_context *context, const weir_message *message)
{
    weir_hincrby(context, NULL, "times", 1);
    if (strcmp(weir_message_type(message), "Lent") == 0)
        weir_expire(context, NULL, 1000);
    return WEIR_DONE;
}

/* Version 2 calls the amount "cents". */
static bool rename_amount(json_t *data)
{
    json_t *cents = json_object_get(data, "cents");
    return cents == NULL || json_object_set(data, "amount", cents) == 0;
}

/* The service "newer/view" is the view as a newer program has it. */
static weir_service *make(const char *name)
{
    static const char *const sources[] = {"s0", "s1"};
    const char *slash = strchr(name, '/');
    weir_service *service = weir_service_new(slash != NULL ? slash + 1 : name);
    if (slash != NULL) {
        weir_upcast(service, "s0", "Moved", 1, NULL);
        weir_upcast(service, "s0", "Moved", 2, rename_amount);
    }
    for (int i = 0; i < 2; i++) {
        weir_project(service, "items", sources[i], "Moved", moved, "item:{item}");
        weir_project(service, "items", sources[i], "Dropped", dropped, "item:{item}");
        weir_project(service, "items", sources[i], "Lent", lent, "lent:{item}");
        weir_project(service, "items", sources[i], "Kept", lent, "lent:{item}");
        weir_project(service, "items", sources[i], "Refused",
                     strncmp(name, "deadly", 6) == 0 ? deadly : refused, NULL);
        weir_project(service, "items", sources[i], "Published", published, NULL);
    }
    return service;
}

/* ---- Events, and what their fold must be ----------------------------------------------------- */

static struct item {
    long long n, sum, count;
} items[ITEMS];
static long long last_n, total;

/* It writes before it answers, so that its own death loses nothing; the disk is not waited for. */
static const char *const durable[] = {"--appendonly", "yes", "--appendfsync", "no", NULL};

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
    memset(items, 0, sizeof items);
    last_n = total = 0;
    return 0;
}

static void append_move(unsigned item)
{
    int amount = (int)test_random(1000) - 300;
    redisAppendCommand(server.connection,
                       "XADD {s%u}:events * type Moved data {\"item\":%u,\"n\":%lld,\"amount\":%d}",
                       item % 2, item, ++last_n, amount);
    items[item].n = last_n;
    items[item].sum += amount;
    items[item].count++;
    total++;
}

static void append_drop(unsigned item)
{
    redisAppendCommand(server.connection, "XADD {s%u}:events * type Dropped data {\"item\":%u}",
                       item % 2, item);
    items[item] = (struct item){0};
}

static void take_answers(int count)
{
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(server.connection, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        freeReplyObject(reply);
    }
}

static void publish(int count, bool drops)
{
    for (int i = 0; i < count; i++) {
        unsigned item = test_random(ITEMS);
        if (drops && test_random(20) == 0)
            append_drop(item);
        else
            append_move(item);
    }
    take_answers(count);
}

/* ---- Looking --------------------------------------------------------------------------------- */

static bool behind(const char *stream)
{
    bool is_behind;
    redisReply *newest = test_ask(&server, "XREVRANGE %s + - COUNT 1", stream);
    redisReply *at = test_ask(&server, "HGET {view}:checkpoint:items %s", stream);
    is_behind = newest->elements > 0 && (at->type != REDIS_REPLY_STRING ||
                                         strcmp(at->str, newest->element[0]->element[0]->str) != 0);
    freeReplyObject(newest);
    freeReplyObject(at);
    return is_behind;
}

static void assert_item(unsigned item)
{
    redisReply *reply = test_ask(&server, "HMGET {view}:item:%u n sum count", item);
    redisReply *score = test_ask(&server, "ZSCORE {view}:ranking %u", item);
    long long member =
        test_ask_integer(&server, "SISMEMBER {view}:group:%u %u", item % GROUPS, item);
    bool there = items[item].count > 0;
    assert_int_equal(reply->element[0]->type, there ? REDIS_REPLY_STRING : REDIS_REPLY_NIL);
    assert_int_equal(member, there);
    assert_int_equal(score->type, there ? REDIS_REPLY_STRING : REDIS_REPLY_NIL);
    if (there) {
        assert_int_equal(atoll(reply->element[0]->str), items[item].n);
        assert_int_equal(atoll(reply->element[1]->str), items[item].sum);
        assert_int_equal(atoll(reply->element[2]->str), items[item].count);
        assert_int_equal(atoll(score->str), items[item].n);
    }
    freeReplyObject(reply);
    freeReplyObject(score);
}

static void assert_folded(void)
{
    char *sum;
    AWAIT(!behind("{s0}:events") && !behind("{s1}:events"));
    sum = test_ask_text(&server, "GET {view}:total");
    assert_int_equal(sum != NULL ? atoll(sum) : 0, total);
    free(sum);
    for (unsigned item = 0; item < ITEMS; item++)
        assert_item(item);
}

static const char *status(const char *field)
{
    return test_text(&server, STATUS, field);
}

static bool in_phase(const char *phase)
{
    const char *now = status("phase");
    return now != NULL && strcmp(now, phase) == 0;
}

static bool ended(void)
{
    return status("phase") == NULL || status("phase")[0] == '\0';
}

static void ask(const char *verb, const char *task, bool incomplete)
{
    static int number;
    test_do(&server,
            "FCALL weir_rebuild 8 " STATUS
            " {view}:checkpoint:items {view}:rebuild-checkpoint:items "
            "{view}:rebuild-keys:items {view}:rebuild-done:items {view}:rebuild-differences:items "
            "{view}:kinds {view}:rebuild-lives:items %s id%d %s %d",
            verb, ++number, task, incomplete);
}

/* A whole task, to its end; nothing of it may be left but what it has found. */
static void do_task(const char *task, const char *outcome)
{
    ask("start", task, false);
    AWAIT(ended());
    assert_string_equal(status("outcome"), outcome);
    assert_int_equal(test_ask_integer(&server,
                                      "EXISTS {view}:rebuild-keys:items {view}:rebuild-done:items "
                                      "{view}:rebuild-checkpoint:items"),
                     0);
    redisReply *left = test_ask(&server, "KEYS {view}:rebuild:*");
    assert_int_equal(left->elements, 0);
    freeReplyObject(left);
}

static void assert_no_differences(void)
{
    do_task("verify", "done");
    const char *differing = status("differing");
    if (differing != NULL && atoll(differing) != 0) {
        redisReply *list = test_ask(&server, "LRANGE {view}:rebuild-differences:items 0 1");
        fail_msg("%s keys differ: %s %s", differing, list->element[0]->str, list->element[1]->str);
    }
}

static struct test_worker start_view(const char *consumer, const char *batch)
{
    return test_worker_start(&server, VIEW, consumer,
                             OPTIONS("--projection-batch", batch, "--claim-idle", "600ms"));
}

static void pause_for(unsigned ms)
{
    for (long long end = test_now() + ms; test_now() < end;)
        test_pause();
}

/* ---- A reader that polls --------------------------------------------------------------------- */

static struct {
    long long n, count;
} seen[ITEMS];
static long long polls;

static void poll_item(unsigned item, const redisReply *reply)
{
    long long n, count;
    if (reply->element[0]->type == REDIS_REPLY_NIL) {
        if (seen[item].n > 0)
            fail_msg("item %u was there and is missing (phase %s)", item, status("phase"));
        return;
    }
    n = atoll(reply->element[0]->str);
    count = atoll(reply->element[1]->str);
    if (n < seen[item].n || count < seen[item].count)
        fail_msg("item %u went back from %lld/%lld to %lld/%lld (phase %s)", item, seen[item].n,
                 seen[item].count, n, count, status("phase"));
    seen[item].n = n;
    seen[item].count = count;
}

static void poll_all(void)
{
    for (unsigned item = 0; item < ITEMS; item++)
        redisAppendCommand(server.connection, "HMGET {view}:item:%u n count", item);
    for (unsigned item = 0; item < ITEMS; item++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(server.connection, (void **)&reply), REDIS_OK);
        poll_item(item, reply);
        freeReplyObject(reply);
    }
    polls++;
}

/* About 2,000 events a second, and all keys read in between, until the condition holds. */
#define UNDER_LOAD_UNTIL(condition)                                                                \
    for (long long next = test_now(), end = next + 30000; !(condition);) {                         \
        assert_true(test_now() < end);                                                             \
        if (test_now() < next)                                                                     \
            continue;                                                                              \
        next += 10;                                                                                \
        publish(20, false);                                                                        \
        poll_all();                                                                                \
    }

/* ---- The tests ------------------------------------------------------------------------------- */

static void a_rebuilt_model_is_the_fold(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    publish(3000, true);
    assert_folded();
    assert_no_differences();
    do_task("rebuild", "done");
    assert_folded();
    assert_no_differences();
    publish(500, true);
    assert_folded();
    test_worker_end_well(&view);
}

static void a_spoilt_model_is_told_and_mended(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    publish(3000, false);
    append_move(5);
    append_move(6);
    append_move(7);
    take_answers(3);
    assert_folded();
    test_do(&server, "HINCRBY {view}:item:5 sum 1");
    test_do(&server, "DEL {view}:item:6");
    test_do(&server, "HSET {view}:item:zzz n 1");
    test_do(&server, "DEL {view}:ranking");
    test_do(&server, "SADD {view}:ranking 7");
    test_do(&server, "PEXPIRE {view}:fresh:7 10000000");
    test_do(&server, "HSET {view}:foreign:7 not ours");
    do_task("verify", "done");
    assert_int_equal(test_number(&server, STATUS, "differing"), 5);
    do_task("rebuild", "done");
    assert_folded();
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:item:zzz"), 0);
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:foreign:7"), 1);
    assert_no_differences();
    test_worker_end_well(&view);
}

static void who_reads_sees_values_move_forward_only(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    polls = 0;
    struct test_worker view = start_view("one", "256");
    publish(8000, false);
    assert_folded();
    for (int round = 0; round < 2; round++) {
        long long before = polls;
        ask("start", "rebuild", false);
        UNDER_LOAD_UNTIL(!ended());
        UNDER_LOAD_UNTIL(ended());
        assert_string_equal(status("outcome"), "done");
        assert_true(polls > before);
    }
    assert_folded();
    test_worker_end_well(&view);
    assert_int_equal(test_worker_logged(&view, "projection.stopped"), 0);
}

/* Starts rebuilds until one is seen in the phase. */
static void meet(const char *phase)
{
    for (int tries = 0; !in_phase(phase); tries++) {
        assert_true(tries < 40);
        if (ended())
            ask("start", "rebuild", false);
        for (long long end = test_now() + 3000; !ended() && !in_phase(phase) && test_now() < end;)
            continue; /* a phase may be short */
    }
}

/* Keys of others, which make the look at all keys take its time. */
static void add_others(void)
{
    test_do(&server, "EVAL %s 0", "for i = 1, 100000 do redis.call('SET', 'other:' .. i, '') end");
}

static void survives_deaths_in_every_phase(void **state)
{
    (void)state;
    static const char *const phases[] = {"building", "swapping", "sweeping", NULL};
    memset(seen, 0, sizeof seen);
    struct test_worker view = start_view("one", "64");
    publish(3000, false);
    assert_folded();
    add_others();
    for (int i = 0; phases[i] != NULL; i++) {
        for (int deaths = 0; deaths < 3; deaths++) {
            meet(phases[i]);
            pause_for(test_random(3));
            assert_int_equal(test_worker_end(&view, SIGKILL), 128 + SIGKILL);
            view = start_view("one", "64");
            publish(100, false);
        }
        AWAIT(ended());
        poll_all();
        assert_string_equal(status("outcome"), "done");
    }
    assert_folded();
    assert_no_differences();
    test_worker_end_well(&view);
}

static void two_runners_rebuild_once(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    struct test_worker one = start_view("one", "64"), two = start_view("two", "64");
    publish(6000, false);
    assert_folded();
    ask("start", "rebuild", false);
    for (int i = 0; i < 6; i++) {
        struct test_worker *victim = i % 2 == 0 ? &one : &two;
        publish(200, false);
        pause_for(20 + test_random(40));
        if (i == 3)
            test_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
        assert_int_equal(test_worker_end(victim, SIGKILL), 128 + SIGKILL);
        *victim = start_view(i % 2 == 0 ? "one" : "two", "64");
    }
    AWAIT(ended());
    poll_all();
    assert_string_equal(status("outcome"), "done");
    assert_folded();
    assert_no_differences();
    test_worker_end_well(&one);
    publish(100, false);
    assert_folded(); /* by the other one */
    test_worker_end_well(&two);
}

static void survives_restarts_of_the_server(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "16");
    publish(6000, true);
    assert_folded();
    ask("start", "rebuild", false);
    for (int i = 0; i < 3; i++) {
        long long folded = test_number(&server, STATUS, "folded");
        publish(200, true);
        AWAIT(ended() || test_number(&server, STATUS, "folded") > folded);
        assert_true(in_phase("building"));
        pause_for(test_random(60));
        test_server_restart(&server, i == 1 ? SIGTERM : SIGKILL);
    }
    AWAIT(ended());
    assert_string_equal(status("outcome"), "done");
    assert_folded();
    assert_no_differences();
    test_worker_end_well(&view);
}

static void waits_while_it_is_paused_and_goes_on(void **state)
{
    (void)state;
    long long folded;
    struct test_worker view = start_view("one", "4");
    publish(2000, true);
    assert_folded();
    ask("start", "rebuild", false);
    for (int i = 0; i < 2; i++) {
        AWAIT(test_number(&server, STATUS, "folded") > 200 * (i + 1));
        ask("pause", "rebuild", false);
        folded = test_number(&server, STATUS, "folded");
        publish(100, true);
        assert_folded(); /* the live model goes on */
        assert_int_equal(test_number(&server, STATUS, "folded"), folded);
        ask("start", "rebuild", false);
    }
    AWAIT(ended());
    assert_string_equal(status("outcome"), "done");
    assert_folded();
    assert_no_differences();
    test_worker_end_well(&view);
}

static void leaves_nothing_when_it_is_abandoned(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "4");
    publish(2000, true);
    assert_folded();
    ask("start", "rebuild", false);
    AWAIT(test_number(&server, STATUS, "folded") > 100);
    assert_int_equal(test_ask_integer(&server, "HEXISTS {s0}:readers view/items~rebuild"), 1);
    ask("abandon", "rebuild", false);
    AWAIT(ended());
    assert_string_equal(status("outcome"), "abandoned");
    redisReply *left = test_ask(&server, "KEYS {view}:rebuild*");
    assert_int_equal(left->elements, 0);
    freeReplyObject(left);
    AWAIT(test_ask_integer(&server, "HEXISTS {s0}:readers view/items~rebuild") == 0);
    assert_folded();
    assert_no_differences();
    test_worker_end_well(&view);
}

static void missing_events_are_an_error_that_says_so(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    publish(1000, false);
    assert_folded();
    test_do(&server, "XTRIM {s1}:events MAXLEN 100");
    ask("start", "rebuild", false);
    AWAIT(ended());
    assert_string_equal(status("outcome"), "failed");
    assert_non_null(strstr(status("why"), "of {s1}:events are gone"));
    assert_folded(); /* as it was */
    ask("start", "rebuild", true);
    AWAIT(ended());
    assert_string_equal(status("outcome"), "done");
    assert_true(test_ask_integer(&server, "ZCARD {view}:ranking") < ITEMS);
    test_worker_end_well(&view);
}

/* The model's own event stops it; an operator passes over it; a rebuild finds it again. */
static void an_event_that_stops_it_can_be_skipped(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    publish(200, false);
    char *entry = test_ask_text(&server, "XADD {s0}:events * type Refused data {}");
    publish(200, false);
    AWAIT(status("state") != NULL && strcmp(status("state"), "stopped") == 0);
    assert_string_equal(status("entry"), entry);
    assert_string_equal(status("stream"), "{s0}:events");
    assert_non_null(strstr(status("reason"), "not to be folded"));
    test_do(&server, "HSET " STATUS " skip {s0}:events%b%s", " ", (size_t)1, entry);
    assert_folded();
    AWAIT(strcmp(status("state"), "running") == 0);
    assert_string_equal(test_newest(&server, "{view}:dead", "entry"), entry);
    assert_int_equal(test_dead(&server, VIEW), 1);
    assert_int_equal(test_ask_integer(&server, "HEXISTS " STATUS " skip"), 0); /* carried out */
    do_task("rebuild", "done"); /* which passes over it, too */
    assert_folded();
    assert_int_equal(test_dead(&server, VIEW), 1); /* not once more */
    free(entry);
    test_worker_end_well(&view);
}

static void an_event_that_stops_a_rebuild_can_be_skipped(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    publish(200, false);
    char *entry = test_ask_text(&server, "XADD {s0}:events * type Refused data {}");
    publish(200, false);
    AWAIT(status("state") != NULL && strcmp(status("state"), "stopped") == 0);
    ask("start", "rebuild", false);
    AWAIT(status("event") != NULL && strstr(status("event"), entry) != NULL);
    assert_non_null(strstr(status("event"), "not to be folded"));
    test_do(&server, "HSET " STATUS " skip {s0}:events%b%s", " ", (size_t)1, entry);
    AWAIT(ended());
    assert_string_equal(status("outcome"), "done");
    assert_folded();
    free(entry);
    test_worker_end_well(&view);
}

/* A batch that the server refuses: the one event whose key is of another type is found. */
static void the_event_whose_write_is_refused_is_named(void **state)
{
    (void)state;
    test_do(&server, "HSET {view}:group:1 not a-set");
    struct test_worker view = start_view("one", "256");
    append_move(7 * 3);
    append_move(7 * 3 + 1);
    append_move(7 * 3 + 2);
    take_answers(3);
    AWAIT(status("state") != NULL && strcmp(status("state"), "stopped") == 0);
    assert_non_null(strstr(status("reason"), "{view}:group:1: it is a hash, not a set"));
    redisReply *event =
        test_ask(&server, "XRANGE %s %s %s", status("stream"), status("entry"), status("entry"));
    assert_non_null(strstr(event->element[0]->element[1]->element[3]->str, "\"item\":22"));
    freeReplyObject(event);
    test_do(&server, "DEL {view}:group:1");
    test_do(&server, "HINCRBY " STATUS " retry 1");
    assert_folded();
    test_worker_end_well(&view);
}

/* The service "deadly/view" has a handler that kills its process at the event Refused. */
static void an_event_that_kills_is_found_and_can_be_skipped(void **state)
{
    (void)state;
    publish(300, false);
    char *entry = test_ask_text(&server, "XADD {s0}:events * type Refused data {}");
    publish(300, false);
    struct test_worker view = {0};
    for (int deaths = 0;; deaths++) {
        assert_true(deaths < 10);
        view = test_worker_start(&server, "deadly/view", "one", OPTIONS("--claim-idle", "600ms"));
        AWAIT(test_worker_ended(&view) ||
              (status("state") != NULL && strcmp(status("state"), "stopped") == 0));
        if (!test_worker_ended(&view))
            break;
    }
    assert_string_equal(status("entry"), entry);
    assert_non_null(strstr(status("reason"), "have died"));
    /* a mended program, here one that refuses it, stops there as well until it is told to try */
    test_worker_end_well(&view);
    view = start_view("two", "256");
    test_worker_await_log(&view, "have died");
    test_do(&server, "HINCRBY " STATUS " retry 1");
    AWAIT(strstr(status("reason"), "not to be folded") != NULL);
    test_do(&server, "HSET " STATUS " skip {s0}:events%b%s", " ", (size_t)1, entry);
    assert_folded();
    assert_int_equal(test_dead(&server, VIEW), 1);
    free(entry);
    test_worker_end_well(&view);
}

static void enters_the_register_again(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    publish(10, false);
    assert_folded();
    set_up(NULL);
    view = start_view("one", "256");
    AWAIT(test_ask_integer(&server, "HEXISTS {weir}:projections view/items") == 1);
    test_do(&server, "DEL {weir}:projections {s0}:readers");
    AWAIT(test_ask_integer(&server, "HEXISTS {weir}:projections view/items") == 1);
    AWAIT(test_ask_integer(&server, "HEXISTS {s0}:readers view/items") == 1);
    test_worker_end_well(&view);
}

static void a_projection_sends_nothing(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    test_do(&server, "XADD {s0}:events * type Published data {}");
    AWAIT(status("state") != NULL && strcmp(status("state"), "stopped") == 0);
    assert_non_null(strstr(status("reason"), "a projection writes read models"));
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:events"), 0);
    test_worker_end_well(&view);
}

/* A batch may be in hand when the turn goes to somebody else, here to nobody. */
static void one_that_loses_its_turn_writes_nothing_amiss(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "8");
    publish(5000, true);
    assert_folded();
    ask("start", "rebuild", false);
    for (int i = 0; i < 6; i++) {
        long long folded = test_number(&server, STATUS, "folded");
        AWAIT(ended() || test_number(&server, STATUS, "folded") > folded);
        redisReply *time = test_ask(&server, "TIME");
        test_do(&server, "HSET " STATUS " owner ghost until %lld",
                atoll(time->element[0]->str) * 1000 + 400);
        freeReplyObject(time);
    }
    AWAIT(ended());
    assert_string_equal(status("outcome"), "done");
    assert_int_equal(test_number(&server, STATUS, "folded"), 5000);
    assert_folded();
    assert_no_differences();
    test_worker_end_well(&view);
}

/* The live model stands where there is no event any more: the rebuild has to come up with it, also
 * while the other source is busy, and so has a comparison. */
static void events_missing_at_the_end_hold_nothing_up(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    static const char *const tasks[] = {"verify", "rebuild"};
    publish(500, false);
    assert_folded();
    test_do(&server, "XTRIM {s1}:events MAXLEN 0");
    for (int i = 0; i < 2; i++) {
        ask("start", tasks[i], true);
        for (long long end = test_now() + 15000; !ended();) {
            assert_true(test_now() < end);
            append_move(2 * test_random(ITEMS / 2)); /* of s0 */
            take_answers(1);
        }
        assert_string_equal(status("outcome"), "done");
    }
    append_move(3);
    take_answers(1);
    AWAIT(test_ask_integer(&server, "EXISTS {view}:item:3") == 1); /* it goes on */
    assert_int_equal(test_number(&server, "{view}:item:3", "n"), last_n);
    test_worker_end_well(&view);
}

/* What was let go long ago stays gone, and what goes on living keeps what it had. */
static void lives_are_those_of_the_live_model(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    char *first = test_ask_text(
        &server, "XADD {s0}:events 1000-1 type Moved data {\"item\":2,\"n\":1,\"amount\":1}");
    append_move(4);
    append_drop(4);
    append_move(4);
    append_move(6);
    take_answers(4);
    AWAIT(!behind("{s0}:events"));
    long long life = test_ask_integer(&server, "PEXPIRETIME {view}:fresh:4");
    assert_true(life > 0);
    assert_no_differences();
    do_task("rebuild", "done");
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:fresh:2"), 0);
    assert_int_equal(test_ask_integer(&server, "PEXPIRETIME {view}:fresh:4"), life);
    free(first);
    test_worker_end_well(&view);
}

/* A newer program takes the turn from the older one, which cannot go on. */
static void a_newer_version_waits_for_a_newer_program(void **state)
{
    (void)state;
    struct test_worker older = start_view("older", "256");
    publish(50, false);
    char *entry = test_ask_text(&server, "XADD {s0}:events * type Moved version 2 data "
                                         "{\"item\":4,\"n\":1000000,\"cents\":7}");
    publish(50, false);
    AWAIT(status("state") != NULL && strcmp(status("state"), "parked") == 0);
    assert_string_equal(status("entry"), entry);
    assert_non_null(strstr(status("reason"), "version: 2"));
    struct test_worker newer =
        test_worker_start(&server, "newer/view", "newer", OPTIONS("--claim-idle", "600ms"));
    AWAIT(!behind("{s0}:events") && !behind("{s1}:events"));
    AWAIT(strcmp(status("state"), "running") == 0);
    assert_string_equal(status("owner"), "newer");
    assert_int_equal(test_number(&server, "{view}:item:4", "count"), items[4].count + 1);
    assert_int_equal(test_dead(&server, VIEW), 0);
    free(entry);
    test_worker_end_well(&older);
    test_worker_end_well(&newer);
}

/* Life counts from the event on, so that a rebuild makes no key live longer. One whose life is over
 * when its event is folded goes soon. */
static void expiry_counts_from_the_event(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    test_do(&server, "XADD {s0}:events 1000-1 type Moved data {\"item\":2,\"n\":1,\"amount\":1}");
    AWAIT(!behind("{s0}:events"));
    assert_in_range(test_ask_integer(&server, "PTTL {view}:fresh:2"), 1, 60000);
    assert_no_differences();
    do_task("rebuild", "done");
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:fresh:2"), 0);
    char *entry = test_ask_text(
        &server, "XADD {s0}:events * type Moved data {\"item\":2,\"n\":2,\"amount\":1}");
    AWAIT(!behind("{s0}:events"));
    assert_int_equal(test_ask_integer(&server, "PEXPIRETIME {view}:fresh:2"),
                     atoll(entry) + DAY_MS);
    do_task("rebuild", "done");
    assert_int_equal(test_ask_integer(&server, "PEXPIRETIME {view}:fresh:2"),
                     atoll(entry) + DAY_MS);
    free(entry);
    test_worker_end_well(&view);
}

/* Made anew after its life was over, by an event that gives it no life: it stays. */
static void a_key_made_anew_stays(void **state)
{
    (void)state;
    struct test_worker view = start_view("one", "256");
    test_do(&server, "XADD {s0}:events 1000-1 type Lent data {\"item\":2}");
    test_do(&server, "XADD {s0}:events 1000-2 type Lent data {\"item\":4}");
    test_do(&server, "XADD {s0}:events 90000000-1 type Kept data {\"item\":2}");
    AWAIT(!behind("{s0}:events"));
    do_task("rebuild", "done");
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:lent:2"), 1);
    assert_int_equal(test_ask_integer(&server, "PTTL {view}:lent:2"), -1);
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:lent:4"), 0);
    test_worker_end_well(&view);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(survives_restarts_of_the_server), /* first: the server reads all that was written */
        CASE(a_rebuilt_model_is_the_fold),
        CASE(a_spoilt_model_is_told_and_mended),
        CASE(who_reads_sees_values_move_forward_only),
        CASE(survives_deaths_in_every_phase),
        CASE(two_runners_rebuild_once),
        CASE(waits_while_it_is_paused_and_goes_on),
        CASE(leaves_nothing_when_it_is_abandoned),
        CASE(missing_events_are_an_error_that_says_so),
        CASE(an_event_that_stops_it_can_be_skipped),
        CASE(an_event_that_stops_a_rebuild_can_be_skipped),
        CASE(one_that_loses_its_turn_writes_nothing_amiss),
        CASE(events_missing_at_the_end_hold_nothing_up),
        CASE(lives_are_those_of_the_live_model),
        CASE(the_event_whose_write_is_refused_is_named),
        CASE(an_event_that_kills_is_found_and_can_be_skipped),
        CASE(enters_the_register_again),
        CASE(a_projection_sends_nothing),
        CASE(a_newer_version_waits_for_a_newer_program),
        CASE(expiry_counts_from_the_event),
        CASE(a_key_made_anew_stays),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
