/* Asks for the last entry of the events of each service that has a part in a saga. */
#include "commands/saga_tokens.h"

#include <stdio.h>
#include <string.h>

#include "commands/stored_saga.h"
#include "commands/values.h"
#include "redis/key_names.h"
#include "weir.h"

/* Not the entry that stands last: that may have been trimmed. */
static struct weir_slice last_id(const redisReply *about)
{
    return weir_value_field(about, "last-generated-id");
}

/* Whether there are events; WEIR_OK or the error. */
static enum weir_status look_up(struct weir_session *session, const char *key, bool *there,
                                struct weir_error *error)
{
    redisReply *reply = weir_client_ask(&session->client, error, "EXISTS", key, NULL);
    if (!reply)
        return error->status;
    *there = reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
    freeReplyObject(reply);
    return WEIR_OK;
}

static enum weir_status add_token(struct weir_session *session, const char *service, json_t *tokens,
                                  struct weir_error *error)
{
    char key[WEIR_KEY_MAX], text[WEIR_TOKEN_MAX];
    struct weir_token token = {0};
    bool there = false;
    weir_key_events(key, session->settings.prefix, service);
    if (look_up(session, key, &there, error) != WEIR_OK || !there)
        return error->status;
    redisReply *reply = weir_client_ask(&session->client, error, "XINFO", "STREAM", key, NULL);
    if (!reply)
        return error->status;
    struct weir_slice id = last_id(reply);
    snprintf(text, sizeof(text), "%.200s/%.*s", key, (int)id.length, id.at ? id.at : "");
    if (!weir_token_read(text, &token))
        weir_error_set(error, WEIR_INVALID, "%s: it has no last entry", key);
    else if (!weir_slice_equals(id, "0-0"))
        json_array_append_new(tokens, json_string(text));
    freeReplyObject(reply);
    return error->status;
}

static bool named_before(const struct weir_saga_definition *definition, size_t step)
{
    for (size_t i = 0; i < step; i++)
        if (definition->steps[i].service &&
            strcmp(definition->steps[i].service, definition->steps[step].service) == 0)
            return true;
    return false;
}

json_t *weir_saga_tokens(struct weir_session *session, const char *saga)
{
    struct weir_stored_saga stored;
    struct weir_error error = {0};
    json_t *tokens = json_array();
    if (weir_stored_saga_read(session, saga, &stored, &error) == WEIR_OK && !stored.definition)
        error = stored.unreadable;
    for (size_t i = 0; stored.definition && i < stored.definition->step_count; i++) {
        const char *service = stored.definition->steps[i].service;
        if (error.status == WEIR_OK && service && !named_before(stored.definition, i))
            (void)!add_token(session, service, tokens, &error);
    }
    if (error.status != WEIR_OK)
        weir_remark("saga %s: its tokens are not known: %s", saga, error.text);
    weir_stored_saga_close(&stored);
    return tokens;
}
