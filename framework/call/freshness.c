/* Looks up which projections fold a token's events, and waits for their checkpoints. */
#include "call/freshness.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "call/registered.h"
#include "redis/entry_id.h"
#include "redis/key_names.h"
#include "redis/reply.h"

struct freshness {
    struct weir_client *client;
    const char *prefix, *view;
    struct weir_patience patience;
    struct weir_error *error;
    const struct weir_token *token;
    struct weir_entry_id wanted;
    char service[WEIR_KEY_MAX]; /* that has published it */
};

/* ---- One projection ---------------------------------------------------------------------- */

/* Where it is, as a text; "" before its first event. False and an error where it cannot be told. */
static bool read_position(struct freshness *freshness, const char *projection, char *position)
{
    char key[WEIR_KEY_MAX];
    struct weir_slice text = {"", 0};
    redisReply *reply;
    weir_key_checkpoint(key, freshness->prefix, freshness->view, projection);
    weir_patience_bind(&freshness->patience, freshness->client);
    reply = weir_client_ask(freshness->client, freshness->error, "HGET", key,
                            freshness->token->stream, NULL);
    if (reply == NULL)
        return false;
    (void)weir_reply_text(reply, &text);
    snprintf(position, WEIR_ENTRY_ID_MAX, "%.*s", (int)text.length, text.at);
    freeReplyObject(reply);
    return true;
}

static bool has_passed(const struct freshness *freshness, const char *position)
{
    struct weir_entry_id id;
    return weir_entry_id_read(weir_slice_of(position), &id) &&
           !weir_entry_id_less(&id, &freshness->wanted);
}

static enum weir_query_result await_one(struct freshness *freshness, const char *projection)
{
    char position[WEIR_ENTRY_ID_MAX];
    do {
        if (!read_position(freshness, projection, position))
            return WEIR_QUERY_FAILED;
        if (has_passed(freshness, position))
            return WEIR_QUERY_FOUND;
    } while (weir_patience_pause(&freshness->patience));
    weir_error_set(freshness->error, WEIR_UNAVAILABLE,
                   "projection %s of %s has not come to %s of %s in time; it is at %s", projection,
                   freshness->view, freshness->token->entry, freshness->token->stream,
                   position[0] ? position : "its beginning");
    return WEIR_QUERY_WAITED;
}

/* ---- All that are registered ------------------------------------------------------------- */

static bool names_service(struct weir_slice sources, const char *service)
{
    struct weir_slice source;
    while (weir_registered_source(&sources, &source))
        if (weir_slice_equals(source, service))
            return true;
    return false;
}

static enum weir_query_result await_registered(struct freshness *freshness, const redisReply *all)
{
    enum weir_query_result result = WEIR_QUERY_FOUND;
    struct weir_slice field, sources;
    char name[WEIR_REGISTERED_MAX];
    bool found = false;
    for (size_t i = 0; result == WEIR_QUERY_FOUND && i + 1 < all->elements; i += 2) {
        if (!weir_reply_text(all->element[i], &field) ||
            !weir_reply_text(all->element[i + 1], &sources) ||
            !weir_registered_projection(field, freshness->view, name) ||
            !names_service(sources, freshness->service))
            continue;
        found = true;
        result = await_one(freshness, name);
    }
    if (found)
        return result;
    weir_error_set(freshness->error, WEIR_NOT_FOUND,
                   "no projection of %s is registered that reads the events of %s; name the one to "
                   "wait for",
                   freshness->view, freshness->service);
    return WEIR_QUERY_FAILED;
}

static enum weir_query_result await_all(struct freshness *freshness)
{
    char key[WEIR_KEY_MAX];
    enum weir_query_result result;
    redisReply *reply;
    weir_patience_bind(&freshness->patience, freshness->client);
    weir_key_projections(key, freshness->prefix);
    reply = weir_client_ask(freshness->client, freshness->error, "HGETALL", key, NULL);
    if (reply == NULL)
        return WEIR_QUERY_FAILED;
    result = await_registered(freshness, reply);
    freeReplyObject(reply);
    return result;
}

/* ---- Tokens ------------------------------------------------------------------------------ */

static bool read_token(struct freshness *freshness)
{
    const struct weir_token *token = freshness->token;
    char stream[sizeof token->stream + 1] = {0};
    memcpy(stream, token->stream, sizeof token->stream); /* it may come without an end */
    if (weir_key_events_owner(stream, freshness->prefix, freshness->service,
                              sizeof freshness->service) == NULL ||
        !weir_name_valid(freshness->service, strlen(freshness->service)))
        weir_error_set(freshness->error, WEIR_INVALID,
                       "after: '%.128s' is no key of a service's events in this namespace", stream);
    else if (memchr(token->entry, '\0', sizeof token->entry) == NULL ||
             !weir_entry_id_read(weir_slice_of(token->entry), &freshness->wanted))
        weir_error_set(freshness->error, WEIR_INVALID, "after: '%.48s' is no id of an entry",
                       token->entry);
    return freshness->error->status == WEIR_OK;
}

enum weir_query_result weir_freshness_await(struct weir_client *client, const char *prefix,
                                            const char *view,
                                            const struct weir_query_options *options,
                                            struct weir_error *error)
{
    struct freshness freshness = {.client = client, .prefix = prefix, .view = view, .error = error};
    enum weir_query_result result = WEIR_QUERY_FOUND;
    weir_patience_begin(&freshness.patience, options->limit_ms);
    for (size_t i = 0; result == WEIR_QUERY_FOUND && i < options->after_count; i++) {
        freshness.token = &options->after[i];
        if (freshness.token->stream[0] == '\0')
            continue;
        if (!read_token(&freshness))
            return WEIR_QUERY_FAILED;
        result = options->projection != NULL ? await_one(&freshness, options->projection)
                                             : await_all(&freshness);
    }
    return result;
}
