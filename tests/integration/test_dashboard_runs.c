/* The dashboard's thread that runs commands, and the board that shares what it finds: what became
 * of an action is told as it is, nobody is told what was so before it, and each change is told. */
#include <ev.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commands/command.h"
#include "dashboard/board.h"
#include "support/balances.h"
#include "support/proxy.h"

#define LIMIT_MS 20000

static struct ev_loop *loop;

/* ---- One run after the other --------------------------------------------------------------- */

static struct weir_words words_of(const char *path, bool action)
{
    struct weir_words words;
    struct weir_error error = {0};
    if (weir_route_words(path, action, NULL, 0, &words, &error) != WEIR_OK)
        fail_msg("%s: %s", path, error.text);
    return words;
}

static struct weir_clerk *open_clerk(const char *url)
{
    struct weir_error error = {0};
    struct weir_clerk *clerk = weir_clerk_open(loop, url, "", 4, &error);
    assert_non_null(clerk);
    return clerk;
}

static void note_done(struct weir_job *job)
{
    *(bool *)job->user = true;
}

static void turn_until(const bool *done)
{
    for (long long end = test_now() + LIMIT_MS; !*done;) {
        assert_true(test_now() < end);
        ev_run(loop, EVRUN_NOWAIT);
    }
}

static struct weir_run run(struct weir_clerk *clerk, const char *path, bool action)
{
    bool done = false;
    struct weir_job job = {.words = words_of(path, action), .done = note_done, .user = &done};
    assert_true(weir_clerk_submit(clerk, &job));
    turn_until(&done);
    weir_words_close(&job.words);
    return job.answer;
}

static void expect_run(struct weir_clerk *clerk, const char *path, bool action, int code)
{
    struct weir_run answer = run(clerk, path, action);
    if (answer.code != code || !answer.reached || answer.unknown)
        fail_msg("%s: exit %d, %s, %s", path, answer.code, answer.reached ? "reached" : "lost",
                 answer.remarks ? answer.remarks : "nothing said");
    weir_run_close(&answer);
}

static void start_unbegun(const char *saga)
{
    test_do(&balances_server, "XADD {sagas}:commands * type StartSaga saga %s definition d data {}",
            saga);
}

/* The record of it, written over a connection of its own, does not make it known. */
static void tells_what_is_not_known(void **state)
{
    struct test_proxy proxy;
    (void)state;
    start_unbegun("s1");
    test_proxy_start(&proxy, &balances_server,
                     (struct proxy_trap){"XADD", "CancelSaga", PROXY_CUT_AFTER});
    struct weir_clerk *clerk = open_clerk(proxy.url);
    struct weir_run answer = run(clerk, "cancel/s1", true);
    assert_true(answer.unknown);
    assert_int_equal(answer.code, WEIR_EXIT_FAILED);
    assert_non_null(strstr(answer.remarks, "may or may not"));
    weir_run_close(&answer);
    redisReply *record = test_ask(&balances_server, "XREVRANGE {weir}:actions + - COUNT 1");
    assert_string_equal(record->element[0]->element[1]->element[11]->str,
                        "unknown: an answer was lost");
    freeReplyObject(record);
    expect_run(clerk, "cancel/s1", true, WEIR_EXIT_FINE);
    assert_true(weir_clerk_close(clerk, LIMIT_MS));
    test_proxy_stop(&proxy);
}

/* Where nothing was sent that changes anything, nothing is unknown. */
static void tells_what_was_not_sent(void **state)
{
    struct test_proxy proxy;
    (void)state;
    start_unbegun("s1");
    test_proxy_start(&proxy, &balances_server,
                     (struct proxy_trap){"HGETALL", "saga:s1", PROXY_CUT_BEFORE});
    struct weir_clerk *clerk = open_clerk(proxy.url);
    struct weir_run answer = run(clerk, "cancel/s1", true);
    assert_int_equal(answer.code, WEIR_EXIT_FAILED);
    assert_false(answer.unknown);
    weir_run_close(&answer);
    assert_true(weir_clerk_close(clerk, LIMIT_MS));
    test_proxy_stop(&proxy);
}

static void finds_its_server_again(void **state)
{
    (void)state;
    struct weir_clerk *clerk = open_clerk(balances_server.url);
    expect_run(clerk, "sagas", false, WEIR_EXIT_FINE);
    test_server_restart(&balances_server, SIGTERM);
    start_unbegun("s1");
    expect_run(clerk, "cancel/s1", true, WEIR_EXIT_FINE);
    assert_true(weir_clerk_close(clerk, LIMIT_MS));
}

