/* The command line from outside: projections, what stops them, and their rebuilding. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/worker.h"

#define VIEW "view"
#define ACCOUNTS 50
#define LIMIT_MS 30000
#define GATE "gate" /* while this file is there, some events cannot be folded */
#define BALANCES "{view}:projection:balances"

static struct test_server server;

/* ---- The view ---------------------------------------------------------------------------- */

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    const json_t *data = weir_message_data(message);
    const char *pause = getenv("FOLD_US");
    int64_t amount = json_integer_value(json_object_get(data, "amount"));
    if (pause)
        nanosleep(&(struct timespec){.tv_nsec = atol(pause) * 1000}, NULL);
    if (json_object_get(data, "gated") && access(GATE, F_OK) == 0) {
        weir_reason(context, "the gate is shut");
        return WEIR_REJECT;
    }
    weir_hincrby(context, NULL, "balance", amount);
    weir_hincrby(context, "total", "amount", amount);
    weir_hincrby(context, "total", "events", 1);
    return WEIR_DONE;
}

static enum weir_outcome count_events(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "other", "events", 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_project(service, "balances", "s0", "Moved", fold, "account:{account}");
    weir_project(service, "balances", "s1", "Moved", fold, "account:{account}");
    weir_project(service, "other", "s0", "Moved", count_events, NULL);
    return service;
}

/* ---- What the tests share ---------------------------------------------------------------- */

static long long published;

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
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    unlink(GATE);
    unsetenv("FOLD_US");
    published = 0;
    return 0;
}

static struct test_worker start_view(const char *batch)
{
    return test_worker_start(&server, VIEW, "one", OPTIONS("--projection-batch", batch));
}

static void publish(int count)
{
    for (int i = 0; i < count; i++)
        redisAppendCommand(server.connection,
                           "XADD {s%d}:events * type Moved source s%d data "
                           "{\"account\":%d,\"amount\":%d}",
                           i % 2, i % 2, i % ACCOUNTS, i % 7);
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(server.connection, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        freeReplyObject(reply);
    }
    published += count;
}

static char *publish_gated(void)
{
    published++;
    return test_ask_text(
        &server,
        "XADD {s0}:events * type Moved source s0 data {\"gated\":1,\"account\":1,\"amount\":1}");
}

static bool caught_up(void)
{
    return test_number(&server, "{view}:total", "events") == published;
}

static bool is_in(const char *field, const char *value)
{
    return strcmp(test_text(&server, BALANCES, field), value) == 0;
}

