/* The master dies, or hangs, and Sentinel puts its replica in its place: workers follow, and
 * everything takes effect once. */
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
#include "support/load.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define STEPS "steps"
#define MARKS "{" WORK "}:marks"
#define SAGAS 30
#define QUICK OPTIONS("--claim-idle", "500ms", "--retry-base", "10ms", "--concurrency", "16")

static struct test_node a, b;
static struct test_sentinel sentinel;
static struct test_server followed; /* no server: what workers are given, the Sentinel's URL */

static weir_service *make_service(const char *name)
{
    return strcmp(name, STEPS) == 0 ? test_step_service(name) : test_work_service(name);
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_node_start(&a, "a", NULL);
    test_node_start(&b, "b", NULL);
    test_node_follow(&b, a.port, &a);
    test_sentinel_start(&sentinel, &a);
    strcpy(followed.url, sentinel.url);
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

static void assert_each_once(struct test_node *node, int count)
{
    assert_int_equal(test_ask_integer(&node->server, "HLEN " MARKS), count);
    assert_int_equal(test_others(&node->server, MARKS, "1"), 0);
    assert_int_equal(test_dead(&node->server, WORK), 0);
}

static long long marked(struct test_node *node)
{
    return test_ask_integer(&node->server, "HLEN " MARKS);
}

/* ---- The master dies ----------------------------------------------------------------------- */

static void begin_sagas(struct test_node *node)
{
    char saga[16];
    test_define(&node->server, "trip", 1,
                "'timeoutMs':120000,'steps':["
                "{'name':'a','service':'" STEPS "','command':'Do','compensation':'Undo',"
                "'timeoutMs':60000},"
                "{'name':'b','service':'" STEPS "','command':'Do','compensation':'Undo',"
                "'timeoutMs':60000}]");
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        test_saga_begin(&node->server, saga, "trip",
                        i % 3 == 0 ? "{'defer':40,'how':{'b':'fail'}}" : "{'defer':40}");
    }
}

/* Completed with each step once, or compensated with its mirror. */
static void assert_saga_whole(struct test_node *node, int i)
{
    char saga[16], key[64];
    bool fails = i % 3 == 0;
    snprintf(saga, sizeof(saga), "s%d", i);
    snprintf(key, sizeof(key), "{" STEPS "}:effects:%s", saga);
    assert_true(test_saga_is(&node->server, saga, fails ? "compensated" : "completed"));
    assert_string_equal(test_saga_events(&node->server, saga),
                        fails ? "SagaStarted SagaCompensating SagaCompensated "
                              : "SagaStarted SagaCompleted ");
    assert_int_equal(test_number(&node->server, key, "a"), 1);
    assert_int_equal(test_number(&node->server, key, "a/undo"), fails ? 1 : 0);
    assert_int_equal(test_number(&node->server, key, "b"), fails ? 0 : 1);
}

static void workers_follow_when_the_master_dies(void **state)
{
    (void)state;
    enum { SLOW = 400, PLAIN = 400 };
    struct test_worker one = test_worker_start(&followed, WORK, "one", QUICK);
    struct test_worker two = test_worker_start(&followed, WORK, "two", QUICK);
    struct test_worker steps = test_worker_start(&followed, STEPS, "steps", QUICK);
    struct test_worker coordinator = test_coordinator_start(&followed, "coordinator", QUICK);
    begin_sagas(&a);
    test_send_many(&a.server, WORK, "Defer", ",\"ms\":20", 0, SLOW, NULL);
    AWAIT(marked(&a) > 50);
    test_node_hold(&a, &b, WORK, (const struct test_worker *const[]){&one, &two, NULL}, SLOW,
                   PLAIN);
    test_server_stop(&a.server, SIGKILL);
    assert_in_range(marked(&b), 51, SLOW);
    test_sentinel_await(&sentinel, &b);
    test_await_settled(&b.server, WORK);
    test_sagas_await_rest(&b.server, 30000);
    assert_each_once(&b, SLOW + PLAIN);
    assert_int_equal(test_ask_integer(&b.server, "XLEN {" WORK "}:events"), PLAIN);
    for (int i = 0; i < SAGAS; i++)
        assert_saga_whole(&b, i);
    assert_int_equal(test_ask_integer(&b.server, "XLEN {sagas}:dead"), 0);
    /* nothing is lost, and nobody says so */
    assert_int_equal(test_worker_logged(&one, "went_back") + test_worker_logged(&two, "went_back") +
                         test_worker_logged(&steps, "went_back") +
                         test_worker_logged(&coordinator, "went_back"),
                     0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
    test_worker_end_well(&steps);
    test_worker_end_well(&coordinator);
}

/* ---- The master hangs, is replaced, and comes back ------------------------------------------ */

/* Connections of ours, by their names. */
static bool has_our_clients(struct test_node *node)
{
    redisReply *reply = test_ask(&node->server, "CLIENT LIST");
    bool ours = strstr(reply->str, " name=weir:") != NULL;
    freeReplyObject(reply);
    return ours;
}

static void nothing_goes_to_a_zombie(void **state)
{
    (void)state;
    enum { BEFORE = 600, MEANWHILE = 200, AFTER = 200 };
    test_send_many(&a.server, WORK, "Defer", ",\"ms\":20", 0, BEFORE, NULL);
    test_node_await_level(&b, &a);
    struct test_worker one = test_worker_start(&followed, WORK, "one", QUICK);
    AWAIT(marked(&a) > 50);
    test_server_freeze(&a.server);
    test_sentinel_await(&sentinel, &b);
    /* the worker is not told by its connection, which is as open as ever */
    test_worker_await_log(&one, "another master");
    test_send_many(&b.server, WORK, "Mark", "", BEFORE, MEANWHILE, NULL);
    test_await_settled(&b.server, WORK);
    assert_each_once(&b, BEFORE + MEANWHILE);

    test_server_thaw(&a.server);
    AWAIT(!has_our_clients(&a)); /* it believes to be a master, and nobody is there any more */
    test_send_many(&b.server, WORK, "Mark", "", BEFORE + MEANWHILE, AFTER, NULL);
    test_await_settled(&b.server, WORK);
    AWAIT(strcmp(test_node_role(&a), "slave") == 0); /* by Sentinel */
    AWAIT(marked(&a) == marked(&b));
    assert_each_once(&b, BEFORE + MEANWHILE + AFTER);
    assert_each_once(&a, BEFORE + MEANWHILE + AFTER);
    assert_int_equal(test_node_info(&a, "errorstats", "errorstat_READONLY:count="), 0);
    assert_false(has_our_clients(&a));
    test_worker_end_well(&one);
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
        CASE(workers_follow_when_the_master_dies),
        CASE(nothing_goes_to_a_zombie),
        CASE(logs_in_twice),
        CASE(the_command_line_follows),
        CASE(a_client_does_not_give_up_at_once),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
