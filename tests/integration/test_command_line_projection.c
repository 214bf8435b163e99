/* The command line from outside: projections, and what stops them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/balances.h"
#include "support/command_line.h"

static long long server_ms(void)
{
    redisReply *reply = test_ask(&balances_server, "TIME");
    long long ms = atoll(reply->element[0]->str) * 1000 + atoll(reply->element[1]->str) / 1000;
    freeReplyObject(reply);
    return ms;
}

static void own_by_hand(const char *owner)
{
    test_do(&balances_server, "HSET " BALANCES " owner %s until %lld", owner, server_ms() + 60000);
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
    balances_register();
    test_do(&balances_server, "HSET {weir}:projections shop/balances s0");
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
    expect_weir(64, NULL, "--wait is for rebuild, retry and skip",
                WORDS("projection", "abandon", "a", "--wait", "1s"));
    expect_weir(64, NULL, "--wait", WORDS("projection", "retry", "a", "--wait", "0s"));
    expect_weir(64, NULL, "--limit", WORDS("projection", "rebuild", "a", "--limit", "1001"));
    expect_weir(0, "--allow-missing", NULL, WORDS("projection", "--help"));
}

static void lists_what_stands_still(void **state)
{
    (void)state;
    balances_register();
    long long now = server_ms();
    expect_weir(0, "view/balances\tidle\t-\t0\t-\t-\t-\n", NULL, WORDS("projection"));
    test_do(&balances_server, "XADD {s0}:events %lld-0 type Moved", now - 192500);
    test_do(&balances_server, "XADD {s1}:events 5-0 type Moved");
    test_do(&balances_server, "HSET {view}:checkpoint:balances {s1}:events 5-0");
    expect_weir(0, "view/balances\tidle\t-\t1\t3m1", NULL, WORDS("projection"));
    test_do(&balances_server,
            "HSET " BALANCES " state stopped reason %s stream {s0}:events entry %lld-0 since %lld",
            "bad\tthing", now - 192500, now - 7500000);
    expect_weir(0, "view/balances\tstopped\t-\t1\t3m1", NULL, WORDS("projection"));
    expect_weir(0, "\t2h05m\tbad\\tthing\n", NULL, WORDS("projection", "list"));
    test_do(&balances_server, "HSET " BALANCES " state parked");
    expect_weir(0, "view/balances\tparked\t-\t", NULL, WORDS("projection", "list"));
    test_do(&balances_server, "SET {s1}:other x");
    test_do(&balances_server, "DEL {s1}:events");
    test_do(&balances_server, "SET {s1}:events x");
    expect_weir(0, "view/balances\tparked\t-\t1\t", NULL, WORDS("projection", "list"));
}

static void lists_what_goes_on(void **state)
{
    (void)state;
    balances_register();
    own_by_hand("one");
    expect_weir(0, "view/balances\trunning\tone\t0\t-\t-\t-\n", NULL, WORDS("projection"));
    test_do(&balances_server, "HSET " BALANCES " state running reason old since 1");
    expect_weir(0, "view/balances\trunning\tone\t0\t-\t-\t-\n", NULL, WORDS("projection"));
    test_do(&balances_server,
            "HSET " BALANCES " rebuild r1 task rebuild phase building total 200 folded 91");
    expect_weir(0, "view/balances\trebuilding 45 %\tone\t", NULL, WORDS("projection"));
    test_do(&balances_server, "HSET " BALANCES " paused 1");
    expect_weir(0, "view/balances\trebuild paused 45 %\tone\t", NULL, WORDS("projection"));
    test_do(&balances_server, "HDEL " BALANCES " paused");
    test_do(&balances_server, "HSET " BALANCES " task verify event %s",
            "{s0}:events 7-0 cannot be");
    expect_weir(0, "view/balances\tcomparison stopped 45 %\tone\t0\t-\t-\tcannot be\n", NULL,
                WORDS("projection"));
    balances_publish(240);
    expect_weir(0, "\tone\t100+\t", NULL, WORDS("projection"));
    json_t *rows = ask_weir_json(0, WORDS("projection"));
    const json_t *row = json_array_get(rows, 0), *rebuild = json_object_get(row, "rebuild");
    assert_string_equal(shown_text(row, "projection"), "view/balances");
    assert_int_equal(shown_number(row, "behind"), 100);
    assert_true(json_is_true(json_object_get(row, "more")));
    assert_string_equal(shown_text(row, "state"), "running");
    assert_int_equal(shown_number(rebuild, "percent"), 45);
    assert_string_equal(shown_text(json_object_get(rebuild, "event"), "entry"), "7-0");
    json_decref(rows);
}

static void shows_everything(void **state)
{
    (void)state;
    balances_register();
    test_do(&balances_server, "XADD {s0}:events 7-0 type Moved data {\"n\":7}");
    test_do(&balances_server, "HSET {view}:checkpoint:balances {s0}:events 6-3");
    test_do(&balances_server,
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
    assert_int_equal(shown_number(json_object_get(json_object_get(event, "fields"), "data"), "n"),
                     7);
    assert_string_equal(
        shown_text(json_array_get(json_object_get(shown, "sources"), 0), "position"), "6-3");
    assert_string_equal(shown_text(json_object_get(shown, "rebuild"), "outcome"), "failed");
    json_decref(shown);
    test_do(&balances_server, "XDEL {s0}:events 7-0");
    expect_weir(0, "which is no longer there\n", NULL, WORDS("projection", "show", "balances"));
}

static void shows_a_live_one(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(20);
    expect_weir(0, "view/balances\trunning\tone\t0\t-\t-\t-\n", NULL, WORDS("projection"));
    expect_weir(0, "view/other\t", NULL, WORDS("projection"));
    expect_weir(0, "worker      one\n", NULL, WORDS("projection", "show", "balances"));
    test_worker_end_well(&view);
    expect_weir(0, "view/balances\tidle\t-\t0\t", NULL, WORDS("projection"));
}

/* ---- retry and skip ---------------------------------------------------------------------- */