static void leaves_no_transaction_open(void **state)
{
    (void)state;
    balances_register();
    test_do(&balances_server,
            "HSET " BALANCES " state stopped reason r stream {s0}:events entry 7-0");
    test_do(&balances_server, "ACL SETUSER default -hincrby");
    struct weir_clerk *clerk = open_clerk(balances_server.url);
    expect_run(clerk, "projection/skip/view/balances", true, WEIR_EXIT_FAILED);
    assert_int_equal(test_ask_integer(&balances_server, "XLEN {weir}:actions"), 1);
    expect_run(clerk, "sagas", false, WEIR_EXIT_FINE);
    assert_true(weir_clerk_close(clerk, LIMIT_MS));
    test_do(&balances_server, "ACL SETUSER default +hincrby");
}

/* ---- The board ------------------------------------------------------------------------------ */

struct hearer {
    struct weir_listener listener;
    bool heard, knows;
};

static void hear(struct weir_listener *listener, const struct weir_run *answer)
{
    struct hearer *hearer = (struct hearer *)listener;
    hearer->knows = answer->result && strstr(answer->result, "late");
    hearer->heard = true;
}

static void listen(struct weir_board *board, struct hearer *hearer)
{
    struct weir_words words = words_of("definition/list", false);
    struct weir_error error = {0};
    *hearer = (struct hearer){.listener = {.heard = hear, .once = true}};
    assert_int_equal(weir_board_listen(board, &words, &hearer->listener, &error), WEIR_OK);
}

/* The answer is on its way when something is changed. */
static void tells_nobody_what_was_so_before(void **state)
{
    struct test_proxy proxy;
    struct hearer first, second;
    struct weir_error error = {0};
    (void)state;
    test_proxy_start(&proxy, &balances_server, (struct proxy_trap){"TIME", "TIME", PROXY_HOLD});
    struct weir_board *board = weir_board_open(loop, proxy.url, "", &error);
    assert_non_null(board);
    listen(board, &first);
    test_proxy_await(&proxy);
    test_do(&balances_server, "HSET {sagas}:definition:late latest 1 1 {}");
    test_do(&balances_server, "SADD {sagas}:definitions late");
    weir_board_hurry(board);
    listen(board, &second);
    test_proxy_release(&proxy, PROXY_NONE);
    turn_until(&second.heard);
    assert_true(second.knows);
    turn_until(&first.heard);
    assert_true(first.knows);
    assert_true(weir_board_close(board, LIMIT_MS));
    test_proxy_stop(&proxy);
}

struct watcher {
    struct weir_listener listener;
    bool heard[2]; /* by which of two reasons the answer has */
    uint64_t versions[2];
};

static void watch(struct weir_listener *listener, const struct weir_run *answer)
{
    struct watcher *watcher = (struct watcher *)listener;
    bool later = strstr(answer->result, "\"out\"") != NULL;
    watcher->versions[later] = weir_listener_version(listener);
    watcher->heard[later] = true;
}

/* Pages are told a new version alone: an answer that is no longer than the one before is one. */
static void each_change_is_a_version(void **state)
{
    struct watcher watcher = {.listener = {.heard = watch}};
    struct weir_words words = words_of("sagas", false);
    struct weir_error error = {0};
    (void)state;
    test_do(&balances_server,
            "HSET {sagas}:saga:s1 definition d version 1 state suspended reason due");
    test_do(&balances_server, "ZADD {sagas}:state:suspended 1 s1");
    struct weir_board *board = weir_board_open(loop, balances_server.url, "", &error);
    assert_non_null(board);
    assert_int_equal(weir_board_listen(board, &words, &watcher.listener, &error), WEIR_OK);
    turn_until(&watcher.heard[0]);
    test_do(&balances_server, "HSET {sagas}:saga:s1 reason out");
    weir_board_hurry(board);
    turn_until(&watcher.heard[1]);
    assert_int_equal(watcher.versions[1], watcher.versions[0] + 1);
    weir_listener_leave(&watcher.listener);
    assert_true(weir_board_close(board, LIMIT_MS));
}

/* ------------------------------------------------------------------------------------------------
 */

static int start(void **state)
{
    loop = ev_default_loop(EVFLAG_AUTO);
    return balances_start(state);
}

#define CASE(test) cmocka_unit_test_setup(test, balances_set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(tells_what_is_not_known),         CASE(tells_what_was_not_sent),
        CASE(finds_its_server_again),          CASE(leaves_no_transaction_open),
        CASE(tells_nobody_what_was_so_before), CASE(each_change_is_a_version),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, balances_service);
    return cmocka_run_group_tests(tests, start, balances_stop);
}
