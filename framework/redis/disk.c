/* Whether a server can tell that its writes have reached its disk. */
#include "redis/disk.h"

#include <stdio.h>
#include <string.h>

#include "redis/refusal.h"
#include "redis/reply.h"

/* ---- Answers ----------------------------------------------------------------------------- */

void weir_disk_take_server(struct weir_disk_signs *signs, const redisReply *reply)
{
    struct weir_slice info, version;
    signs->server[0] = '\0';
    if (!weir_reply_text(reply, &info))
        return;
    if (weir_reply_info(info, "valkey_version", &version))
        snprintf(signs->server, sizeof signs->server, "Valkey %.*s", (int)version.length,
                 version.at);
    else if (weir_reply_info(info, "redis_version", &version))
        snprintf(signs->server, sizeof signs->server, "Redis %.*s", (int)version.length,
                 version.at);
}

static const char *error_of(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : "";
}

static void note_passing(struct weir_disk_signs *signs, const redisReply *reply)
{
    const char *why = reply != NULL ? error_of(reply) : "no answer came";
    enum weir_refusal refusal = weir_refusal_of(why);
    if (reply == NULL || refusal == WEIR_REFUSAL_SERVER || refusal == WEIR_REFUSAL_ROLE)
        snprintf(signs->passing, sizeof signs->passing, "%.*s", (int)sizeof signs->passing - 1,
                 why);
}

void weir_disk_take_waitaof(struct weir_disk_signs *signs, const redisReply *reply)
{
    signs->waitaof = weir_reply_array(reply, 2);
    snprintf(signs->refusal, sizeof signs->refusal, "%.*s", (int)sizeof signs->refusal - 1,
             error_of(reply));
    note_passing(signs, reply);
}

static bool setting_is(const redisReply *reply, const char *name, const char *wanted)
{
    struct weir_slice text;
    return weir_reply_text(weir_reply_named(reply, name), &text) && weir_slice_equals(text, wanted);
}

void weir_disk_take_settings(struct weir_disk_signs *signs, const redisReply *reply)
{
    signs->settings_known = weir_reply_array(reply, 6);
    signs->appendonly = signs->settings_known && setting_is(reply, "appendonly", "yes");
    signs->always = signs->settings_known && setting_is(reply, "appendfsync", "always");
    signs->may_skip =
        signs->settings_known && !setting_is(reply, "no-appendfsync-on-rewrite", "no");
    note_passing(signs, reply);
}

/* ---- Judgement --------------------------------------------------------------------------- */

bool weir_disk_settings_promise(const struct weir_disk_signs *signs)
{
    return signs->settings_known && signs->appendonly && signs->always && !signs->may_skip;
}

static const char *name_of(const struct weir_disk_signs *signs)
{
    return signs->server[0] != '\0' ? signs->server : "the server";
}

static enum weir_disk refuse(const struct weir_disk_signs *signs, struct weir_error *why)
{
    const char *server = name_of(signs);
    bool unknown_command = strstr(signs->refusal, "unknown command") != NULL;
    if (signs->settings_known && !signs->appendonly)
        weir_error_set(why, WEIR_REFUSED,
                       "%s keeps no append-only file, so that nothing of it reaches a disk at "
                       "once; set appendonly yes",
                       server);
    else if (!unknown_command && signs->refusal[0] != '\0')
        weir_error_set(why, WEIR_REFUSED, "%s has refused WAITAOF: %s", server, signs->refusal);
    else if (!signs->settings_known)
        weir_error_set(why, WEIR_REFUSED,
                       "%s has no WAITAOF (it is in Redis 7.2), and its settings cannot be known "
                       "because this user may not run CONFIG GET; use a newer server or allow it",
                       server);
    else
        weir_error_set(why, WEIR_REFUSED,
                       "%s has no WAITAOF; use Redis 7.2 or newer, or set appendfsync always "
                       "(and no-appendfsync-on-rewrite no)",
                       server);
    return WEIR_DISK_NOT;
}

enum weir_disk weir_disk_judge(const struct weir_disk_signs *signs, struct weir_error *why)
{
    if (signs->waitaof)
        return WEIR_DISK_BY_WAITAOF;
    if (signs->passing[0] != '\0') {
        weir_error_set(why, WEIR_UNAVAILABLE, "%s cannot tell now of its disk: %s", name_of(signs),
                       signs->passing);
        return WEIR_DISK_UNASKED;
    }
    if (weir_disk_settings_promise(signs))
        return WEIR_DISK_BY_SETTINGS;
    return refuse(signs, why);
}

/* ---- Asking ------------------------------------------------------------------------------ */

static redisReply *ask(struct weir_client *client, struct weir_error *error, int count,
                       const char **arguments)
{
    memset(error, 0, sizeof *error);
    return weir_client_exchange(client, error, (size_t)count, arguments, NULL);
}

enum weir_disk weir_disk_ask(struct weir_client *client, struct weir_error *why)
{
    struct weir_disk_signs signs = {0};
    struct weir_error error;
    redisReply *reply = ask(client, &error, WEIR_DISK_ASK_SERVER);
    weir_disk_take_server(&signs, reply);
    freeReplyObject(reply);
    reply = ask(client, &error, WEIR_DISK_ASK_WAITAOF);
    weir_disk_take_waitaof(&signs, reply);
    freeReplyObject(reply);
    reply = ask(client, &error, WEIR_DISK_ASK_SETTINGS);
    weir_disk_take_settings(&signs, reply);
    freeReplyObject(reply);
    if (!weir_client_connected(client) && error.status != WEIR_OK) {
        weir_error_set(why, error.status, "%s", error.text);
        return WEIR_DISK_UNASKED;
    }
    return weir_disk_judge(&signs, why);
}