static void retries_what_has_been_mended(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(20);
    expect_weir(1, NULL, "there is nothing to retry", WORDS("projection", "retry", "balances"));
    balances_shut_gate();
    free(balances_publish_gated());
    AWAIT(balances_is_in("state", "stopped"));
    expect_weir(0, "view/balances\tstopped\t", NULL, WORDS("projection"));
    expect_weir(1, NULL, "still stopped: Moved ", WORDS("projection", "retry", "balances"));
    balances_open_gate();
    expect_weir(0, "view/balances goes on\n", NULL, WORDS("projection", "retry", "balances"));
    AWAIT(balances_caught_up());
    test_worker_end_well(&view);
}

/* The projection runs for a moment before the next event stops it: either may be seen first. */
static void skip_and_be_stopped_again(const char *first, const char *second)
{
    const char *words[] = {test_program("weir"), "projection", "skip", "balances", first, NULL};
    struct test_run run = test_run(words, NULL, 30000);
    assert_non_null(strstr(run.out, first));
    if (run.code == 0) {
        assert_non_null(strstr(run.out, "passed over; view/balances goes on"));
    } else {
        assert_int_equal(run.code, 1);
        assert_non_null(strstr(run.out, "has come to another event"));
        assert_non_null(strstr(run.error, "stopped again, by something else: Moved"));
    }
    test_run_close(&run);
    AWAIT(balances_is_in("state", "stopped") && balances_is_in("entry", second));
}

static void skips_the_event_that_stops_it(void **state)
{
    (void)state;
    char expected[128];
    struct test_worker view = balances_view_caught_up(20);
    expect_weir(1, NULL, "there is nothing to skip", WORDS("projection", "skip", "balances"));
    balances_shut_gate();
    char *first = balances_publish_gated(), *second = balances_publish_gated();
    AWAIT(balances_is_in("state", "stopped"));
    snprintf(expected, sizeof(expected), "is not stopped by %s, but by %s of {s0}:events", second,
             first);
    expect_weir(1, NULL, expected, WORDS("projection", "skip", "balances", second));
    skip_and_be_stopped_again(first, second);
    snprintf(expected, sizeof(expected), "%s of {s0}:events passed over; view/balances goes on",
             second);
    expect_weir(0, expected, NULL, WORDS("projection", "skip", "view/balances"));
    balances_published -= 2;
    AWAIT(balances_caught_up());
    assert_int_equal(test_dead(&balances_server, VIEW), 2);
    assert_string_equal(test_newest(&balances_server, "{view}:dead", "entry"), second);
    assert_string_equal(test_newest(&balances_server, "{view}:dead", "data"), BALANCES_GATED_DATA);
    free(first);
    free(second);
    test_worker_end_well(&view);
}

