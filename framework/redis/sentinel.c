/* Asks Sentinels where the master is. */
#include "redis/sentinel.h"

#include <string.h>
#include <sys/time.h>

#include "base/text.h"
#include "redis/refusal.h"
#include "redis/reply.h"

/* ---- The question and its answer ----------------------------------------------------------- */

int weir_sentinel_login(const struct weir_endpoint *endpoint, const char **words)
{
    int count = 0;
    if (!endpoint->sentinel_password)
        return 0;
    words[count++] = "AUTH";
    if (endpoint->sentinel_user)
        words[count++] = endpoint->sentinel_user;
    words[count++] = endpoint->sentinel_password;
    return count;
}

void weir_sentinel_question(const struct weir_endpoint *endpoint, const char **words)
{
    words[0] = "SENTINEL";
    words[1] = "get-master-addr-by-name";
    words[2] = endpoint->master;
}

static enum weir_status read_refusal(const char *why, struct weir_error *error)
{
    if (weir_refusal_of(why) == WEIR_REFUSAL_DENIED)
        return weir_error_set(error, WEIR_DENIED,
                              "%s (for Sentinels give sentinelUser= and sentinelPassword=)", why);
    if (strncmp(why, "ERR unknown command", 19) == 0)
        return weir_error_set(error, WEIR_UNAVAILABLE, "is no Sentinel");
    return weir_error_set(error, WEIR_UNAVAILABLE, "%s", why);
}

static bool read_address(const redisReply *reply, struct weir_address *out)
{
    struct weir_slice host, port;
    int64_t number;
    if (!weir_reply_text(weir_reply_at(reply, 0), &host) ||
        !weir_reply_text(weir_reply_at(reply, 1), &port) || host.length == 0 ||
        host.length > WEIR_HOST_MAX || memchr(host.at, '\0', host.length) ||
        !weir_parse_integer(port.at, port.length, &number) || number < 1 || number > 65535)
        return false;
    memcpy(out->host, host.at, host.length);
    out->host[host.length] = '\0';
    out->port = (int)number;
    return true;
}

enum weir_status weir_sentinel_read(const redisReply *reply, const char *master,
                                    struct weir_address *out, struct weir_error *error)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return read_refusal(reply->str, error);
    if (reply->type == REDIS_REPLY_NIL)
        return weir_error_set(error, WEIR_NOT_FOUND, "knows no master \"%s\"", master);
    if (!read_address(reply, out))
        return weir_error_set(error, WEIR_UNAVAILABLE, "gave an answer of unknown form");
    return WEIR_OK;
}

/* ---- A round through all of them ----------------------------------------------------------- */

void weir_sentinel_round_failed(struct weir_sentinel_round *round,
                                const struct weir_address *sentinel, const struct weir_error *error)
{
    char shown[WEIR_ADDRESS_SHOWN_MAX];
    round->asked++;
    round->denied += error->status == WEIR_DENIED;
    /* one that answers has more to say than those that do not */
    if (round->error.status == WEIR_UNAVAILABLE && error->status != WEIR_UNAVAILABLE)
        round->error = (struct weir_error){0};
    weir_error_set(&round->error, error->status, "%s: %s", weir_address_show(sentinel, shown),
                   error->text);
}

enum weir_status weir_sentinel_round_end(const struct weir_sentinel_round *round,
                                         const struct weir_endpoint *endpoint,
                                         struct weir_error *error)
{
    enum weir_status status = round->denied == round->asked ? WEIR_DENIED : WEIR_UNAVAILABLE;
    return weir_error_set(error, status, "no Sentinel says where \"%s\" is; %s", endpoint->master,
                          round->error.text);
}

/* ---- The blocking way ---------------------------------------------------------------------- */

static redisReply *ask_one(redisContext *connection, const struct weir_endpoint *endpoint)
{
    const char *words[WEIR_SENTINEL_WORDS];
    int count = weir_sentinel_login(endpoint, words);
    redisReply *reply;
    if (count > 0) { /* where it is refused, so is the question, and its refusal tells enough */
        reply = redisCommandArgv(connection, count, words, NULL);
        if (!reply)
            return NULL;
        freeReplyObject(reply);
    }
    weir_sentinel_question(endpoint, words);
    return redisCommandArgv(connection, WEIR_SENTINEL_WORDS, words, NULL);
}

static enum weir_status find_by(const struct weir_address *sentinel,
                                const struct weir_endpoint *endpoint, int64_t limit_ms,
                                struct weir_address *out, struct weir_error *error)
{
    struct timeval limit = {.tv_sec = (time_t)(limit_ms / 1000),
                            .tv_usec = (suseconds_t)(limit_ms % 1000 * 1000)};
    redisContext *connection = redisConnectWithTimeout(sentinel->host, sentinel->port, limit);
    redisReply *reply = NULL;
    if (!connection)
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory to connect");
    if (connection->err == 0 && redisSetTimeout(connection, limit) == REDIS_OK)
        reply = ask_one(connection, endpoint);
    enum weir_status status =
        reply ? weir_sentinel_read(reply, endpoint->master, out, error)
              : weir_error_set(error, WEIR_UNAVAILABLE, "%s",
                               connection->err != 0 ? connection->errstr : "no answer");
    if (reply)
        freeReplyObject(reply);
    redisFree(connection);
    return status;
}

enum weir_status weir_sentinel_find(const struct weir_endpoint *endpoint, int64_t limit_ms,
                                    size_t *next, struct weir_address *out,
                                    struct weir_error *error)
{
    struct weir_sentinel_round round = {0};
    if (limit_ms > WEIR_SENTINEL_LIMIT_MS)
        limit_ms = WEIR_SENTINEL_LIMIT_MS;
    while (round.asked < endpoint->sentinel_count) {
        struct weir_error own = {0};
        const struct weir_address *sentinel = &endpoint->sentinels[*next];
        *next = (*next + 1) % endpoint->sentinel_count;
        if (find_by(sentinel, endpoint, limit_ms, out, &own) == WEIR_OK)
            return WEIR_OK;
        weir_sentinel_round_failed(&round, sentinel, &own);
    }
    return weir_sentinel_round_end(&round, endpoint, error);
}
