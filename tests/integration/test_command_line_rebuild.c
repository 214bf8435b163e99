/* The command line from outside: the rebuilding of projections. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/balances.h"
#include "support/command_line.h"

#define LIMIT_MS 30000

/* A view with so many events applied, but slow from here on. */
static struct test_worker start_slow(int count, const char *fold_us, const char *batch)
{
    struct test_worker view = balances_view_caught_up(count);
    assert_int_equal(test_worker_end(&view, SIGTERM), 0);
    setenv("FOLD_US", fold_us, 1);
    view = balances_view_start(batch);
    AWAIT(balances_is_in("owner", "one"));
    return view;
}

/* Nothing of a rebuild is left. */
static void assert_cleared(void)
{
    redisReply *reply = test_ask(&balances_server, "KEYS {view}:rebuild*");
    for (size_t i = 0; i < reply->elements; i++)
        if (strcmp(reply->element[i]->str, "{view}:rebuild-differences:balances") != 0)
            fail_msg("left behind: %s", reply->element[i]->str);
    freeReplyObject(reply);
}

/* ---- rebuild ----------------------------------------------------------------------------- */

static void rebuilds_to_the_end(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(2000);
    test_do(&balances_server, "HSET {view}:account:3 balance -1");
    test_do(&balances_server, "HSET {view}:account:gone balance 5");
    expect_weir(0, "view/balances rebuilt: 51 keys swapped, 2000 events folded in ", NULL,
                WORDS("projection", "rebuild", "balances"));
    assert_true(balances_caught_up());
    assert_true(test_number(&balances_server, "{view}:account:3", "balance") > 0);
    assert_int_equal(test_ask_integer(&balances_server, "EXISTS {view}:account:gone"), 0);
    assert_cleared();
    json_t *result = ask_weir_json(0, WORDS("projection", "rebuild", "balances"));
    assert_string_equal(shown_text(result, "outcome"), "done");
    assert_string_equal(shown_text(result, "task"), "rebuild");
    assert_int_equal(shown_number(result, "events"), 2000);
    assert_int_equal(shown_number(result, "keys"), 51);
    assert_true(shown_number(result, "ms") > 0);
    json_decref(result);
    test_worker_end_well(&view);
}

static void returns_at_once_if_wanted(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(100);
    expect_weir(0, "started; look at it with: weir projection show view/balances\n", NULL,
                WORDS("projection", "rebuild", "balances", "--detach"));
    AWAIT(balances_is_in("outcome", "done"));
    expect_weir(0, "outcome     done\n", NULL, WORDS("projection", "show", "balances"));
    test_worker_end_well(&view);
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
    AWAIT(test_number(&balances_server, BALANCES, "folded") > more_than &&
          *test_text(&balances_server, BALANCES, "total"));
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
        assert_true(balances_is_in("paused", "1"));
        folded = test_number(&balances_server, BALANCES, "folded");
        assert_in_range(folded, 1, 1100);
    }
    expect_weir(0, "view/balances\trebuild paused ", NULL, WORDS("projection"));
    expect_weir(0, "51 keys swapped, 1200 events folded", "goes on with the rebuild",
                WORDS("projection", "rebuild", "balances"));
    assert_true(balances_caught_up());
    assert_cleared();
    test_worker_end_well(&view);
}

static void tells_how_far_it_is(void **state)
{
    (void)state;
    struct test_worker view = start_slow(1400, "4000", "2");
    char command[2 * TEST_PATH_MAX];
    pid_t rebuild = spawn_rebuild("rebuild.log");
    await_folded(0);
    test_do(&balances_server, "CLIENT KILL TYPE normal");
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
    test_worker_end_well(&view);
}

