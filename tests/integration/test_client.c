/* The blocking client against a real server: what it makes of refusals and of lost answers. */
#include "redis/client.h"
#include "redis/pipeline.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fake_server.h"
#include "support/server.h"

#define SHORT_MS 300
#define LONG_MS 10000

static struct test_server server;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

struct connection {
    struct weir_endpoint endpoint;
    struct weir_client client;
    struct weir_error error;
};

static enum weir_status open_as(struct connection *connection, const char *login, int64_t timeout)
{
    char url[TEST_PATH_MAX + 64];
    memset(connection, 0, sizeof(*connection));
    snprintf(url, sizeof(url), "unix://%s%s", login, server.socket);
    assert_int_equal(weir_endpoint_parse(url, &connection->endpoint, NULL), WEIR_OK);
    return weir_client_open(&connection->client, &connection->endpoint, timeout,
                            &connection->error);
}

static void close_connection(struct connection *connection)
{
    weir_client_close(&connection->client);
    weir_client_close(&connection->client); /* a second call does nothing */
    weir_endpoint_close(&connection->endpoint);
}

static void assert_refused(struct connection *connection, redisReply *reply,
                           enum weir_status status, const char *word)
{
    assert_null(reply);
    if (!strstr(connection->error.text, word))
        fail_msg("'%s' is missing in: %s", word, connection->error.text);
    assert_int_equal(connection->error.status, status);
    connection->error = (struct weir_error){0};
}

static void asks(void **state)
{
    (void)state;
    struct connection one;
    assert_int_equal(open_as(&one, "", LONG_MS), WEIR_OK);
    const char *words[] = {"SET", "key", "a\0b"};
    const size_t lengths[] = {3, 3, 3};
    redisReply *reply = weir_client_call(&one.client, &one.error, 3, words, lengths);
    assert_non_null(reply);
    freeReplyObject(reply);
    reply = weir_client_ask(&one.client, &one.error, "STRLEN", "key", NULL);
    assert_non_null(reply);
    assert_int_equal(reply->integer, 3);
    freeReplyObject(reply);
    assert_int_equal(one.error.status, WEIR_OK);
    close_connection(&one);
}

static void sorts_refusals(void **state)
{
    (void)state;
    struct connection one;
    test_do(&server, "SET text 1");
    assert_int_equal(open_as(&one, "", LONG_MS), WEIR_OK);
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "LPUSH", "text", "x", NULL),
                   WEIR_REFUSED, "LPUSH: WRONGTYPE");
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "FROB", NULL), WEIR_REFUSED,
                   "unknown command");
    test_do(&server, "CONFIG SET maxmemory 1");
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "SET", "a", "b", NULL),
                   WEIR_UNAVAILABLE, "OOM");
    test_do(&server, "CONFIG SET maxmemory 0");
    test_do(&server, "CONFIG SET min-replicas-to-write 1");
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "SET", "a", "b", NULL),
                   WEIR_UNAVAILABLE, "NOREPLICAS");
    test_do(&server, "CONFIG SET min-replicas-to-write 0");
    test_do(&server, "REPLICAOF 127.0.0.1 1");
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "SET", "a", "b", NULL),
                   WEIR_UNAVAILABLE, "READONLY");
    assert_false(weir_client_connected(&one.client)); /* so that the next one finds the master */
    test_do(&server, "REPLICAOF NO ONE");
    close_connection(&one);
}

static void refuses_a_replica(void **state)
{
    (void)state;
    struct connection one;
    test_do(&server, "ACL SETUSER eve on >hush +@all -role ~*");
    test_do(&server, "REPLICAOF 127.0.0.1 1");
    assert_int_equal(open_as(&one, "", LONG_MS), WEIR_UNAVAILABLE);
    assert_non_null(strstr(one.error.text, server.socket));
    assert_non_null(strstr(one.error.text, "is a replica of 127.0.0.1:1 "));
    assert_null(one.client.connection);
    close_connection(&one);
    /* who may not ask is let in, and finds out by the first write */
    assert_int_equal(open_as(&one, "eve:hush@", LONG_MS), WEIR_OK);
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "SET", "a", "b", NULL),
                   WEIR_UNAVAILABLE, "READONLY");
    close_connection(&one);
    test_do(&server, "REPLICAOF NO ONE");
    assert_int_equal(open_as(&one, "", LONG_MS), WEIR_OK);
    close_connection(&one);
}

static void logs_in(void **state)
{
    (void)state;
    struct connection one;
    test_do(&server, "ACL SETUSER ann on >hush +ping +get ~*");
    assert_int_equal(open_as(&one, "ann:hush@", LONG_MS), WEIR_OK);
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "SET", "a", "b", NULL),
                   WEIR_DENIED, "NOPERM");
    close_connection(&one);
    assert_int_equal(open_as(&one, "ann:hushed@", LONG_MS), WEIR_DENIED);
    assert_null(strstr(one.error.text, "hush"));
    assert_null(one.client.connection);
    close_connection(&one);
    assert_int_equal(open_as(&one, "ben:hush@", LONG_MS), WEIR_DENIED);
    close_connection(&one);
    test_do(&server, "CONFIG SET requirepass hush");
    assert_int_equal(open_as(&one, ":hush@", LONG_MS), WEIR_OK);
    close_connection(&one);
    assert_int_equal(open_as(&one, "", LONG_MS), WEIR_DENIED);
    assert_non_null(strstr(one.error.text, "wants a password"));
    close_connection(&one);
    test_do(&server, "CONFIG SET requirepass %s", "");
}

