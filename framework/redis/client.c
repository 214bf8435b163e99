/* A blocking connection that asks one thing after the other. */
#include "redis/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "redis/reads.h"
#include "redis/refusal.h"
#include "redis/role.h"
#include "redis/sentinel.h"
#include "redis/tcp.h"

#define ASK_ARGUMENTS_MAX 64
#define UNACKNOWLEDGED_MS 10000
#define ATTEMPT_MS 1000
#define AGAIN_BASE_MS 50
#define AGAIN_CAP_MS 500
#define SEVERAL "several commands" /* in sentences */

static struct timeval limit_of(int64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

static enum weir_status status_of(enum weir_refusal refusal)
{
    if (refusal == WEIR_REFUSAL_SERVER || refusal == WEIR_REFUSAL_ROLE)
        return WEIR_UNAVAILABLE;
    return refusal == WEIR_REFUSAL_DENIED ? WEIR_DENIED : WEIR_REFUSED;
}

/* The sentence for an error answer. The answer's own text tells more than any of ours could, but
 * for what the user has to do about access. */
static void refuse(const struct weir_client *client, struct weir_error *error, const char *command,
                   const char *text)
{
    enum weir_status status = status_of(weir_refusal_of(text));
    if (strncmp(text, "NOAUTH", 6) == 0)
        weir_error_set(error, status,
                       "%s wants a password; put it into the URL: redis://user:password@host or "
                       "redis://:password@host",
                       client->server);
    else if (strncmp(text, "WRONGPASS", 9) == 0)
        weir_error_set(error, status,
                       "%s does not know this user and password, or the user is switched off; "
                       "check them in the URL",
                       client->server);
    else
        weir_error_set(error, status, "%s refused %s: %s", client->server, command, text);
}

/* The connection can no longer be used. The request may have arrived, except where it has not
 * been sent because memory ran out. */
static void lose(const struct weir_client *client, struct weir_error *error, const char *command)
{
    const redisContext *connection = client->connection;
    const char *outcome = client->reading || weir_command_reads(command)
                              ? "that only asks: see whether the server runs"
                              : "it may or may not have been done: look, before you do it again";
    if (connection->err == REDIS_ERR_OOM)
        weir_error_set(error, WEIR_NO_MEMORY, "no memory to send %s", command);
    else if (connection->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK))
        weir_error_set(error, WEIR_UNKNOWN, "%s has not answered %s in time; %s", client->server,
                       command, outcome);
    else
        weir_error_set(error, WEIR_UNKNOWN,
                       "%s closed the connection before it answered %s; %s (%s)", client->server,
                       command, outcome, connection->errstr);
}

bool weir_client_connected(const struct weir_client *client)
{
    return client->connection && client->connection->err == 0;
}

bool weir_client_quiet(const struct weir_client *client)
{
    if (!weir_client_connected(client))
        return false;
    const redisReader *reader = client->connection->reader;
    struct pollfd look = {.fd = client->connection->fd, .events = POLLIN};
    return reader->pos == reader->len && poll(&look, 1, 0) == 0;
}

void weir_client_set_timeout(struct weir_client *client, int64_t timeout_ms)
{
    /* Fails only on a socket that is closed, which the next call tells. */
    if (weir_client_connected(client))
        (void)redisSetTimeout(client->connection, limit_of(timeout_ms));
}

/* The answer, or NULL and an error. */
static redisReply *take_answer(struct weir_client *client, struct weir_error *error,
                               const char *command, redisReply *reply)
{
    client->heard = client->heard || reply;
    if (!reply)
        lose(client, error, command);
    else if (reply->type == REDIS_REPLY_ERROR && weir_refusal_of(reply->str) == WEIR_REFUSAL_ROLE)
        weir_client_close(client); /* the next one that is opened finds the master */
    return reply;
}

static enum weir_status fail_unconnected(const struct weir_client *client, const char *command,
                                         struct weir_error *error)
{
    return weir_error_set(error, WEIR_UNAVAILABLE, "not connected to %s; %s was not sent",
                          client->server, command);
}

redisReply *weir_client_exchange(struct weir_client *client, struct weir_error *error, size_t count,
                                 const char *const *arguments, const size_t *lengths)
{
    const char *command = arguments[0];
    if (!weir_client_connected(client)) {
        (void)!fail_unconnected(client, command, error);
        return NULL;
    }
    return take_answer(
        client, error, command,
        redisCommandArgv(client->connection, (int)count, (const char **)arguments, lengths));
}