static void shut_gate(void)
{
    FILE *file = fopen(GATE, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

/* The view with so many events applied, and nothing else to do. */
static struct test_worker start_caught_up(int count)
{
    publish(count);
    struct test_worker view = start_view("256");
    AWAIT(caught_up() && is_in("state", "running"));
    return view;
}

/* The same, but slow from here on. */
static struct test_worker start_slow(int count, const char *fold_us, const char *batch)
{
    struct test_worker view = start_caught_up(count);
    assert_int_equal(test_worker_end(&view, SIGTERM), 0);
    setenv("FOLD_US", fold_us, 1);
    view = start_view(batch);
    AWAIT(is_in("owner", "one"));
    return view;
}

static void end_well(struct test_worker *worker)
{
    assert_int_equal(test_worker_end(worker, SIGTERM), 0);
    assert_int_equal(test_worker_logged(worker, "unlisted_move"), 0);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "(no text)";
}

static json_int_t number_of(const json_t *object, const char *key)
{
    const json_t *number = json_object_get(object, key);
    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

static long long server_ms(void)
{
    redisReply *reply = test_ask(&server, "TIME");
    long long ms = atoll(reply->element[0]->str) * 1000 + atoll(reply->element[1]->str) / 1000;
    freeReplyObject(reply);
    return ms;
}

static void register_by_hand(void)
{
    test_do(&server, "HSET {weir}:projections view/balances %s view/other s0", "s0 s1");
}

static void own_by_hand(const char *owner)
{
    test_do(&server, "HSET " BALANCES " owner %s until %lld", owner, server_ms() + 60000);
}

/* Nothing of a rebuild is left. */
static void assert_cleared(void)
{
    redisReply *reply = test_ask(&server, "KEYS {view}:rebuild*");
    for (size_t i = 0; i < reply->elements; i++)
        if (strcmp(reply->element[i]->str, "{view}:rebuild-differences:balances") != 0)
            fail_msg("left behind: %s", reply->element[i]->str);
    freeReplyObject(reply);
}

/* ---- list and show ----------------------------------------------------------------------- */

static void says_when_there_is_nothing(void **state)
{
    (void)state;
    expect_weir(0, "projection\tstate\tworker\tbehind\toldest\tsince\treason\n", "run once",
                WORDS("projection"));
    expect_weir(1, NULL, "run once", WORDS("projection", "show", "balances"));
    json_t *rows = ask_weir_json(0, WORDS("projection", "list"));
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
}

static void finds_by_name(void **state)
{
    (void)state;
    register_by_hand();
    test_do(&server, "HSET {weir}:projections shop/balances s0");
    expect_weir(0, "view/balances\n", NULL, WORDS("projection", "show", "view/balances"));
    expect_weir(0, "view/other\n", NULL, WORDS("projection", "show", "other"));
    expect_weir(1, NULL, "several views have a projection balances",
                WORDS("projection", "show", "balances"));
    expect_weir(1, NULL, "no projection view/none; there are ",
                WORDS("projection", "show", "view/none"));
}

static void refuses_wrong_words(void **state)
{
    (void)state;
    expect_weir(64, NULL, "list, show, retry, skip, rebuild, abandon and forget",
                WORDS("projection", "drop", "x"));
    expect_weir(64, NULL, "takes NAME;", WORDS("projection", "rebuild"));
    expect_weir(64, NULL, "takes NAME;", WORDS("projection", "show", "a", "b"));
    expect_weir(64, NULL, "is no name of a projection", WORDS("projection", "show", "a/b/c"));
    expect_weir(64, NULL, "is no name of a projection", WORDS("projection", "show", "{a}"));
    expect_weir(64, NULL, "is no id of an event", WORDS("projection", "skip", "a", "12"));
    expect_weir(64, NULL, "are for rebuild", WORDS("projection", "retry", "a", "--dry-run"));
    expect_weir(64, NULL, "is for skip", WORDS("projection", "rebuild", "a", "--force"));
    expect_weir(64, NULL, "--limit", WORDS("projection", "rebuild", "a", "--limit", "1001"));
    expect_weir(0, "--allow-missing", NULL, WORDS("projection", "--help"));
}

static void lists_what_stands_still(void **state)
{
    (void)state;
    register_by_hand();
    long long now = server_ms();
    expect_weir(0, "view/balances\tidle\t-\t0\t-\t-\t-\n", NULL, WORDS("projection"));
    test_do(&server, "XADD {s0}:events %lld-0 type Moved", now - 192500);
    test_do(&server, "XADD {s1}:events 5-0 type Moved");
    test_do(&server, "HSET {view}:checkpoint:balances {s1}:events 5-0");
    expect_weir(0, "view/balances\tidle\t-\t1\t3m1", NULL, WORDS("projection"));
    test_do(&server,
            "HSET " BALANCES " state stopped reason %s stream {s0}:events entry %lld-0 since %lld",
            "bad\tthing", now - 192500, now - 7500000);
    expect_weir(0, "view/balances\tstopped\t-\t1\t3m1", NULL, WORDS("projection"));
    expect_weir(0, "\t2h05m\tbad\\tthing\n", NULL, WORDS("projection", "list"));
    test_do(&server, "HSET " BALANCES " state parked");
    expect_weir(0, "view/balances\tparked\t-\t", NULL, WORDS("projection", "list"));
    test_do(&server, "SET {s1}:other x");
    test_do(&server, "DEL {s1}:events");
    test_do(&server, "SET {s1}:events x");
    expect_weir(0, "view/balances\tparked\t-\t1\t", NULL, WORDS("projection", "list"));
}

static void lists_what_goes_on(void **state)
{
    (void)state;
    register_by_hand();
    own_by_hand("one");
    expect_weir(0, "view/balances\trunning\tone\t0\t-\t-\t-\n", NULL, WORDS("projection"));
    test_do(&server, "HSET " BALANCES " state running reason old since 1");
    expect_weir(0, "view/balances\trunning\tone\t0\t-\t-\t-\n", NULL, WORDS("projection"));
    test_do(&server,
            "HSET " BALANCES " rebuild r1 task rebuild phase building total 200 folded 91");
    expect_weir(0, "view/balances\trebuilding 45 %\tone\t", NULL, WORDS("projection"));
    test_do(&server, "HSET " BALANCES " paused 1");
    expect_weir(0, "view/balances\trebuild paused 45 %\tone\t", NULL, WORDS("projection"));
    test_do(&server, "HDEL " BALANCES " paused");
    test_do(&server, "HSET " BALANCES " task verify event %s", "{s0}:events 7-0 cannot be");
    expect_weir(0, "view/balances\tcomparison stopped 45 %\tone\t0\t-\t-\tcannot be\n", NULL,
                WORDS("projection"));
    publish(240);
    expect_weir(0, "\tone\t100+\t", NULL, WORDS("projection"));
    json_t *rows = ask_weir_json(0, WORDS("projection"));
    const json_t *row = json_array_get(rows, 0), *rebuild = json_object_get(row, "rebuild");
    assert_string_equal(text_of(row, "projection"), "view/balances");
    assert_int_equal(number_of(row, "behind"), 100);
    assert_true(json_is_true(json_object_get(row, "more")));
    assert_string_equal(text_of(row, "state"), "running");
    assert_int_equal(number_of(rebuild, "percent"), 45);
    assert_string_equal(text_of(json_object_get(rebuild, "event"), "entry"), "7-0");
    json_decref(rows);
}

static void shows_everything(void **state)
{
    (void)state;
    register_by_hand();
    test_do(&server, "XADD {s0}:events 7-0 type Moved data {\"n\":7}");
    test_do(&server, "HSET {view}:checkpoint:balances {s0}:events 6-3");
    test_do(&server,
            "HSET " BALANCES " state stopped reason %s stream {s0}:events entry 7-0 since 1000 "
            "rebuild r1 task rebuild outcome failed why %s folded 3 startedAt 1000 endedAt 2000",
            "it\033is bad", "all gone");
    setenv("TZ", "UTC", 1);
    expect_weir(0, "state       stopped\n", NULL, WORDS("projection", "show", "balances"));
    expect_weir(0, "reason      it\\u001bis bad\n\nsource\tposition\tbehind\toldest\ns0\t6-3\t1\t",
                NULL, WORDS("projection", "show", "balances"));
    expect_weir(0, "The event that stops it: 7-0 of {s0}:events\ntype        Moved\ndata        {",
                NULL, WORDS("projection", "show", "balances"));
    expect_weir(0, "outcome     failed\nwhy         all gone\nstartedAt   1970-01-01T00:00:01",
                NULL, WORDS("projection", "show", "balances"));
    json_t *shown = ask_weir_json(0, WORDS("projection", "show", "balances"));
    const json_t *event = json_object_get(shown, "event");
    assert_int_equal(number_of(json_object_get(json_object_get(event, "fields"), "data"), "n"), 7);
    assert_string_equal(text_of(json_array_get(json_object_get(shown, "sources"), 0), "position"),
                        "6-3");
    assert_string_equal(text_of(json_object_get(shown, "rebuild"), "outcome"), "failed");
    json_decref(shown);
    test_do(&server, "XDEL {s0}:events 7-0");
    expect_weir(0, "which is no longer there\n", NULL, WORDS("projection", "show", "balances"));
}

static void shows_a_live_one(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(20);
    expect_weir(0, "view/balances\trunning\tone\t0\t-\t-\t-\n", NULL, WORDS("projection"));
    expect_weir(0, "view/other\t", NULL, WORDS("projection"));
    expect_weir(0, "worker      one\n", NULL, WORDS("projection", "show", "balances"));
    end_well(&view);
    expect_weir(0, "view/balances\tidle\t-\t0\t", NULL, WORDS("projection"));
}

/* ---- retry and skip ---------------------------------------------------------------------- */

static void retries_what_has_been_mended(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(20);
    expect_weir(1, NULL, "there is nothing to retry", WORDS("projection", "retry", "balances"));
    shut_gate();
    free(publish_gated());
    AWAIT(is_in("state", "stopped"));
    expect_weir(0, "view/balances\tstopped\t", NULL, WORDS("projection"));
    expect_weir(1, NULL, "still stopped: Moved ", WORDS("projection", "retry", "balances"));
    unlink(GATE);
    expect_weir(0, "view/balances goes on\n", NULL, WORDS("projection", "retry", "balances"));
    AWAIT(caught_up());
    end_well(&view);
}

static void skips_the_event_that_stops_it(void **state)
{
    (void)state;
    char expected[128];
    struct test_worker view = start_caught_up(20);
    expect_weir(1, NULL, "there is nothing to skip", WORDS("projection", "skip", "balances"));
    shut_gate();
    char *first = publish_gated(), *second = publish_gated();
    AWAIT(is_in("state", "stopped"));
    snprintf(expected, sizeof(expected), "is not stopped by %s, but by %s of {s0}:events", second,
             first);
    expect_weir(1, NULL, expected, WORDS("projection", "skip", "balances", second));
    expect_weir(1, "has come to another event", "stopped again, by something else: Moved",
                WORDS("projection", "skip", "balances", first));
    snprintf(expected, sizeof(expected), "%s of {s0}:events passed over; view/balances goes on",
             second);
    expect_weir(0, expected, NULL, WORDS("projection", "skip", "view/balances"));
    published -= 2;
    AWAIT(caught_up());
    assert_int_equal(test_dead(&server, VIEW), 2);
    assert_string_equal(test_newest(&server, "{view}:dead", "entry"), second);
    free(first);
    free(second);
    end_well(&view);
}

static void names_the_dead_letter(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(20);
    shut_gate();
    char *entry = publish_gated();
    AWAIT(is_in("state", "stopped"));
    json_t *skipped = ask_weir_json(0, WORDS("projection", "skip", "balances"));
    assert_string_equal(text_of(skipped, "entry"), entry);
    const char *letter = text_of(skipped, "letter");
    expect_weir(0, entry, NULL, WORDS("dead", VIEW, "show", letter));
    json_decref(skipped);
    free(entry);
    end_well(&view);
}

static void refuses_to_skip_blindly(void **state)
{
    (void)state;
    register_by_hand();
    test_do(&server, "HSET " BALANCES " state stopped reason %s stream %s entry %s", "no rights",
            "", "");
    expect_weir(1, NULL, "not stopped by a single event: no rights",
                WORDS("projection", "skip", "balances"));
    test_do(&server, "HSET " BALANCES " state parked stream {s0}:events entry 7-0");
    expect_weir(1, NULL, "newer program", WORDS("projection", "skip", "balances"));
    assert_int_equal(test_ask_integer(&server, "HEXISTS " BALANCES " skip"), 0);
    expect_weir(5, NULL, "is one running?; the order stands",
                WORDS("projection", "skip", "balances", "--force"));
    assert_true(is_in("skip", "{s0}:events 7-0"));
}

/* ---- rebuild ----------------------------------------------------------------------------- */

static void rebuilds_to_the_end(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(20000);
    test_do(&server, "HSET {view}:account:3 balance -1");
    test_do(&server, "HSET {view}:account:gone balance 5");
    expect_weir(0, "view/balances rebuilt: 51 keys swapped, 20000 events folded in ", NULL,
                WORDS("projection", "rebuild", "balances"));
    assert_true(caught_up());
    assert_true(test_number(&server, "{view}:account:3", "balance") > 0);
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:account:gone"), 0);
    assert_cleared();
    json_t *result = ask_weir_json(0, WORDS("projection", "rebuild", "balances"));
    assert_string_equal(text_of(result, "outcome"), "done");
    assert_string_equal(text_of(result, "task"), "rebuild");
    assert_int_equal(number_of(result, "events"), 20000);
    assert_int_equal(number_of(result, "keys"), 51);
    assert_true(number_of(result, "ms") > 0);
    json_decref(result);
    end_well(&view);
}

static void returns_at_once_if_wanted(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(100);
    expect_weir(0, "started; look at it with: weir projection show view/balances\n", NULL,
                WORDS("projection", "rebuild", "balances", "--detach"));
    AWAIT(is_in("outcome", "done"));
    expect_weir(0, "outcome     done\n", NULL, WORDS("projection", "show", "balances"));
    end_well(&view);
}

/* A rebuild in the background, its words in the file. */
static pid_t spawn_rebuild(const char *log)
{
    unlink(log);
    return test_spawn(
        (const char *const[]){test_program("weir"), "projection", "rebuild", "balances", NULL},
        log);
}

static void await_folded(long long more_than)
{
    AWAIT(test_number(&server, BALANCES, "folded") > more_than &&
          *test_text(&server, BALANCES, "total"));
}

static void is_paused_by_interrupts(void **state)
{
    (void)state;
    struct test_worker view = start_slow(1200, "1000", "1");
    long long folded = 0;
    for (int i = 0; i < 2; i++) {
        pid_t rebuild = spawn_rebuild("rebuild.log");
        await_folded(folded);
        assert_int_equal(test_end(rebuild, SIGINT, LIMIT_MS), 130);
        test_await_text("rebuild.log",
                        "the same command goes on from there; weir projection "
                        "abandon view/balances drops it",
                        LIMIT_MS);
        assert_true(is_in("paused", "1"));
        folded = test_number(&server, BALANCES, "folded");
        assert_in_range(folded, 1, 1100);
    }
    expect_weir(0, "view/balances\trebuild paused ", NULL, WORDS("projection"));
    expect_weir(0, "51 keys swapped, 1200 events folded", "goes on with the rebuild",
                WORDS("projection", "rebuild", "balances"));
    assert_true(caught_up());
    assert_cleared();
    end_well(&view);
}

static void tells_how_far_it_is(void **state)
{
    (void)state;
    struct test_worker view = start_slow(1400, "4000", "2");
    char command[2 * TEST_PATH_MAX];
    pid_t rebuild = spawn_rebuild("rebuild.log");
    await_folded(0);
    test_do(&server, "CLIENT KILL TYPE normal");
    setenv("TERM", "xterm", 1);
    snprintf(command, sizeof(command), "COLUMNS=100 %s projection rebuild balances",
             test_program("weir"));
    struct test_run run = test_run(
        (const char *const[]){"script", "-qec", command, "/dev/null", NULL}, NULL, LIMIT_MS);
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "\r[####"));
    assert_non_null(strstr(run.out, " of 1400 events, "));
    assert_non_null(strstr(run.out, "/s, "));
    assert_non_null(strstr(run.out, " left\033[K"));
    assert_non_null(strstr(run.out, "view/balances rebuilt: "));
    test_run_close(&run);
    assert_int_equal(test_end(rebuild, 0, LIMIT_MS), 0);
    test_await_text("rebuild.log", "weir: view/balances: ", LIMIT_MS);
    test_await_text("rebuild.log", " of 1400 events", LIMIT_MS);
    end_well(&view);
}

static void waits_for_an_event_that_stops_it(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(50);
    char *entry = publish_gated();
    AWAIT(caught_up());
    shut_gate();
    pid_t rebuild = spawn_rebuild("rebuild.log");
    test_await_text("rebuild.log", "the rebuild is stopped: Moved", LIMIT_MS);
    test_await_text("rebuild.log", "the event: {\"type\":\"Moved\"", LIMIT_MS);
    test_await_text("rebuild.log", "weir projection skip view/balances ", LIMIT_MS);
    expect_weir(0, "view/balances\trebuild stopped ", NULL, WORDS("projection"));
    expect_weir(0, "The event that stops the rebuild: ", NULL,
                WORDS("projection", "show", "balances"));
    expect_weir(1, NULL, "the rebuild of view/balances is still stopped",
                WORDS("projection", "retry", "balances"));
    expect_weir(0, "the rebuild of view/balances goes on; nothing was put away\n", NULL,
                WORDS("projection", "skip", "balances", entry));
    assert_int_equal(test_end(rebuild, 0, LIMIT_MS), 0);
    assert_int_equal(test_number(&server, "{view}:total", "events"), published - 1);
    assert_int_equal(test_dead(&server, VIEW), 0);
    free(entry);
    end_well(&view);
}

static void goes_on_when_a_worker_comes(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(300);
    end_well(&view);
    expect_weir(1, NULL, "no worker runs view/balances; start one of view",
                WORDS("projection", "rebuild", "balances"));
    assert_true(is_in("phase", "building"));
    pid_t rebuild = spawn_rebuild("rebuild.log");
    test_await_text("rebuild.log", "goes on with the rebuild", LIMIT_MS);
    view = start_view("256");
    assert_int_equal(test_end(rebuild, 0, LIMIT_MS), 0);
    assert_true(caught_up());
    assert_cleared();
    end_well(&view);
}

/* The folding is done and the worker gone: the command line does the rest. */
static void ends_what_no_worker_ends(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(10);
    end_well(&view);
    test_do(&server, "HSET {view}:rebuild:balances:account:1 balance 77");
    test_do(&server, "HSET {view}:rebuild-checkpoint:balances {s0}:events 99999999999999-0");
    test_do(&server, "SADD {view}:rebuild-keys:balances account:1 total");
    test_do(&server, "HSET " BALANCES " rebuild r1 task rebuild phase swapping folded 10 total 10");
    expect_weir(0, "view/balances rebuilt: 2 keys swapped, 10 events", "goes on with the rebuild",
                WORDS("projection", "rebuild", "balances"));
    assert_int_equal(test_number(&server, "{view}:account:1", "balance"), 77);
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:total {view}:account:2"), 0);
    assert_cleared();
}

/* What comes behind the folding cannot be paused, but ends whoever does it. */
static void is_not_paused_behind_the_folding(void **state)
{
    (void)state;
    register_by_hand();
    test_do(&server, "EVAL %s 1 {view}:rebuild-keys:balances",
            "for i = 1, 300 do local names = {} for j = 1, 1000 do names[j] = i .. ':' .. j end "
            "redis.call('SADD', KEYS[1], unpack(names)) end");
    test_do(&server, "HSET " BALANCES " rebuild r1 task rebuild phase swapping");
    pid_t rebuild = spawn_rebuild("rebuild.log");
    AWAIT(test_number(&server, BALANCES, "moved") > 0);
    kill(rebuild, SIGINT);
    test_await_text("rebuild.log", "a second Ctrl-C stops waiting for it", LIMIT_MS);
    assert_int_equal(test_end(rebuild, SIGINT, LIMIT_MS), 128 + SIGINT);
    assert_true(is_in("phase", "swapping"));
    expect_weir(0, "view/balances rebuilt: 300000 keys swapped, ", "goes on with the rebuild",
                WORDS("projection", "rebuild", "balances"));
    assert_cleared();
}

/* ---- rebuild --dry-run ------------------------------------------------------------------- */

static const json_t *difference_of(const json_t *result, const char *key)
{
    const json_t *differences = json_object_get(result, "differences");
    for (size_t i = 0; i < json_array_size(differences); i++)
        if (strcmp(text_of(json_array_get(differences, i), "key"), key) == 0)
            return json_array_get(differences, i);
    return NULL;
}

static void compares(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(500);
    expect_weir(0, "view/balances: no differences in 51 keys, 500 events folded in ", NULL,
                WORDS("projection", "rebuild", "balances", "--dry-run"));
    assert_cleared();
    test_do(&server, "HSET {view}:account:1 balance 1000000");
    test_do(&server, "DEL {view}:account:2");
    test_do(&server, "HSET {view}:account:zzz balance 1");
    test_do(&server, "DEL {view}:account:4");
    test_do(&server, "SADD {view}:account:4 x");
    json_t *result =
        ask_weir_json(1, WORDS("projection", "rebuild", "balances", "--dry-run", "--limit=10"));
    assert_int_equal(number_of(result, "differing"), 4);
    assert_int_equal(number_of(result, "keys"), 51);
    assert_string_equal(text_of(result, "task"), "verify");
    assert_string_equal(text_of(difference_of(result, "account:1"), "what"), "differs in balance");
    assert_string_equal(text_of(difference_of(result, "account:2"), "what"),
                        "is missing in the live model");
    assert_string_equal(text_of(difference_of(result, "account:zzz"), "what"),
                        "is in the live model alone");
    assert_string_equal(text_of(difference_of(result, "account:4"), "what"),
                        "is a set in the live model, a hash in the rebuilt one");
    json_decref(result);
    struct test_run run =
        run_weir(1, WORDS("projection", "rebuild", "balances", "--dry-run", "--limit", "1"), NULL);
    assert_string_equal(strchr(run.out, '\n'), "\n");
    assert_non_null(strstr(run.error, "4 keys of view/balances differ"));
    assert_non_null(strstr(run.error, "--limit shows more"));
    test_run_close(&run);
    assert_int_equal(test_number(&server, "{view}:account:1", "balance"), 1000000);
    assert_cleared();
    end_well(&view);
}

/* ---- Missing events ---------------------------------------------------------------------- */

static void needs_all_events(void **state)
{
    (void)state;
    struct test_worker view = start_caught_up(400);
    test_do(&server, "XTRIM {s1}:events MAXLEN 150");
    expect_weir(1, NULL, "50 events of {s1}:events are gone",
                WORDS("projection", "rebuild", "balances"));
    expect_weir(1, NULL, "--allow-missing builds it", WORDS("projection", "rebuild", "balances"));
    assert_true(caught_up());
    json_t *result = ask_weir_json(1, WORDS("projection", "rebuild", "balances", "--dry-run"));
    assert_string_equal(text_of(result, "outcome"), "failed");
    assert_non_null(strstr(text_of(result, "why"), "{s1}:events"));
    json_decref(result);
    expect_weir(0, "350 events folded", NULL,
                WORDS("projection", "rebuild", "balances", "--allow-missing"));
    assert_int_equal(test_number(&server, "{view}:total", "events"), 350);
    assert_cleared();
    end_well(&view);
}

/* ---- abandon ----------------------------------------------------------------------------- */

static void abandons(void **state)
{
    (void)state;
    struct test_worker view = start_slow(1200, "1000", "1");
    expect_weir(1, NULL, "no rebuild of view/balances is under way",
                WORDS("projection", "abandon", "balances"));
    pid_t rebuild = spawn_rebuild("rebuild.log");
    await_folded(0);
    expect_weir(1, NULL, "a rebuild of view/balances is under way",
                WORDS("projection", "rebuild", "balances", "--dry-run"));
    expect_weir(0, "the rebuild of view/balances is abandoned; the live model is as it was\n", NULL,
                WORDS("projection", "abandon", "balances"));
    assert_int_equal(test_end(rebuild, 0, LIMIT_MS), 1);
    test_await_text("rebuild.log", "somebody has abandoned it", LIMIT_MS);
    assert_true(is_in("outcome", "abandoned"));
    assert_true(caught_up());
    assert_cleared();
    end_well(&view);
}

static void abandons_without_a_worker(void **state)
{
    (void)state;
    register_by_hand();
    struct test_worker view = start_caught_up(10);
    end_well(&view);
    expect_weir(0, "started", "no worker runs view/balances now",
                WORDS("projection", "rebuild", "balances", "--detach"));
    test_do(&server, "HSET {view}:rebuild:balances:account:1 balance 77");
    test_do(&server, "SADD {view}:rebuild-keys:balances account:1");
    test_do(&server, "HSET " BALANCES " event %s", "{s0}:events 7-0 cannot be");
    json_t *result = ask_weir_json(0, WORDS("projection", "abandon", "balances"));
    assert_string_equal(text_of(result, "outcome"), "abandoned");
    json_decref(result);
    assert_cleared();
    assert_true(caught_up());
    expect_weir(1, NULL, "there is nothing to retry", WORDS("projection", "retry", "balances"));
    expect_weir(0, "view/balances\tidle\t-\t0\t-\t-\t-\n", NULL, WORDS("projection"));
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(says_when_there_is_nothing),
        CASE(finds_by_name),
        CASE(refuses_wrong_words),
        CASE(lists_what_stands_still),
        CASE(lists_what_goes_on),
        CASE(shows_everything),
        CASE(shows_a_live_one),
        CASE(retries_what_has_been_mended),
        CASE(skips_the_event_that_stops_it),
        CASE(names_the_dead_letter),
        CASE(refuses_to_skip_blindly),
        CASE(rebuilds_to_the_end),
        CASE(returns_at_once_if_wanted),
        CASE(is_paused_by_interrupts),
        CASE(tells_how_far_it_is),
        CASE(waits_for_an_event_that_stops_it),
        CASE(goes_on_when_a_worker_comes),
        CASE(ends_what_no_worker_ends),
        CASE(is_not_paused_behind_the_folding),
        CASE(compares),
        CASE(needs_all_events),
        CASE(abandons),
        CASE(abandons_without_a_worker),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