static void waits_for_an_event_that_stops_it(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(50);
    char *entry = balances_publish_gated();
    AWAIT(balances_caught_up());
    balances_shut_gate();
    pid_t rebuild = spawn_rebuild("rebuild.log");
    test_await_text("rebuild.log", "the rebuild is stopped: Moved", LIMIT_MS);
    test_await_text("rebuild.log", "the event: {\"type\":\"Moved\"", LIMIT_MS);
    test_await_text("rebuild.log", "weir projection skip view/balances ", LIMIT_MS);
    expect_weir(0, "view/balances\trebuild stopped ", NULL, WORDS("projection"));
    expect_weir(0, "The event that stops the rebuild: ", NULL,
                WORDS("projection", "show", "balances"));
    expect_weir(1, NULL, "the rebuild of view/balances is still stopped",
                WORDS("projection", "retry", "balances", "--wait", "1s"));
    expect_weir(0, "the rebuild of view/balances goes on; nothing was put away\n", NULL,
                WORDS("projection", "skip", "balances", entry));
    assert_int_equal(test_end(rebuild, 0, LIMIT_MS), 0);
    assert_int_equal(test_number(&balances_server, "{view}:total", "events"),
                     balances_published - 1);
    assert_int_equal(test_dead(&balances_server, VIEW), 0);
    free(entry);
    test_worker_end_well(&view);
}

static void goes_on_when_a_worker_comes(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(300);
    test_worker_end_well(&view);
    expect_weir(1, NULL, "no worker has run view/balances for 1.0s; the rebuild stays at ",
                WORDS("projection", "rebuild", "balances", "--wait", "1s"));
    assert_true(balances_is_in("phase", "building"));
    pid_t rebuild = spawn_rebuild("rebuild.log");
    test_await_text("rebuild.log", "goes on with the rebuild", LIMIT_MS);
    view = balances_view_start("256");
    assert_int_equal(test_end(rebuild, 0, LIMIT_MS), 0);
    assert_true(balances_caught_up());
    assert_cleared();
    test_worker_end_well(&view);
}

/* The folding is done and the worker gone: the command line does the rest. */
static void ends_what_no_worker_ends(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(10);
    test_worker_end_well(&view);
    test_do(&balances_server, "HSET {view}:rebuild:balances:account:1 balance 77");
    test_do(&balances_server,
            "HSET {view}:rebuild-checkpoint:balances {s0}:events 99999999999999-0");
    test_do(&balances_server, "SADD {view}:rebuild-keys:balances account:1 total");
    test_do(&balances_server,
            "HSET " BALANCES " rebuild r1 task rebuild phase swapping folded 10 total 10");
    expect_weir(0, "view/balances rebuilt: 2 keys swapped, 10 events", "goes on with the rebuild",
                WORDS("projection", "rebuild", "balances"));
    assert_int_equal(test_number(&balances_server, "{view}:account:1", "balance"), 77);
    assert_int_equal(test_ask_integer(&balances_server, "EXISTS {view}:total {view}:account:2"), 0);
    assert_cleared();
}

/* What comes behind the folding cannot be paused, but ends whoever does it. */
static void is_not_paused_behind_the_folding(void **state)
{
    (void)state;
    balances_register();
    test_do(&balances_server, "EVAL %s 1 {view}:rebuild-keys:balances",
            "for i = 1, 150 do local names = {} for j = 1, 1000 do names[j] = i .. ':' .. j end "
            "redis.call('SADD', KEYS[1], unpack(names)) end");
    test_do(&balances_server, "HSET " BALANCES " rebuild r1 task rebuild phase swapping");
    pid_t rebuild = spawn_rebuild("rebuild.log");
    AWAIT(test_number(&balances_server, BALANCES, "moved") > 0);
    kill(rebuild, SIGINT);
    test_await_text("rebuild.log", "a second Ctrl-C stops waiting for it", LIMIT_MS);
    assert_int_equal(test_end(rebuild, SIGINT, LIMIT_MS), 128 + SIGINT);
    assert_true(balances_is_in("phase", "swapping"));
    expect_weir(0, "view/balances rebuilt: 150000 keys swapped, ", "goes on with the rebuild",
                WORDS("projection", "rebuild", "balances"));
    assert_cleared();
}

/* ---- rebuild --dry-run ------------------------------------------------------------------- */

static const json_t *difference_of(const json_t *result, const char *key)
{
    const json_t *differences = json_object_get(result, "differences");
    for (size_t i = 0; i < json_array_size(differences); i++)
        if (strcmp(shown_text(json_array_get(differences, i), "key"), key) == 0)
            return json_array_get(differences, i);
    return NULL;
}

