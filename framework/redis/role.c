/* Whether a server is a master, by its answer to ROLE. */
#include "redis/role.h"

#include "base/text.h"
#include "redis/reply.h"

static enum weir_role other(const redisReply *reply, struct weir_slice role,
                            struct weir_error *error)
{
    struct weir_slice host = {"", 0};
    int64_t port = 0;
    (void)weir_reply_text(weir_reply_at(reply, 1), &host);
    (void)weir_reply_integer(weir_reply_at(reply, 2), &port);
    if (weir_slice_equals(role, "slave"))
        weir_error_set(error, WEIR_UNAVAILABLE,
                       "this server is a replica of %.*s:%lld and takes no writes until it is "
                       "promoted; give the master's address, or a redis-sentinel:// URL",
                       (int)host.length, host.at, (long long)port);
    else if (weir_slice_equals(role, "sentinel"))
        weir_error_set(error, WEIR_UNAVAILABLE,
                       "this server is a Sentinel; write redis-sentinel://host:port/master");
    else
        weir_error_set(error, WEIR_UNAVAILABLE, "this server is no master but \"%.*s\"",
                       (int)role.length, role.at);
    return WEIR_ROLE_OTHER;
}

enum weir_role weir_role_read(const redisReply *reply, struct weir_error *error)
{
    struct weir_slice role;
    if (reply->type == REDIS_REPLY_ERROR) {
        weir_error_set(error, WEIR_REFUSED, "this server does not tell its role: %s", reply->str);
        return WEIR_ROLE_UNKNOWN;
    }
    if (!weir_reply_text(weir_reply_at(reply, 0), &role)) {
        weir_error_set(error, WEIR_REFUSED,
                       "this server does not tell its role: an answer of unknown form");
        return WEIR_ROLE_UNKNOWN;
    }
    return weir_slice_equals(role, "master") ? WEIR_ROLE_MASTER : other(reply, role, error);
}