enum weir_status weir_client_send_bytes(struct weir_client *client, const char *bytes,
                                        size_t length, struct weir_error *error)
{
    if (!weir_client_connected(client))
        return fail_unconnected(client, SEVERAL, error);
    if (length > 0 && redisAppendFormattedCommand(client->connection, bytes, length) != REDIS_OK)
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory to send %s", SEVERAL);
    return WEIR_OK;
}

redisReply *weir_client_receive(struct weir_client *client, struct weir_error *error)
{
    void *reply = NULL;
    if (!weir_client_connected(client)) {
        weir_error_set(error, WEIR_UNAVAILABLE, "%s is no master any more", client->server);
        return NULL;
    }
    if (redisGetReply(client->connection, &reply) != REDIS_OK)
        reply = NULL;
    return take_answer(client, error, SEVERAL, reply);
}

enum weir_status weir_client_error_of(const struct weir_client *client, const char *command,
                                      const redisReply *reply, struct weir_error *error)
{
    struct weir_error own = {0};
    if (!reply || reply->type != REDIS_REPLY_ERROR)
        return WEIR_OK;
    refuse(client, &own, command, reply->str);
    return weir_error_set(error, own.status, "%s", own.text);
}

redisReply *weir_client_call(struct weir_client *client, struct weir_error *error, size_t count,
                             const char *const *arguments, const size_t *lengths)
{
    redisReply *reply = weir_client_exchange(client, error, count, arguments, lengths);
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        refuse(client, error, arguments[0], reply->str);
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

redisReply *weir_client_ask(struct weir_client *client, struct weir_error *error,
                            const char *command, ...)
{
    const char *arguments[ASK_ARGUMENTS_MAX] = {command};
    size_t count = 1;
    va_list rest;
    va_start(rest, command);
    for (const char *next; (next = va_arg(rest, const char *)) && count < ASK_ARGUMENTS_MAX;)
        arguments[count++] = next;
    va_end(rest);
    if (count == ASK_ARGUMENTS_MAX) {
        weir_error_set(error, WEIR_TOO_LARGE, "%s with too many arguments", command);
        return NULL;
    }
    return weir_client_call(client, error, count, arguments, NULL);
}

/* An answer that only has to be no error. Inside the opening nothing is unknown: there is no
 * server for us, or there is one. */
static enum weir_status expect(struct weir_error *error, redisReply *reply)
{
    if (reply) {
        freeReplyObject(reply);
        return WEIR_OK;
    }
    if (error->status == WEIR_UNKNOWN)
        error->status = WEIR_UNAVAILABLE;
    return error->status;
}

static enum weir_status authenticate(struct weir_client *client,
                                     const struct weir_endpoint *endpoint, struct weir_error *error)
{
    if (!endpoint->password)
        return WEIR_OK;
    redisReply *reply =
        endpoint->user
            ? weir_client_ask(client, error, "AUTH", endpoint->user, endpoint->password, NULL)
            : weir_client_ask(client, error, "AUTH", endpoint->password, NULL);
    return expect(error, reply);
}

static enum weir_status select_database(struct weir_client *client,
                                        const struct weir_endpoint *endpoint,
                                        struct weir_error *error)
{
    char number[16];
    if (endpoint->database == 0)
        return WEIR_OK;
    snprintf(number, sizeof(number), "%d", endpoint->database);
    return expect(error, weir_client_ask(client, error, "SELECT", number, NULL));
}

/* A server that does not tell its role to this user is taken as it is; one that wants a password
 * answers nothing else either. */
static enum weir_status check_role(struct weir_client *client, struct weir_error *error)
{
    struct weir_error role = {0};
    const char *command = "ROLE";
    redisReply *reply = redisCommandArgv(client->connection, 1, &command, NULL);
    if (!reply) {
        lose(client, error, command);
        return expect(error, NULL);
    }
    client->heard = true;
    client->not_master = weir_role_read(reply, &role) == WEIR_ROLE_OTHER;
    if (client->not_master)
        weir_error_set(error, role.status, "%s: %s", client->server, role.text);
    else if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOAUTH", 6) == 0)
        refuse(client, error, command, reply->str);
    freeReplyObject(reply);
    return error->status;
}

enum weir_status weir_client_check_master(struct weir_client *client, struct weir_error *error)
{
    struct weir_error first = {0};
    if (!weir_client_connected(client))
        return fail_unconnected(client, "ROLE", error);
    enum weir_status status = check_role(client, &first);
    return status == WEIR_OK ? status : weir_error_set(error, first.status, "%s", first.text);
}

/* `address` NULL: the endpoint's socket. */
static enum weir_status connect_to(struct weir_client *client, const struct weir_endpoint *endpoint,
                                   const struct weir_address *address, int64_t timeout_ms,
                                   struct weir_error *error)
{
    struct timeval limit = limit_of(timeout_ms);
    redisContext *connection = address
                                   ? redisConnectWithTimeout(address->host, address->port, limit)
                                   : redisConnectUnixWithTimeout(endpoint->socket_path, limit);
    if (!connection)
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory to connect to %s", client->server);
    client->connection = connection;
    if (connection->err != 0)
        return weir_error_set(error, WEIR_UNAVAILABLE,
                              "cannot reach %s: %s; start the server, or give another address",
                              client->server, connection->errstr);
    if (redisSetTimeout(connection, limit) != REDIS_OK)
        return weir_error_set(error, WEIR_SYSTEM, "cannot set a time limit for %s", client->server);
    if (address) /* a help only: without it the limit above still holds */
        (void)weir_tcp_tune(connection, UNACKNOWLEDGED_MS);
    return WEIR_OK;
}

static enum weir_status open_at(struct weir_client *client, const struct weir_endpoint *endpoint,
                                const struct weir_address *address, int64_t timeout_ms,
                                struct weir_error *error)
{
    enum weir_status status = connect_to(client, endpoint, address, timeout_ms, error);
    if (status == WEIR_OK)
        status = authenticate(client, endpoint, error);
    if (status == WEIR_OK)
        status = select_database(client, endpoint, error);
    if (status == WEIR_OK)
        status = check_role(client, error);
    /* Finds a server that wants a password, or is still loading, before the first real request. */
    if (status == WEIR_OK)
        status = expect(error, weir_client_ask(client, error, "PING", NULL));
    if (status != WEIR_OK)
        weir_client_close(client);
    return status;
}

/* While one server takes the place of another, Sentinel may name the one that is gone, or one that
 * does not know yet of its new role. */
static enum weir_status open_master(struct weir_client *client,
                                    const struct weir_endpoint *endpoint, int64_t timeout_ms,
                                    struct weir_error *error)
{
    int64_t end = weir_clock_monotonic_ms() + timeout_ms;
    int64_t each = timeout_ms < ATTEMPT_MS ? timeout_ms : ATTEMPT_MS; /* one that hangs is left */
    size_t sentinel = 0;
    struct weir_random random;
    weir_random_init(&random, weir_random_seed());
    for (unsigned attempt = 1;; attempt++) {
        struct weir_address master;
        *error = (struct weir_error){0};
        if (weir_sentinel_find(endpoint, each, &sentinel, &master, error) != WEIR_OK)
            return error->status;
        enum weir_status status = open_at(client, endpoint, &master, each, error);
        if (status == WEIR_OK)
            weir_client_set_timeout(client, timeout_ms);
        int64_t pause = weir_backoff_ms(AGAIN_BASE_MS, AGAIN_CAP_MS, attempt, &random);
        if (status != WEIR_UNAVAILABLE || weir_clock_monotonic_ms() + pause > end)
            return status;
        nanosleep(&(struct timespec){.tv_nsec = pause * 1000000L}, NULL);
    }
}

static enum weir_status open_host(struct weir_client *client, const struct weir_endpoint *endpoint,
                                  int64_t timeout_ms, struct weir_error *error)
{
    struct weir_address address = {.port = endpoint->port};
    snprintf(address.host, sizeof(address.host), "%s", endpoint->host);
    return open_at(client, endpoint, &address, timeout_ms, error);
}

enum weir_status weir_client_open(struct weir_client *client, const struct weir_endpoint *endpoint,
                                  int64_t timeout_ms, struct weir_error *error)
{
    struct weir_error first = {0}; /* so that a NULL `error` is not asked for its status */
    enum weir_status status;
    *client = (struct weir_client){.server = endpoint->shown};
    if (endpoint->master)
        status = open_master(client, endpoint, timeout_ms, &first);
    else if (endpoint->host)
        status = open_host(client, endpoint, timeout_ms, &first);
    else
        status = open_at(client, endpoint, NULL, timeout_ms, &first);
    return status == WEIR_OK ? WEIR_OK : weir_error_set(error, status, "%s", first.text);
}

void weir_client_close(struct weir_client *client)
{
    if (client->connection)
        redisFree(client->connection);
    client->connection = NULL;
}
