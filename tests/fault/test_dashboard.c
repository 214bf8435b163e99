/* What the dashboard's process tells of a server that hangs, is lost or becomes a replica: by its
 * health, its readiness and its log; of an action whose answer is lost; and that pages which are
 * closed count no more. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/clock.h"
#include "support/ports.h"
#include "support/proxy.h"
#include "support/scrape.h"

#define BOARD(...)                                                                                 \
    ((const char *const[]){test_program("weir-dashboard"), "--listen", "127.0.0.1:0", "--redis",   \
                           server.url, "--log-format", "text", __VA_ARGS__, NULL})

#define TOKEN "a-token-of-this-test"
#define SERVES "listen=127.0.0.1:"
#define NEXT_LOOK_MS 11000 /* the dashboard looks at the server every ten seconds */

static struct test_server server;
static struct test_clock clock;
static int64_t ahead_ms;

static void pass(int64_t ms)
{
    test_clock_set(&clock, ahead_ms += ms);
}

static struct test_worker start_board(const char *log)
{
    struct test_worker board = {0};
    snprintf(board.log, sizeof(board.log), "%s", log);
    remove(log);
    test_clock_begin(&clock);
    setenv("WEIR_TEST_CLOCK_WHOLE", "1", 1);
    board.pid = test_spawn(BOARD("--metrics", "127.0.0.1:0"), log);
    unsetenv("WEIR_TEST_CLOCK_WHOLE");
    test_clock_end();
    test_worker_remember(&board);
    test_await_text(log, "dashboard.started", 15000);
    AWAIT(test_page_is(&board, "/readyz", 200, "ok\n"));
    return board;
}

static void is_not_ready_without_a_master(void **state)
{
    (void)state;
    struct test_worker board = start_board("replica.log");
    test_do(&server, "REPLICAOF 127.0.0.1 1");
    pass(NEXT_LOOK_MS);
    AWAIT(test_page_is(&board, "/readyz", 503, "master"));
    test_worker_await_log(&board, "link.lost");
    assert_int_equal(test_worker_logged_of(&board, "link.lost", "master"), 1);
    assert_true(test_page_is(&board, "/healthz", 200, "ok\n"));
    test_do(&server, "REPLICAOF NO ONE");
    pass(NEXT_LOOK_MS);
    AWAIT(test_page_is(&board, "/readyz", 200, "ok\n"));
    test_worker_await_log(&board, "link.ready");
    assert_int_equal(test_worker_end(&board, SIGTERM), 0);
}

static void tells_of_a_server_that_is_killed(void **state)
{
    (void)state;
    struct test_worker board = start_board("killed.log");
    test_server_stop(&server, SIGKILL);
    pass(NEXT_LOOK_MS);
    test_worker_await_log(&board, "link.lost");
    assert_true(test_page_is(&board, "/readyz", 503, "cannot reach unix://"));
    test_server_restart(&server, 0);
    pass(NEXT_LOOK_MS);
    test_worker_await_log(&board, "link.ready");
    assert_int_equal(test_worker_end(&board, SIGTERM), 0);
}

static void is_not_healthy_where_nothing_is_heard(void **state)
{
    (void)state;
    struct test_worker board = start_board("hung.log");
    test_server_freeze(&server);
    assert_true(test_page_is(&board, "/healthz", 200, "ok\n"));
    pass(31000);
    AWAIT(test_page_is(&board, "/healthz", 503, "nothing has been heard of unix://"));
    pass(NEXT_LOOK_MS);
    test_worker_await_log(&board, "link.lost");
    test_server_thaw(&server);
    AWAIT(test_page_is(&board, "/healthz", 200, "ok\n"));
    assert_int_equal(test_worker_end(&board, SIGTERM), 0);
}

/* Whoever gave it must look before he gives it again. */
static void an_action_whose_answer_is_lost_is_unknown(void **state)
{
    (void)state;
    struct test_proxy proxy;
    struct test_worker board = {.log = "lost.log"};
    remove(board.log);
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga s1 definition d data {}");
    test_proxy_start(&proxy, &server, (struct proxy_trap){"XADD", "CancelSaga", PROXY_CUT_AFTER});
    setenv("WEIR_DASHBOARD_TOKEN", TOKEN, 1);
    board.pid = test_spawn(
        BOARD("--metrics", "127.0.0.1:0", "--allow-actions", "--redis", proxy.url), board.log);
    unsetenv("WEIR_DASHBOARD_TOKEN");
    test_worker_remember(&board);
    struct test_page page =
        test_page_ask(test_port_said(&board, SERVES),
                      "POST /api/cancel/s1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                      "Authorization: Bearer " TOKEN "\r\nContent-Type: application/json\r\n"
                      "Content-Length: 2\r\n\r\n{}");
    test_proxy_await(&proxy);
    assert_int_equal(page.status, 504);
    assert_non_null(strstr(page.text, "may or may not"));
    test_page_close(&page);
    assert_true(test_metric(&board, "weir_dashboard_actions_total{outcome=\"unknown\"}") == 1);
    assert_int_equal(test_worker_end(&board, SIGTERM), 0);
    test_proxy_stop(&proxy);
}

/* Else so many would keep all others out. */
static void pages_that_are_closed_count_no_more(void **state)
{
    (void)state;
    static const char request[] = "GET /api/live?topic=top HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct test_worker board = start_board("closed.log");
    struct sockaddr_in address = test_address(test_port_said(&board, SERVES));
    int page = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(page, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(page, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    AWAIT(test_metric(&board, "weir_dashboard_streams") == 1);
    close(page);
    AWAIT(test_metric(&board, "weir_dashboard_streams") == 0);
    assert_int_equal(test_worker_end(&board, SIGTERM), 0);
}

static void assert_refused(const char *flag, const char *value, int code)
{
    char head[64];
    struct test_run run = test_run(BOARD(flag, value), NULL, 10000);
    assert_int_equal(run.code, code);
    snprintf(head, sizeof(head), "weir-dashboard: %s: ", flag);
    assert_ptr_equal(strstr(run.error, head), run.error);
    test_run_close(&run);
}

static void what_cannot_be_is_said_at_once(void **state)
{
    char taken[32];
    int port, listening = test_listen(&port);
    (void)state;
    assert_true(listening >= 0);
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", port);
    assert_refused("--metrics", taken, 71);
    assert_refused("--metrics", "x", 64);
    assert_refused("--namespace", "{x}", 64);
    close(listening);
}

static int start(void **state)
{
    (void)state;
    test_clock_open(&clock, "board.clock");
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    test_clock_close(&clock);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    return 0;
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(is_not_ready_without_a_master),
        CASE(tells_of_a_server_that_is_killed),
        CASE(is_not_healthy_where_nothing_is_heard),
        CASE(an_action_whose_answer_is_lost_is_unknown),
        CASE(pages_that_are_closed_count_no_more),
        CASE(what_cannot_be_is_said_at_once),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
