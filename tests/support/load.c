/* Messages in numbers, and faults at random moments. */
#include "support/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BATCH 100

static uint64_t state;

unsigned test_random(unsigned limit)
{
    if (state == 0) {
        const char *wanted = getenv("WEIR_TEST_SEED");
        state = wanted ? strtoull(wanted, NULL, 10) : (uint64_t)test_now() * 2654435761u;
        printf("WEIR_TEST_SEED=%llu\n", (unsigned long long)state);
        fflush(stdout);
        state |= 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % limit;
}

static bool take_answer(redisContext *connection)
{
    void *reply = NULL;
    bool done = redisGetReply(connection, &reply) == REDIS_OK &&
                ((redisReply *)reply)->type == REDIS_REPLY_STRING;
    if (reply)
        freeReplyObject(reply);
    return done;
}

static void append_command(redisContext *connection, const char *service, const char *type,
                           const char *data)
{
    redisAppendCommand(connection, "XADD {%s}:commands * type %s data %s", service, type, data);
}

int test_send_many(const struct test_server *server, const char *service, const char *type,
                   const char *more, int from, int count, char *acknowledged)
{
    redisContext *connection = redisConnectUnix(server->socket);
    char data[256];
    int done = 0;
    assert_non_null(connection);
    for (int sent = 0, got = 0; got < count && connection->err == 0;) {
        for (; sent < count && sent < got + BATCH; sent++) {
            snprintf(data, sizeof(data), "{\"n\":\"n%d\"%s}", from + sent, more);
            append_command(connection, service, type, data);
        }
        for (; got < sent && connection->err == 0; got++) {
            bool fine = take_answer(connection);
            done += fine;
            if (acknowledged)
                acknowledged[from + got] = fine;
        }
    }
    redisFree(connection);
    return done;
}

void test_send_made(const struct test_server *server, const char *service, const char *type,
                    int count, test_data_maker *make)
{
    redisContext *connection = redisConnectUnix(server->socket);
    char data[256];
    assert_non_null(connection);
    for (int sent = 0, got = 0; got < count;) {
        for (; sent < count && sent < got + BATCH; sent++) {
            make(data, sizeof(data), sent);
            append_command(connection, service, type, data);
        }
        for (; got < sent; got++)
            assert_true(take_answer(connection));
    }
    redisFree(connection);
}
