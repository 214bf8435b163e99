/* Runs a redis-server and asks it. */
#include "server.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define START_LIMIT_S 20
#define REWRITE_LIMIT_S 120
#define ANSWER_LIMIT_S 60

static const char *program(void)
{
    const char *named = getenv("REDIS_SERVER");
    if (named != NULL && named[0] != '\0')
        return named;
    return system("command -v redis-server >/dev/null") == 0 ? "redis-server" : "valkey-server";
}

/* A port that nobody listens on now. */
static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    if (probe < 0 || bind(probe, (struct sockaddr *)&address, length) != 0 ||
        getsockname(probe, (struct sockaddr *)&address, &length) != 0)
        bench_fail("cannot find a free port");
    close(probe);
    return ntohs(address.sin_port);
}

static bool answers(redisContext *connection)
{
    redisReply *reply = redisCommand(connection, "PING");
    bool ready = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    if (reply != NULL)
        freeReplyObject(reply);
    return ready;
}

static redisContext *try_connect(const char *socket)
{
    struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
    redisContext *connection = redisConnectUnixWithTimeout(socket, limit);
    if (connection != NULL && connection->err == 0 &&
        redisSetTimeout(connection, limit) == REDIS_OK && answers(connection))
        return connection;
    if (connection != NULL)
        redisFree(connection);
    return NULL;
}

redisContext *bench_connect(const struct bench_server *server)
{
    redisContext *connection = try_connect(server->socket);
    if (connection == NULL)
        bench_fail("cannot connect to the server");
    return connection;
}

void bench_server_start(struct bench_server *server, const struct bench *bench, bool with_port)
{
    char settings[BENCH_PATH_MAX + 16], port[16];
    memset(server, 0, sizeof *server);
    server->bench = bench;
    server->port = with_port ? free_port() : 0;
    snprintf(settings, sizeof settings, "%s/redis.conf", bench->project);
    snprintf(port, sizeof port, "%u", server->port);
    snprintf(server->socket, sizeof server->socket, "%s/redis.sock", bench->folder);
    snprintf(server->url, sizeof server->url, "unix://%s", server->socket);
    const char *const words[] = {program(),
                                 settings,
                                 "--port",
                                 port,
                                 "--unixsocket",
                                 server->socket,
                                 "--dir",
                                 bench->folder,
                                 "--auto-aof-rewrite-percentage",
                                 "0",
                                 NULL};
    server->process = bench_start(bench, "redis", words);
    for (double limit = bench_now() + START_LIMIT_S;
         (server->connection = try_connect(server->socket)) == NULL;) {
        bench_check(&server->process);
        bench_wait_until(limit, 5, "the server to start");
    }
}

void bench_server_stop(struct bench_server *server)
{
    redisFree(server->connection);
    server->connection = NULL;
    bench_stop(&server->process);
}

void bench_server_empty(struct bench_server *server)
{
    bench_do(server, "FLUSHALL SYNC");
    bench_server_rewrite(server);
}

void bench_server_rewrite(struct bench_server *server)
{
    bench_do(server, "BGREWRITEAOF");
    for (double limit = bench_now() + REWRITE_LIMIT_S;
         bench_info(server, "persistence", "aof_rewrite_in_progress") > 0 ||
         bench_info(server, "persistence", "aof_rewrite_scheduled") > 0;)
        bench_wait_until(limit, 5, "the server's file to be rewritten");
}

/* ---- Questions ----------------------------------------------------------------------------- */

redisReply *bench_answer(redisContext *connection)
{
    void *reply = NULL;
    if (redisGetReply(connection, &reply) != REDIS_OK || reply == NULL)
        bench_fail("the server does not answer: %s", connection->errstr);
    if (((redisReply *)reply)->type == REDIS_REPLY_ERROR)
        bench_fail("the server refuses: %s", ((redisReply *)reply)->str);
    return reply;
}

static redisReply *ask(struct bench_server *server, const char *format, va_list arguments)
{
    if (redisvAppendCommand(server->connection, format, arguments) != REDIS_OK)
        bench_fail("cannot send \"%s\"", format);
    return bench_answer(server->connection);
}

redisReply *bench_ask(struct bench_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = ask(server, format, arguments);
    va_end(arguments);
    return reply;
}

void bench_do(struct bench_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    freeReplyObject(ask(server, format, arguments));
    va_end(arguments);
}

long long bench_ask_integer(struct bench_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = ask(server, format, arguments);
    va_end(arguments);
    long long number = reply->type == REDIS_REPLY_INTEGER  ? reply->integer
                       : reply->type == REDIS_REPLY_STRING ? atoll(reply->str)
                                                           : 0;
    freeReplyObject(reply);
    return number;
}

char *bench_info_text(struct bench_server *server, const char *section, const char *name)
{
    redisReply *reply = bench_ask(server, "INFO %s", section);
    size_t length = strlen(name);
    char *value = NULL;
    for (const char *line = reply->str; line != NULL && value == NULL;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            value = strndup(line + length + 1, strcspn(line + length + 1, "\r\n"));
    freeReplyObject(reply);
    return value;
}

double bench_info(struct bench_server *server, const char *section, const char *name)
{
    char *text = bench_info_text(server, section, name);
    if (text == NULL)
        bench_fail("INFO %s has no %s", section, name);
    double value = atof(text);
    free(text);
    return value;
}