static void compares(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(500);
    expect_weir(0, "view/balances: no differences in 51 keys, 500 events folded in ", NULL,
                WORDS("projection", "rebuild", "balances", "--dry-run"));
    assert_cleared();
    test_do(&balances_server, "HSET {view}:account:1 balance 1000000");
    test_do(&balances_server, "DEL {view}:account:2");
    test_do(&balances_server, "HSET {view}:account:zzz balance 1");
    test_do(&balances_server, "DEL {view}:account:4");
    test_do(&balances_server, "SADD {view}:account:4 x");
    json_t *result =
        ask_weir_json(1, WORDS("projection", "rebuild", "balances", "--dry-run", "--limit=10"));
    assert_int_equal(shown_number(result, "differing"), 4);
    assert_int_equal(shown_number(result, "keys"), 51);
    assert_string_equal(shown_text(result, "task"), "verify");
    assert_string_equal(shown_text(difference_of(result, "account:1"), "what"),
                        "differs in balance");
    assert_string_equal(shown_text(difference_of(result, "account:2"), "what"),
                        "is missing in the live model");
    assert_string_equal(shown_text(difference_of(result, "account:zzz"), "what"),
                        "is in the live model alone");
    assert_string_equal(shown_text(difference_of(result, "account:4"), "what"),
                        "is a set in the live model, a hash in the rebuilt one");
    json_decref(result);
    struct test_run run =
        run_weir(1, WORDS("projection", "rebuild", "balances", "--dry-run", "--limit", "1"), NULL);
    assert_string_equal(strchr(run.out, '\n'), "\n");
    assert_non_null(strstr(run.error, "4 keys of view/balances differ"));
    assert_non_null(strstr(run.error, "--limit shows more"));
    test_run_close(&run);
    assert_int_equal(test_number(&balances_server, "{view}:account:1", "balance"), 1000000);
    assert_cleared();
    test_worker_end_well(&view);
}

/* ---- Missing events ---------------------------------------------------------------------- */

static void needs_all_events(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(400);
    test_do(&balances_server, "XTRIM {s1}:events MAXLEN 150");
    expect_weir(1, NULL, "50 events of {s1}:events are gone",
                WORDS("projection", "rebuild", "balances"));
    expect_weir(1, NULL, "--allow-missing builds it", WORDS("projection", "rebuild", "balances"));
    assert_true(balances_caught_up());
    json_t *result = ask_weir_json(1, WORDS("projection", "rebuild", "balances", "--dry-run"));
    assert_string_equal(shown_text(result, "outcome"), "failed");
    assert_non_null(strstr(shown_text(result, "why"), "{s1}:events"));
    json_decref(result);
    expect_weir(0, "350 events folded", NULL,
                WORDS("projection", "rebuild", "balances", "--allow-missing"));
    assert_int_equal(test_number(&balances_server, "{view}:total", "events"), 350);
    assert_cleared();
    test_worker_end_well(&view);
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
    assert_true(balances_is_in("outcome", "abandoned"));
    assert_true(balances_caught_up());
    assert_cleared();
    test_worker_end_well(&view);
}

static void abandons_without_a_worker(void **state)
{
    (void)state;
    balances_register();
    struct test_worker view = balances_view_caught_up(10);
    test_worker_end_well(&view);
    expect_weir(0, "started", "no worker runs view/balances now",
                WORDS("projection", "rebuild", "balances", "--detach"));
    test_do(&balances_server, "HSET {view}:rebuild:balances:account:1 balance 77");
    test_do(&balances_server, "SADD {view}:rebuild-keys:balances account:1");
    test_do(&balances_server, "HSET " BALANCES " event %s", "{s0}:events 7-0 cannot be");
    json_t *result = ask_weir_json(0, WORDS("projection", "abandon", "balances"));
    assert_string_equal(shown_text(result, "outcome"), "abandoned");
    json_decref(result);
    assert_cleared();
    assert_true(balances_caught_up());
    expect_weir(1, NULL, "there is nothing to retry", WORDS("projection", "retry", "balances"));
    expect_weir(0, "view/balances\tidle\t-\t0\t-\t-\t-\n", NULL, WORDS("projection"));
}

#define CASE(test) cmocka_unit_test_setup(test, balances_set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
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
        return test_worker_main(argc, argv, balances_service);
    return cmocka_run_group_tests(tests, balances_start, balances_stop);
}
