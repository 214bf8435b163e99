/* Those who follow the master through Sentinel: the blocking connection and the command line, and
 * what they are asked for by servers and by Sentinels. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/client.h"
#include "support/failover.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"

static struct test_node a, b;
static struct test_sentinel sentinel;

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_node_start(&a, "a", NULL);
    test_node_start(&b, "b", NULL);
    test_node_follow(&b, a.port, &a);
    test_sentinel_start(&sentinel, &a);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_sentinel_stop(&sentinel);
    test_server_stop(&a.server, SIGKILL);
    test_server_stop(&b.server, SIGKILL);
    return 0;
}

/* ---- Passwords ------------------------------------------------------------------------------ */

static void by_sentinel(char *url, const char *login, const char *settings)
{
    snprintf(url, TEST_PATH_MAX, "redis-sentinel://%s127.0.0.1:%d/shop%s", login, sentinel.port,
             settings);
}

static int list_by(const char *url)
{
    struct test_run run = test_run(
        (const char *[]){test_program("weir"), "sagas", "--redis", url, NULL}, NULL, 60000);
    int code = run.code;
    assert_null(strstr(run.error, "hush"));
    test_run_close(&run);
    return code;
}

/* One login for the server, another for Sentinels. */
static void logs_in_twice(void **state)
{
    (void)state;
    char url[TEST_PATH_MAX], wrong[TEST_PATH_MAX];
    test_do(&a.server, "ACL SETUSER ann on >hush +@all ~*");
    freeReplyObject(redisCommand(sentinel.connection, "ACL SETUSER bob on >hush%%%% +@all"));
    freeReplyObject(redisCommand(sentinel.connection, "ACL SETUSER default resetpass >hushed"));
    by_sentinel(url, "ann:hush@", "?sentinelUser=bob&sentinelPassword=hush%25%25");
    by_sentinel(wrong, "ann:hush@", "?sentinelPassword=hush");
    struct test_worker one = test_worker_launch(url, WORK, "one", NULL);
    test_worker_await_log(&one, "worker.ready");
    redisReply *clients = test_ask(&a.server, "CLIENT LIST");
    char *ours = strstr(clients->str, " name=weir:");
    assert_non_null(ours);
    ours[strcspn(ours, "\n")] = '\0';
    assert_non_null(strstr(ours, " user=ann "));
    freeReplyObject(clients);
    assert_int_equal(list_by(url), 0);
    test_worker_end_well(&one);

    by_sentinel(url, "ann:hush@", "?sentinelPassword=hushed");
    assert_int_equal(list_by(url), 0);
    assert_int_equal(list_by(wrong), 1);
    by_sentinel(url, "", "");
    assert_int_equal(list_by(url), 1);
    struct test_worker two = test_worker_launch(wrong, WORK, "two", NULL);
    assert_int_equal(test_worker_await_end(&two), 77);
    assert_true(test_worker_logged(&two, "sentinelPassword=") > 0);
    assert_int_equal(test_worker_logged(&two, "hush"), 0);
}

/* ---- The command line ----------------------------------------------------------------------- */

static int code_of(const char *const *words)
{
    struct test_run run = test_run(words, NULL, 60000);
    int code = run.code;
    if (code != 0 && code != 69)
        fail_msg("weir %s has ended with %d: %s", words[1], code, run.error);
    test_run_close(&run);
    return code;
}

static void the_command_line_follows(void **state)
{
    (void)state;
    const char *const list[] = {test_program("weir"), "sagas", "--redis", sentinel.url, NULL};
    const char *const send[] = {test_program("weir"), "send", WORK, "Mark", "--data",
                                "{\"n\":\"n0\"}",     NULL};
    assert_int_equal(code_of(list), 0);
    test_server_freeze(&a.server);
    setenv("REDIS_URL", sentinel.url, 1);
    AWAIT(code_of(send) == 0); /* it waits itself for a while, and then says that there is none */
    unsetenv("REDIS_URL");
    assert_string_equal(test_node_role(&b), "master");
    assert_int_equal(test_backlog(&b.server, WORK), 1);
    assert_int_equal(code_of(list), 0);
    struct test_run run =
        test_run((const char *[]){test_program("weir"), "sagas", "--redis",
                                  "redis-sentinel://:hush@127.0.0.1:1/shop", NULL},
                 NULL, 60000);
    assert_int_equal(run.code, 69);
    assert_non_null(strstr(run.error, "no Sentinel says where \"shop\" is"));
    assert_null(strstr(run.error, "hush"));
    test_run_close(&run);
}

/* Connections that the Sentinel has accepted so far. */
static long long connections(void)
{
    redisReply *reply = redisCommand(sentinel.connection, "INFO stats");
    const char *name = "total_connections_received:", *at;
    assert_non_null(reply);
    assert_non_null(at = strstr(reply->str, name));
    long long number = atoll(at + strlen(name));
    freeReplyObject(reply);
    return number;
}

/* As long as it may take, it asks again where the master is. */
static void a_client_does_not_give_up_at_once(void **state)
{
    (void)state;
    struct weir_endpoint endpoint;
    struct weir_client client;
    struct weir_error error = {0};
    assert_int_equal(weir_endpoint_parse(sentinel.url, &endpoint, NULL), WEIR_OK);
    test_server_freeze(&b.server); /* nobody can take the master's place */
    test_server_stop(&a.server, SIGKILL);
    long long before = connections();
    assert_int_equal(weir_client_open(&client, &endpoint, 1500, &error), WEIR_UNAVAILABLE);
    assert_non_null(strstr(error.text, "cannot reach redis-sentinel://"));
    assert_in_range(connections() - before, 2, 40);
    weir_endpoint_close(&endpoint);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(logs_in_twice),
        CASE(the_command_line_follows),
        CASE(a_client_does_not_give_up_at_once),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