static void tells_a_lost_answer_from_a_refused_one(void **state)
{
    (void)state;
    struct connection one;
    assert_int_equal(open_as(&one, "", SHORT_MS), WEIR_OK);
    test_server_freeze(&server);
    redisReply *reply = weir_client_ask(&one.client, &one.error, "INCR", "counter", NULL);
    test_server_thaw(&server);
    assert_refused(&one, reply, WEIR_UNKNOWN, "has not answered INCR in time");
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "INCR", "counter", NULL),
                   WEIR_UNAVAILABLE, "INCR was not sent");
    close_connection(&one);
    assert_int_equal(open_as(&one, "", LONG_MS), WEIR_OK);
    test_server_restart(&server, SIGKILL);
    assert_refused(&one, weir_client_ask(&one.client, &one.error, "INCR", "counter", NULL),
                   WEIR_UNKNOWN, "may or may not have been done");
    close_connection(&one);
}

static void knows_what_changes_nothing(void **state)
{
    (void)state;
    for (int writes = 0; writes < 2; writes++) {
        struct connection one;
        struct weir_pipeline pipeline = {0};
        assert_int_equal(open_as(&one, "", SHORT_MS), WEIR_OK);
        weir_pipeline_add(&pipeline, "GET", "counter", NULL);
        weir_pipeline_add(&pipeline, writes ? "INCR" : "HGETALL", "counter", NULL);
        test_server_freeze(&server);
        enum weir_status status = weir_pipeline_run(&pipeline, &one.client, &one.error);
        test_server_thaw(&server);
        assert_int_equal(status, WEIR_UNKNOWN);
        assert_non_null(
            strstr(one.error.text, writes ? "may or may not have been done" : "that only asks"));
        weir_pipeline_close(&pipeline);
        close_connection(&one);
    }
}

static void finds_no_server(void **state)
{
    (void)state;
    struct connection one;
    test_server_stop(&server, SIGTERM);
    assert_int_equal(open_as(&one, "", LONG_MS), WEIR_UNAVAILABLE);
    assert_non_null(strstr(one.error.text, server.socket));
    close_connection(&one);
    test_server_restart(&server, 0);
    test_server_freeze(&server);
    assert_int_equal(open_as(&one, "", SHORT_MS), WEIR_UNAVAILABLE);
    test_server_thaw(&server);
    close_connection(&one);
}

/* ---- Sentinels ----------------------------------------------------------------------------- */

#define MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define REPLICA "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:1\r\n"

static const char *port_of(const struct fake_server *fake)
{
    return strrchr(fake->url, ':') + 1;
}

#define POINT_MAX 128
/* The answer that says where the master is. */
static void point(char *answer, const struct fake_server *fake)
{
    snprintf(answer, POINT_MAX, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port_of(fake)),
             port_of(fake));
}

/* Lets these servers, which are in the loop, serve in a process of their own, as the client waits.
 */
static pid_t serve_aside(struct ev_loop *loop)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ev_loop_fork(loop);
    ev_run(loop, 0);
    _exit(0);
}

/* The first of two Sentinels names for ever what was the master once; `role` is what that says of
 * itself, NULL where it is gone. */
static void opens_behind_a_late_sentinel(const char *role)
{
    static struct fake_server old, master, late, right;
    struct fake_server *const all[] = {&old, &master, &late, &right};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct weir_endpoint endpoint;
    struct weir_client client;
    struct weir_error error = {0};
    char to_old[POINT_MAX], to_master[POINT_MAX], url[256];
    for (int i = 0; i < 4; i++) {
        fake_server_start(all[i], loop);
        all[i]->no_greeting = true;
    }
    if (role == NULL)
        fake_server_refuse(&old);
    old.answer = role;
    master.answer = MASTER;
    point(to_old, &old);
    point(to_master, &master);
    late.answer = to_old;
    right.answer = to_master;
    pid_t aside = serve_aside(loop);
    snprintf(url, sizeof(url), "redis-sentinel://127.0.0.1:%s,127.0.0.1:%s/shop", port_of(&late),
             port_of(&right));
    assert_int_equal(weir_endpoint_parse(url, &endpoint, NULL), WEIR_OK);
    enum weir_status status = weir_client_open(&client, &endpoint, LONG_MS, &error);
    if (status != WEIR_OK)
        fail_msg("%s", error.text);
    weir_client_close(&client);
    weir_endpoint_close(&endpoint);
    assert_int_equal(kill(aside, SIGKILL), 0);
    assert_int_equal(waitpid(aside, NULL, 0), aside);
    for (int i = 0; i < 4; i++)
        fake_server_stop(all[i]);
    ev_loop_destroy(loop);
}

static void asks_another_sentinel_where_no_master_is(void **state)
{
    (void)state;
    opens_behind_a_late_sentinel(NULL);
    opens_behind_a_late_sentinel(REPLICA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks),
        cmocka_unit_test(sorts_refusals),
        cmocka_unit_test(refuses_a_replica),
        cmocka_unit_test(logs_in),
        cmocka_unit_test(tells_a_lost_answer_from_a_refused_one),
        cmocka_unit_test(knows_what_changes_nothing),
        cmocka_unit_test(finds_no_server),
        cmocka_unit_test(asks_another_sentinel_where_no_master_is),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
