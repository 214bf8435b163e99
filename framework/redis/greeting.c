/* What is said first on every connection of a link. */
#include <stdio.h>

#include "redis/link_inside.h"
#include "redis/refusal.h"
#include "redis/role.h"

static void greeting_answered(struct weir_link *link, enum weir_answer answer)
{
    if (answer == WEIR_ANSWER_UNKNOWN || link->state != WEIR_LINK_GREETING)
        return;
    if (--link->greetings_owed == 0 && link->drop_reason.status == WEIR_OK)
        weir_link_become_ready(link);
}

/* An answer without which the connection is of no use. */
static void on_needed(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_link *link = user;
    if (answer == WEIR_ANSWER_REFUSED)
        weir_link_drop_soon(link,
                            weir_refusal_of(reply->str) == WEIR_REFUSAL_DENIED ? WEIR_DENIED
                                                                               : WEIR_UNAVAILABLE,
                            reply->str);
    greeting_answered(link, answer);
}

/* Naming the connection is a courtesy that a user without the right for it can do without. */
static void on_named(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)reply;
    greeting_answered(user, answer);
}

static void on_client_id(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_link *link = user;
    if (answer == WEIR_ANSWER_DONE && reply->type == REDIS_REPLY_INTEGER)
        link->client_id = reply->integer;
    greeting_answered(link, answer);
}

/* A user without the right to ask is no obstacle: a replica then shows when it refuses writes. */
static void on_role(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_link *link = user;
    struct weir_error error = {0};
    enum weir_role role =
        answer == WEIR_ANSWER_UNKNOWN ? WEIR_ROLE_MASTER : weir_role_read(reply, &error);
    if (role == WEIR_ROLE_UNKNOWN) {
        weir_log_debug(link->settings.log, "link.role_unknown", "role=%s reason=%s",
                       link->settings.role, error.text);
    } else if (role == WEIR_ROLE_OTHER) {
        link->not_master = true;
        weir_link_drop_soon(link, error.status, error.text);
    }
    greeting_answered(link, answer);
}

static enum weir_status greet_with(struct weir_link *link, weir_link_answered *answered, int count,
                                   const char **arguments)
{
    enum weir_status status = weir_link_send_now(link, count, arguments, NULL, answered, link);
    if (status == WEIR_OK)
        link->greetings_owed++;
    return status;
}

enum weir_status weir_link_greet(struct weir_link *link)
{
    const struct weir_endpoint *endpoint = link->settings.endpoint;
    enum weir_status status = WEIR_OK;
    char database[16], name[128];

    if (endpoint->password != NULL) {
        const char *with_user[] = {"AUTH", endpoint->user, endpoint->password};
        const char *without[] = {"AUTH", endpoint->password};
        status = endpoint->user != NULL ? greet_with(link, on_needed, 3, with_user)
                                        : greet_with(link, on_needed, 2, without);
    }
    if (status == WEIR_OK && endpoint->database != 0) {
        snprintf(database, sizeof database, "%d", endpoint->database);
        status = greet_with(link, on_needed, 2, (const char *[]){"SELECT", database});
    }
    snprintf(name, sizeof name, "weir:%s:%s", link->settings.client_name, link->settings.role);
    if (status == WEIR_OK)
        status = greet_with(link, on_named, 3, (const char *[]){"CLIENT", "SETNAME", name});
    if (status == WEIR_OK)
        status = greet_with(link, on_client_id, 2, (const char *[]){"CLIENT", "ID"});
    if (status == WEIR_OK)
        status = greet_with(link, on_role, 1, (const char *[]){"ROLE"});
    if (status == WEIR_OK) /* a server that is loading or cannot write says so here */
        status = greet_with(link, on_needed, 1, (const char *[]){"PING"});
    return status;
}
