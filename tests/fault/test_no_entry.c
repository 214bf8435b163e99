/* Servers that cannot be reached or do not let a worker in: it says so once, goes on trying where
 * that can help, ends with a code of its own where it cannot, and never tells a password. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/sagas.h"
#include "support/work_service.h"

#define WORK "work"
#define DENIED 77
#define SECRET "hush-hush-4711"
#define RUN_MS 30000

static struct test_server server;
static struct test_worker worker;

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

static const char *with_password(const char *password)
{
    static char url[TEST_PATH_MAX + 64];
    snprintf(url, sizeof(url), "unix://:%s@%s", password, server.socket);
    return url;
}

static void assert_secret_kept(void)
{
    assert_int_equal(test_worker_logged(&worker, SECRET), 0);
    assert_int_equal(test_worker_logged(&worker, "Sanitizer"), 0);
}

/* ---- Not there ----------------------------------------------------------------------------- */

/* A port that nobody listens on: bound, so that no other takes it meanwhile. */
static int hold_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(holder, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(holder, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return holder;
}

/* It tries again, says so once for each of its two links, and can be told to stop meanwhile. */
static void expect_patience(const char *url, const char *shown)
{
    worker = test_worker_launch(url, WORK, "w", NULL);
    AWAIT(test_worker_logged(&worker, "link.lost") == 2);
    assert_int_equal(test_worker_logged(&worker, shown), 2);
    assert_false(test_worker_ended(&worker));
    assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
    assert_int_equal(test_worker_logged(&worker, "link.lost"), 2);
    assert_secret_kept();
}

static void expect_no_server(const char *url, const char *shown)
{
    struct test_run run = test_run(
        (const char *[]){test_program("weir"), "sagas", "--redis", url, NULL}, NULL, RUN_MS);
    assert_int_equal(run.code, 69);
    assert_non_null(strstr(run.error, shown));
    assert_null(strstr(run.error, SECRET));
    test_run_close(&run);
}

static void a_port_without_a_server(void **state)
{
    (void)state;
    int port, holder = hold_port(&port);
    char url[80], shown[64];
    snprintf(url, sizeof(url), "redis://user:" SECRET "@127.0.0.1:%d", port);
    snprintf(shown, sizeof(shown), "127.0.0.1:%d", port);
    expect_patience(url, shown);
    expect_no_server(url, shown);
    close(holder);
}

static void a_host_without_a_name(void **state)
{
    (void)state;
    expect_patience("redis://user:" SECRET "@weir.invalid:6379", "weir.invalid:6379");
    expect_no_server("redis://user:" SECRET "@weir.invalid:6379", "weir.invalid");
}

static void a_socket_without_a_server(void **state)
{
    (void)state;
    expect_patience("unix:///nowhere/redis.sock", "/nowhere/redis.sock");
    expect_no_server("unix:///nowhere/redis.sock", "/nowhere/redis.sock");
}

/* ---- Not let in ---------------------------------------------------------------------------- */

static void expect_denied(const char *why)
{
    assert_int_equal(test_worker_await_end(&worker), DENIED);
    assert_int_equal(test_worker_logged(&worker, "worker.denied"), 1);
    assert_true(test_worker_logged(&worker, why) > 0);
    assert_secret_kept();
}

static void a_wrong_password_ends_it(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET requirepass right-one");
    worker = test_worker_launch(with_password(SECRET), WORK, "w", NULL);
    expect_denied("WRONGPASS");
    worker = test_worker_launch(server.url, WORK, "w", NULL);
    expect_denied("NOAUTH");
    struct test_server other = server;
    snprintf(other.url, sizeof(other.url), "%.*s", TEST_PATH_MAX, with_password(SECRET));
    worker = test_coordinator_launch(&other, "c", NULL);
    expect_denied("WRONGPASS");
    struct test_run run = test_run(
        (const char *[]){test_program("weir"), "sagas", "--redis", with_password(SECRET), NULL},
        NULL, RUN_MS);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.error, "does not know this user and password"));
    assert_null(strstr(run.error, SECRET));
    test_run_close(&run);
    test_do(&server, "CONFIG SET requirepass %s", "");
}

/* Changed while it works: what it has begun on the old connection is no secret either. */
static void a_password_that_changes_ends_it_at_the_next_connection(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET requirepass " SECRET);
    worker = test_worker_launch(with_password(SECRET), WORK, "w", NULL);
    test_worker_await_log(&worker, "worker.ready");
    test_send(&server, WORK, "Mark", "{\"n\":\"a\"}");
    test_await_settled(&server, WORK);
    test_do(&server, "CONFIG SET requirepass other-one");
    test_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
    expect_denied("WRONGPASS");
    assert_int_equal(test_number(&server, "{work}:marks", "a"), 1);
    test_do(&server, "CONFIG SET requirepass %s", "");
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_port_without_a_server),
        CASE(a_host_without_a_name),
        CASE(a_socket_without_a_server),
        CASE(a_wrong_password_ends_it),
        CASE(a_password_that_changes_ends_it_at_the_next_connection),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
