/* Servers that replicate one another, and a Sentinel that watches them. */
#include "support/failover.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/ports.h"

#define LIMIT_MS 30000
#define MASTER "shop"

#define AWAIT_OR_FAIL(condition, ...)                                                              \
    do {                                                                                           \
        for (long long await_end = test_now() + LIMIT_MS; !(condition); test_pause())              \
            if (test_now() > await_end)                                                            \
                fail_msg(__VA_ARGS__);                                                             \
    } while (0)

/* ---- Nodes --------------------------------------------------------------------------------- */

void test_node_start(struct test_node *node, const char *folder, const char *const *arguments)
{
    size_t count = 0;
    node->port = test_free_port();
    snprintf(node->port_text, sizeof(node->port_text), "%d", node->port);
    snprintf(node->url, sizeof(node->url), "redis://127.0.0.1:%d", node->port);
    const char *own[] = {
        "--port", node->port_text, "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"};
    for (; count < sizeof(own) / sizeof(own[0]); count++)
        node->arguments[count] = own[count];
    while (arguments && *arguments) {
        assert_true(count < sizeof(node->arguments) / sizeof(node->arguments[0]) - 1);
        node->arguments[count++] = *arguments++;
    }
    node->arguments[count] = NULL;
    test_server_start(&node->server, folder, node->arguments);
    node->server.cut_by_others = true; /* by Sentinel, where it changes a role */
}

long long test_node_info(struct test_node *node, const char *section, const char *name)
{
    redisReply *reply = redisCommand(node->server.connection, "INFO %s", section);
    assert_non_null(reply);
    const char *at = reply->type == REDIS_REPLY_ERROR ? NULL : strstr(reply->str, name);
    long long number = at ? atoll(at + strlen(name)) : 0;
    freeReplyObject(reply);
    return number;
}

static bool level(struct test_node *node, struct test_node *master)
{
    redisReply *reply = test_ask(&node->server, "INFO replication");
    bool up = strstr(reply->str, "master_link_status:up") != NULL;
    freeReplyObject(reply);
    return up && test_node_info(node, "replication", "slave_repl_offset:") >=
                     test_node_info(master, "replication", "master_repl_offset:");
}

void test_node_await_level(struct test_node *node, struct test_node *master)
{
    AWAIT_OR_FAIL(level(node, master), "the replica has not drawn level");
}

void test_node_follow(struct test_node *node, int port, struct test_node *master)
{
    test_do(&node->server, "REPLICAOF 127.0.0.1 %d", port);
    test_node_await_level(node, master);
}

void test_node_promote(struct test_node *node)
{
    test_do(&node->server, "REPLICAOF NO ONE");
}

const char *test_node_role(struct test_node *node)
{
    redisReply *reply = test_ask(&node->server, "ROLE");
    bool master = strcmp(reply->element[0]->str, "master") == 0;
    freeReplyObject(reply);
    return master ? "master" : "slave";
}

/* Whether a command of the service's workers has been put off. */
static bool holds(struct test_node *node, const char *service)
{
    char name[64];
    bool held = false;
    snprintf(name, sizeof(name), " name=weir:%s:commands ", service);
    redisReply *reply = test_ask(&node->server, "CLIENT LIST");
    for (char *rest = reply->str, *line; (line = strsep(&rest, "\n"));)
        held |= strstr(line, name) && strstr(line, " flags=b ");
    freeReplyObject(reply);
    return held;
}

void test_node_hold(struct test_node *node, struct test_node *replica, const char *service,
                    const struct test_worker *const *workers, int from, int count)
{
    for (size_t i = 0; workers[i]; i++)
        kill(workers[i]->pid, SIGSTOP);
    test_send_many(&node->server, service, "Mark", "", from, count, NULL);
    test_do(&node->server, "CLIENT PAUSE 600000 WRITE");
    test_node_await_level(replica, node);
    for (size_t i = 0; workers[i]; i++)
        kill(workers[i]->pid, SIGCONT);
    AWAIT_OR_FAIL(holds(node, service), "no worker of %s waits for a write", service);
}

/* ---- Sentinel ------------------------------------------------------------------------------ */

static void write_configuration(const struct test_sentinel *sentinel, const char *path,
                                const struct test_node *master)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file,
            "port %d\nbind 127.0.0.1\ndir sentinel\n"
            "sentinel monitor " MASTER " 127.0.0.1 %d 1\n"
            "sentinel down-after-milliseconds " MASTER " 500\n"
            "sentinel failover-timeout " MASTER " 60000\n",
            sentinel->port, master->port);
    assert_int_equal(fclose(file), 0);
}

static bool connects(struct test_sentinel *sentinel)
{
    struct timeval limit = {.tv_sec = LIMIT_MS / 1000};
    redisContext *connection = redisConnectWithTimeout("127.0.0.1", sentinel->port, limit);
    if (connection && connection->err == 0 && redisSetTimeout(connection, limit) == REDIS_OK) {
        sentinel->connection = connection;
        return true;
    }
    if (connection)
        redisFree(connection);
    return false;
}

