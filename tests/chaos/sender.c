/* Sends commands to a server that dies, stalls, refuses and comes back. */
#include "sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_LIMIT_S 5
#define PAUSE_MS 20

int64_t chaos_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void chaos_sleep_ms(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

void chaos_sender_close(struct sender *sender)
{
    if (sender->connection != NULL)
        redisFree(sender->connection);
    sender->connection = NULL;
}

static bool connected(struct sender *sender)
{
    struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
    if (sender->connection != NULL)
        return true;
    sender->connection = redisConnectUnixWithTimeout(sender->socket, limit);
    if (sender->connection != NULL && sender->connection->err == 0 &&
        redisSetTimeout(sender->connection, limit) == REDIS_OK)
        return true;
    chaos_sender_close(sender);
    return false;
}

/* What the state of the server explains, and not what was asked of it. */
static bool may_pass(const char *refusal)
{
    static const char *const passing[] = {"OOM",      "BUSY ",     "LOADING",    "MISCONF",
                                          "READONLY", "UNBLOCKED", "NOREPLICAS", "MASTERDOWN"};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (strncmp(refusal, passing[i], strlen(passing[i])) == 0)
            return true;
    return strstr(refusal, "max number of clients") != NULL;
}

static void refuse_to_go_on(const redisReply *reply, int argc, const char **argv)
{
    fprintf(stderr, "orders: the server refuses:");
    for (int i = 0; i < argc && i < 12; i++)
        fprintf(stderr, " %.60s", argv[i]);
    fprintf(stderr, ": %s\n", reply->str);
    exit(70);
}

redisReply *chaos_ask(struct sender *sender, int argc, const char **argv, unsigned *attempts)
{
    while (chaos_now_ms() < sender->give_up_at_ms) {
        redisReply *reply = NULL;
        if (connected(sender)) {
            if (attempts != NULL)
                (*attempts)++;
            reply = redisCommandArgv(sender->connection, argc, argv, NULL);
            if (reply == NULL) {
                sender->unknown++;
                chaos_sender_close(sender);
            }
        }
        if (reply != NULL && reply->type != REDIS_REPLY_ERROR)
            return reply;
        if (reply != NULL) {
            if (!may_pass(reply->str))
                refuse_to_go_on(reply, argc, argv);
            sender->refused++;
            freeReplyObject(reply);
        }
        chaos_sleep_ms(PAUSE_MS);
    }
    return NULL;
}
