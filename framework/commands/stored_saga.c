/* Reads a saga from the server for those that show it or want something of it. */
#include "commands/stored_saga.h"

#include <inttypes.h>
#include <string.h>

#include "commands/values.h"
#include "redis/key_names.h"
#include "saga/record.h"
#include "redis/snapshot.h"

int weir_saga_id_check(const char *id)
{
    if (weir_id_valid(id, strlen(id)) && weir_utf8_valid(id, strlen(id)))
        return WEIR_EXIT_FINE;
    return weir_fail(WEIR_EXIT_USAGE, "<id>: '%s' is no id of a saga; it must be " WEIR_ID_FORM,
                     id);
}

static enum weir_status read_hash(struct weir_session *session, const char *id,
                                  struct weir_stored_saga *stored, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_saga(key, session->settings.prefix, id);
    stored->hash = weir_client_ask(&session->client, error, "HGETALL", key, NULL);
    if (!stored->hash)
        return error->status;
    if (weir_value_count(stored->hash) == 0)
        return weir_error_set(error, WEIR_NOT_FOUND, "no saga %s; weir sagas lists them", id);
    return WEIR_OK;
}

static void parse_definition(struct weir_stored_saga *stored, struct weir_slice json)
{
    if (json.at)
        stored->definition = weir_saga_definition_parse(json.at, json.length, &stored->unreadable);
    else
        weir_error_set(&stored->unreadable, WEIR_NOT_FOUND, "is not there");
}

static enum weir_status read_definition(struct weir_session *session,
                                        struct weir_stored_saga *stored, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    int64_t version;
    struct weir_slice name = weir_value_field(stored->hash, "definition");
    struct weir_slice digits = weir_value_field(stored->hash, "version");
    if (!name.at || !weir_name_valid(name.at, name.length) ||
        !weir_slice_integer(digits, &version)) {
        weir_error_set(&stored->unreadable, WEIR_INVALID, "it has no definition and version");
        return WEIR_OK;
    }
    weir_key_definition(key, session->settings.prefix, name.at);
    redisReply *reply =
        weir_client_ask(&session->client, &stored->unreadable, "HGET", key, digits.at, NULL);
    if (reply)
        parse_definition(stored, weir_value_text(reply));
    else if (stored->unreadable.status != WEIR_REFUSED)
        return weir_error_set(error, stored->unreadable.status, "%s", stored->unreadable.text);
    weir_error_prefix(&stored->unreadable, "definition %s version %" PRId64, name.at, version);
    if (reply)
        freeReplyObject(reply);
    return WEIR_OK;
}

/* The definition's steps in the hash, as the coordinator reads them. */
static void read_record(struct weir_stored_saga *stored)
{
    struct weir_snapshot snapshot = {0};
    struct weir_error *error = &stored->unreadable;
    if (weir_snapshot_add(&snapshot, "saga") < 0 ||
        weir_snapshot_fill(&snapshot.hashes[0], stored->hash) != WEIR_OK ||
        weir_saga_init(&stored->saga, stored->definition) != WEIR_OK)
        weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    else
        (void)!weir_saga_record_read(stored->definition, &snapshot.hashes[0], &stored->saga, error);
    weir_snapshot_close(&snapshot);
}

enum weir_status weir_stored_saga_read(struct weir_session *session, const char *id,
                                       struct weir_stored_saga *stored, struct weir_error *error)
{
    *stored = (struct weir_stored_saga){0};
    enum weir_status status = read_hash(session, id, stored, error);
    if (status == WEIR_OK)
        status = read_definition(session, stored, error);
    if (status == WEIR_OK && stored->definition)
        read_record(stored);
    return status;
}

void weir_stored_saga_close(struct weir_stored_saga *stored)
{
    weir_saga_close(&stored->saga);
    weir_saga_definition_free(stored->definition);
    if (stored->hash)
        freeReplyObject(stored->hash);
    *stored = (struct weir_stored_saga){0};
}