/* Not the handler refuses it, but the server what the handler needs: it is not asked for that. */
static void skips_an_event_whose_key_is_spoiled(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(20);
    test_do(&balances_server, "SET {view}:account:spoiled x");
    char *entry = test_ask_text(&balances_server, "XADD {s0}:events * type Moved source s0 data %s",
                                "{\"account\":\"spoiled\",\"amount\":1}");
    AWAIT(balances_is_in("state", "stopped"));
    expect_weir(0, "passed over; view/balances goes on", NULL,
                WORDS("projection", "skip", "balances"));
    assert_string_equal(test_newest(&balances_server, "{view}:dead", "entry"), entry);
    balances_publish(10);
    AWAIT(balances_caught_up());
    assert_int_equal(test_ask_integer(&balances_server, "HEXISTS " BALANCES " skip"), 0);
    free(entry);
    test_worker_end_well(&view);
}

/* Who tries an event again does not want it to be passed over any more. */
static void takes_a_standing_skip_back(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(20);
    balances_shut_gate();
    free(balances_publish_gated());
    AWAIT(balances_is_in("state", "stopped"));
    test_worker_end_well(&view);
    expect_weir(5, NULL,
                "the order stands until it is carried out, or taken back by: weir "
                "projection retry view/balances",
                WORDS("projection", "skip", "balances", "--wait", "300ms"));
    expect_weir(1, NULL, "is not to be passed over any more",
                WORDS("projection", "retry", "balances", "--wait", "300ms"));
    assert_int_equal(test_ask_integer(&balances_server, "HEXISTS " BALANCES " skip"), 0);
    balances_open_gate();
    view = balances_view_start("256");
    AWAIT(balances_caught_up());
    assert_int_equal(test_dead(&balances_server, VIEW), 0);
    test_worker_end_well(&view);
}

static void names_the_dead_letter(void **state)
{
    (void)state;
    struct test_worker view = balances_view_caught_up(20);
    balances_shut_gate();
    char *entry = balances_publish_gated();
    AWAIT(balances_is_in("state", "stopped"));
    json_t *skipped = ask_weir_json(0, WORDS("projection", "skip", "balances"));
    assert_string_equal(shown_text(skipped, "entry"), entry);
    const char *letter = shown_text(skipped, "letter");
    expect_weir(0, entry, NULL, WORDS("dead", VIEW, "show", letter));
    json_decref(skipped);
    free(entry);
    test_worker_end_well(&view);
}

static void refuses_to_skip_blindly(void **state)
{
    (void)state;
    balances_register();
    test_do(&balances_server, "HSET " BALANCES " state stopped reason %s stream %s entry %s",
            "no rights", "", "");
    expect_weir(1, NULL, "not stopped by a single event: no rights",
                WORDS("projection", "skip", "balances"));
    test_do(&balances_server, "HSET " BALANCES " state parked stream {s0}:events entry 7-0");
    expect_weir(1, NULL, "newer program", WORDS("projection", "skip", "balances"));
    assert_int_equal(test_ask_integer(&balances_server, "HEXISTS " BALANCES " skip"), 0);
    expect_weir(5, NULL,
                "within 300ms; no worker has been seen at it: is one running?; the order stands",
                WORDS("projection", "skip", "balances", "--force", "--wait", "300ms"));
    assert_true(balances_is_in("skip", "{s0}:events 7-0"));
}

#define CASE(test) cmocka_unit_test_setup(test, balances_set_up)

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
        CASE(skips_an_event_whose_key_is_spoiled),
        CASE(takes_a_standing_skip_back),
        CASE(names_the_dead_letter),
        CASE(refuses_to_skip_blindly),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, balances_service);
    return cmocka_run_group_tests(tests, balances_start, balances_stop);
}
