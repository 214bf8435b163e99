/* Servers that replicate one another, on free TCP ports of 127.0.0.1, and a Sentinel that watches
 * them; for tests of what becomes of workers when one takes the place of another.
 *
 *     struct test_node a, b;
 *     struct test_sentinel sentinel;
 *     test_node_start(&a, "a", NULL);
 *     test_node_start(&b, "b", NULL);
 *     test_node_follow(&b, a.port, &a);
 *     test_sentinel_start(&sentinel, &a);
 *     …workers with sentinel.url as --redis
 *     test_server_stop(&a.server, SIGKILL);
 *     test_sentinel_await(&sentinel, &b);
 */
#ifndef WEIR_TESTS_SUPPORT_FAILOVER_H
#define WEIR_TESTS_SUPPORT_FAILOVER_H

#include "support/worker.h"

struct test_node {
    struct test_server server; /* for questions, over its socket */
    int port;
    char port_text[8], url[64]; /* redis://127.0.0.1:port */
    const char *arguments[16];
};

/* Starts it as a master; `arguments` as for test_server_start. */
void test_node_start(struct test_node *node, const char *folder, const char *const *arguments);
/* Makes it a replica of what listens at the port, and waits until it has drawn level with
 * `master`. */
void test_node_follow(struct test_node *node, int port, struct test_node *master);
void test_node_promote(struct test_node *node);
/* "master" or "slave". */
const char *test_node_role(struct test_node *node);
/* Waits until the replica has all that the master has now. */
void test_node_await_level(struct test_node *node, struct test_node *master);
/* A number of INFO, 0 where it is not there; the name with the colon: "keyspace_hits:". */
long long test_node_info(struct test_node *node, const char *section, const char *name);

/* Brings a node into the middle of its workers' work, for sure: sends them `count` commands Mark
 * from the number `from` on, which none of them carries out; lets the node carry out no write any
 * more, and waits until one of the service's workers waits for one. The replica has all that
 * the node has. `workers` ends with NULL. */
void test_node_hold(struct test_node *node, struct test_node *replica, const char *service,
                    const struct test_worker *const *workers, int from, int count);

struct test_sentinel {
    pid_t pid;
    int port;
    redisContext *connection;
    char url[128]; /* redis-sentinel://…/shop, for --redis */
};

/* Starts a Sentinel in the folder "sentinel" that watches the master and has found its replica. It
 * fails over where the master is silent for half a second; and once for each start of it. */
void test_sentinel_start(struct test_sentinel *sentinel, struct test_node *master);
void test_sentinel_stop(struct test_sentinel *sentinel);
/* Makes it name the node, which is a master, and forget the other one, which goes on as it is: as
 * seen from the far side of a broken network. */
void test_sentinel_turn_to(struct test_sentinel *sentinel, struct test_node *master);
/* Waits until it names the node as the master, and the node is one. */
void test_sentinel_await(struct test_sentinel *sentinel, struct test_node *master);

/* A line to a node that can be stopped, and what is on its way then is lost: the way to make a
 * replica lag that believes to be connected. A process of its own. */
struct test_relay {
    pid_t pid;
    int port;
};
void test_relay_start(struct test_relay *relay, const struct test_node *to);
void test_relay_stall(struct test_relay *relay);
void test_relay_stop(struct test_relay *relay); /* a second call does nothing */

#endif