static redisReply *ask_sentinel(struct test_sentinel *sentinel, const char *command)
{
    redisReply *reply = redisCommand(sentinel->connection, command);
    if (!reply)
        fail_msg("no answer of the Sentinel to %s: %s", command, sentinel->connection->errstr);
    return reply;
}

/* It looks at roles ten times as often as usual; an older one that cannot is only slower. */
static void hurry(struct test_sentinel *sentinel)
{
    freeReplyObject(ask_sentinel(sentinel, "SENTINEL DEBUG INFO-PERIOD 500 PUBLISH-PERIOD 200"));
}

/* A replica that it has asked itself can be promoted. */
static bool knows_replica(struct test_sentinel *sentinel)
{
    redisReply *reply = ask_sentinel(sentinel, "SENTINEL replicas " MASTER);
    bool known = false;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1)
        for (size_t i = 0; i + 1 < reply->element[0]->elements; i += 2)
            known |= strcmp(reply->element[0]->element[i]->str, "master-link-status") == 0 &&
                     strcmp(reply->element[0]->element[i + 1]->str, "ok") == 0;
    freeReplyObject(reply);
    return known;
}

void test_sentinel_start(struct test_sentinel *sentinel, struct test_node *master)
{
    const char *program = getenv("WEIR_TEST_SERVER");
    const char *path = "sentinel/sentinel.conf";
    mkdir("sentinel", 0700);
    memset(sentinel, 0, sizeof(*sentinel));
    sentinel->port = test_free_port();
    snprintf(sentinel->url, sizeof(sentinel->url), "redis-sentinel://127.0.0.1:%d/" MASTER,
             sentinel->port);
    write_configuration(sentinel, path, master);
    sentinel->pid =
        test_spawn((const char *[]){program ? program : "redis-server", path, "--sentinel", NULL},
                   "sentinel/log");
    AWAIT_OR_FAIL(connects(sentinel), "the Sentinel has not started; see sentinel/log");
    hurry(sentinel);
    AWAIT_OR_FAIL(knows_replica(sentinel), "the Sentinel has not found the replica");
}

void test_sentinel_stop(struct test_sentinel *sentinel)
{
    if (sentinel->connection)
        redisFree(sentinel->connection);
    if (sentinel->pid > 0)
        test_end(sentinel->pid, SIGKILL, LIMIT_MS);
    memset(sentinel, 0, sizeof(*sentinel));
}

static bool names(struct test_sentinel *sentinel, const struct test_node *node)
{
    redisReply *reply = ask_sentinel(sentinel, "SENTINEL get-master-addr-by-name " MASTER);
    bool named = reply->elements == 2 && strcmp(reply->element[1]->str, node->port_text) == 0;
    freeReplyObject(reply);
    return named;
}

void test_sentinel_await(struct test_sentinel *sentinel, struct test_node *master)
{
    AWAIT_OR_FAIL(names(sentinel, master) && strcmp(test_node_role(master), "master") == 0,
                  "the Sentinel has not made %s the master; see sentinel/log", master->url);
}

void test_sentinel_turn_to(struct test_sentinel *sentinel, struct test_node *master)
{
    char command[64];
    freeReplyObject(ask_sentinel(sentinel, "SENTINEL REMOVE " MASTER));
    snprintf(command, sizeof(command), "SENTINEL MONITOR " MASTER " 127.0.0.1 %d 1", master->port);
    freeReplyObject(ask_sentinel(sentinel, command));
    test_sentinel_await(sentinel, master);
}

/* ---- The relay ----------------------------------------------------------------------------- */

static int connect_to(int port)
{
    struct sockaddr_in address = test_address(port);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(connection, (struct sockaddr *)&address, sizeof(address)) == 0)
        return connection;
    close(connection);
    return -1;
}

static bool forward(int from, int to)
{
    char bytes[65536];
    ssize_t got = recv(from, bytes, sizeof(bytes), 0);
    for (ssize_t sent, at = 0; at < got; at += sent)
        if ((sent = send(to, bytes + at, (size_t)(got - at), MSG_NOSIGNAL)) <= 0)
            return false;
    return got > 0;
}

/* One line after the other. */
static _Noreturn void relay_lines(int listener, int port)
{
    for (;;) {
        int client = accept(listener, NULL, NULL), server = connect_to(port);
        struct pollfd both[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        bool open = client >= 0 && server >= 0;
        while (open && (poll(both, 2, -1) > 0 || errno == EINTR)) {
            if (both[0].revents != 0)
                open = forward(client, server);
            if (open && both[1].revents != 0)
                open = forward(server, client);
        }
        close(client);
        close(server);
    }
}

void test_relay_start(struct test_relay *relay, const struct test_node *to)
{
    int listener = test_listen(&relay->port);
    fflush(NULL);
    relay->pid = fork();
    assert_true(relay->pid >= 0);
    if (relay->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        relay_lines(listener, to->port);
    }
    close(listener);
}

void test_relay_stall(struct test_relay *relay)
{
    kill(relay->pid, SIGSTOP);
}

void test_relay_stop(struct test_relay *relay)
{
    if (relay->pid > 0)
        test_end(relay->pid, SIGKILL, LIMIT_MS);
    relay->pid = 0;
}
