/* A primary and its replica on this machine. */
#include "support/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/ports.h"

#define IN_STEP_MS 20000

void test_primary_start(struct test_primary *primary, const char *folder,
                        const char *const *arguments)
{
    const char *const own[] = {"--port",    primary->port_text,           "--bind",
                               "127.0.0.1", "--repl-diskless-sync-delay", "0"};
    size_t count = sizeof own / sizeof own[0];
    primary->port = test_free_port();
    snprintf(primary->port_text, sizeof primary->port_text, "%d", primary->port);
    memcpy(primary->words, own, sizeof own);
    for (const char *const *word = arguments; word != NULL && *word != NULL; word++) {
        assert_true(count < TEST_PRIMARY_WORDS - 1);
        primary->words[count++] = *word;
    }
    primary->words[count] = NULL;
    test_server_start(&primary->server, folder, primary->words);
}

void test_replica_start(struct test_replica *replica, struct test_primary *primary,
                        const char *folder)
{
    const char *const words[] = {"--replicaof", "127.0.0.1", primary->port_text, NULL};
    memcpy(replica->words, words, sizeof words);
    test_server_start(&replica->server, folder, replica->words);
    test_primary_await_replicas(primary, 1);
}

void test_primary_await_replicas(struct test_primary *primary, long long count)
{
    for (long long end = test_now() + IN_STEP_MS;; test_pause()) {
        test_do(&primary->server, "SET in-step 1");
        test_do(&primary->server, "DEL in-step");
        if (test_ask_integer(&primary->server, "WAIT %d 100", (int)count) >= count)
            return;
        assert_true(test_now() < end);
    }
}

bool test_server_has_waitaof(struct test_server *server)
{
    redisReply *reply = test_ask(server, "COMMAND INFO WAITAOF");
    bool has = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
               reply->element[0]->type == REDIS_REPLY_ARRAY;
    freeReplyObject(reply);
    return has;
}
