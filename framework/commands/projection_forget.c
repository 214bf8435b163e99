/* weir projection forget: takes out what the server knows of a projection that no program has any
 * more, so that others may use its kinds of keys and nobody waits for it. */
#include <stdio.h>
#include <string.h>

#include "commands/print.h"
#include "commands/projection_verbs.h"
#include "commands/values.h"

static enum weir_status ask(struct weir_session *session, const char *command, const char *key,
                            const char *field, struct weir_error *error)
{
    redisReply *reply = weir_client_ask(&session->client, error, command, key, field, NULL);
    if (!reply)
        return error->status;
    freeReplyObject(reply);
    return WEIR_OK;
}

static enum weir_status release_kinds(struct weir_session *session,
                                      const struct weir_projection_name *name,
                                      struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_kinds(key, session->settings.prefix, name->view);
    redisReply *kinds = weir_client_ask(&session->client, error, "HGETALL", key, NULL);
    if (!kinds)
        return error->status;
    for (size_t i = 0; i + 1 < weir_value_count(kinds) && error->status == WEIR_OK; i += 2)
        if (weir_slice_equals(weir_value_element(kinds, i + 1), name->projection))
            (void)!ask(session, "HDEL", key, kinds->element[i]->str, error);
    freeReplyObject(kinds);
    return error->status;
}

/* Its own keys, and last the register, so that one that was interrupted is found again. */
static enum weir_status release(struct weir_session *session,
                                const struct weir_projection_name *name, struct weir_error *error)
{
    const char *prefix = session->settings.prefix;
    char key[WEIR_KEY_MAX];
    json_t *service;
    size_t i;
    if (release_kinds(session, name, error) != WEIR_OK)
        return error->status;
    json_array_foreach(name->sources, i, service)
    {
        weir_key_readers(key, prefix, json_string_value(service));
        if (ask(session, "HDEL", key, name->shown, error) != WEIR_OK)
            return error->status;
    }
    if (ask(session, "UNLINK", weir_key_skipped(key, prefix, name->view, name->projection), NULL,
            error) != WEIR_OK ||
        ask(session, "UNLINK", weir_key_checkpoint(key, prefix, name->view, name->projection), NULL,
            error) != WEIR_OK ||
        ask(session, "UNLINK", weir_key_projection(key, prefix, name->view, name->projection), NULL,
            error) != WEIR_OK)
        return error->status;
    return ask(session, "HDEL", weir_key_projections(key, prefix), name->shown, error);
}

int weir_projection_forget(struct weir_session *session, const struct weir_projection_name *name)
{
    struct weir_projection_status status;
    struct weir_error error = {0};
    if (weir_projection_look(session, name, &status, &error) != WEIR_OK)
        return weir_fail_by(&error);
    if (status.owner[0])
        return weir_fail(WEIR_EXIT_FAILED,
                         "%s is run by %s; forget a projection when no program has it any more",
                         name->shown, status.owner);
    if (status.phase[0])
        return weir_fail(WEIR_EXIT_FAILED,
                         "a rebuild of %s is under way; first: weir projection abandon %s",
                         name->shown, name->shown);
    if (release(session, name, &error) != WEIR_OK)
        return weir_fail_by(&error);
    if (session->settings.json)
        return weir_print_json(json_pack("{s:s, s:b}", "projection", name->shown, "forgotten", 1));
    fprintf(weir_output(), "%s is forgotten; the keys of its models are as they were\n",
            name->shown);
    return WEIR_EXIT_FINE;
}
