/* A primary and its replica on this machine. Replication knows no sockets but TCP, so the primary
 * listens on a free port of 127.0.0.1 as well as on its socket; tests use the socket.
 *
 *     test_primary_start(&primary, "primary", NULL);
 *     test_replica_start(&replica, &primary, "replica");   // in step when this returns
 *     test_server_freeze(&replica.server);                  // acknowledges nothing any more
 */
#ifndef WEIR_TESTS_SUPPORT_REPLICA_H
#define WEIR_TESTS_SUPPORT_REPLICA_H

#include <stdbool.h>

#include "support/server.h"

#define TEST_PRIMARY_WORDS 16

struct test_primary {
    struct test_server server;
    int port;
    char port_text[16];
    const char *words[TEST_PRIMARY_WORDS];
};

struct test_replica {
    struct test_server server;
    const char *words[12];
};

/* As test_server_start. */
void test_primary_start(struct test_primary *primary, const char *folder,
                        const char *const *arguments);
/* Starts a replica and waits until it is in step. */
void test_replica_start(struct test_replica *replica, struct test_primary *primary,
                        const char *folder);
/* Waits until the primary has so many replicas that are in step. */
void test_primary_await_replicas(struct test_primary *primary, long long count);

/* Whether the server has WAITAOF. */
bool test_server_has_waitaof(struct test_server *server);

#endif
