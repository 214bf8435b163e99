/* Looks through the coordinators' inboxes for starts. */
#include "commands/unbegun.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/print.h"
#include "commands/values.h"
#include "message/envelope.h"
#include "redis/key_names.h"

#define AT_ONCE 100
#define LOOKED_AT_MAX 10000
#define LETTERS "1000"

static int64_t ms_of(struct weir_slice entry)
{
    return entry.at ? strtoll(entry.at, NULL, 10) : 0;
}

/* A start without an id is known by the entry that it first was. */
static bool starts(const redisReply *entry, const char *saga, const char *entry_field)
{
    const redisReply *fields = weir_value_count(entry) == 2 ? entry->element[1] : NULL;
    struct weir_slice id = weir_value_field(fields, "saga");
    if (!weir_slice_equals(weir_value_field(fields, "type"), "StartSaga"))
        return false;
    if (!id.at)
        id = weir_value_field(fields, entry_field);
    if (!id.at)
        id = weir_value_element(entry, 0);
    return weir_slice_equals(id, saga);
}

static void describe(struct weir_unbegun *found, enum weir_unbegun_kind kind,
                     const redisReply *entry, const char *entry_field)
{
    const redisReply *fields = entry->element[1];
    struct weir_slice first = weir_value_field(fields, entry_field);
    found->kind = kind;
    found->sent_at = ms_of(first.at ? first : weir_value_element(entry, 0));
    found->definition = weir_slice_json(weir_value_field(fields, "definition"));
    found->data = weir_slice_json_object(weir_value_field(fields, "data"));
    if (kind == WEIR_UNBEGUN_REFUSED) {
        found->reason = weir_slice_json(weir_value_field(fields, "reason"));
        found->letter = weir_slice_json(weir_value_element(entry, 0));
    }
}

static bool is_start(const redisReply *entry)
{
    const redisReply *fields = weir_value_count(entry) == 2 ? entry->element[1] : NULL;
    return weir_slice_equals(weir_value_field(fields, "type"), "StartSaga");
}

static enum weir_status look_through(struct weir_session *session, const char *key,
                                     enum weir_unbegun_kind kind, const char *saga,
                                     struct weir_unbegun *found, struct weir_error *error)
{
    char from[64] = "-", count[16];
    size_t read = AT_ONCE;
    int64_t before = 0;
    snprintf(count, sizeof(count), "%d", AT_ONCE);
    for (size_t looked = 0; read == AT_ONCE && found->kind == WEIR_UNBEGUN_NOT; looked += read) {
        if (looked >= LOOKED_AT_MAX) {
            found->all_looked_at = false;
            return WEIR_OK;
        }
        redisReply *reply = weir_client_ask(&session->client, error, "XRANGE", key, from, "+",
                                            "COUNT", count, NULL);
        if (!reply)
            return error->status;
        read = weir_value_count(reply);
        for (size_t i = 0; i < read && found->kind == WEIR_UNBEGUN_NOT; i++) {
            const redisReply *entry = reply->element[i];
            struct weir_slice id = weir_value_element(entry, 0);
            snprintf(from, sizeof(from), "(%.*s", (int)id.length, id.at ? id.at : "");
            if (starts(entry, saga, WEIR_FIELD_ORIGIN_ENTRY)) {
                describe(found, kind, entry, WEIR_FIELD_ORIGIN_ENTRY);
                found->before_it = before;
            }
            before += is_start(entry);
        }
        freeReplyObject(reply);
    }
    return WEIR_OK;
}

static enum weir_status look_at_letters(struct weir_session *session, const char *saga,
                                        struct weir_unbegun *found, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_dead(key, session->settings.prefix, WEIR_SAGAS);
    redisReply *reply = weir_client_ask(&session->client, error, "XREVRANGE", key, "+", "-",
                                        "COUNT", LETTERS, NULL);
    if (!reply)
        return error->status;
    for (size_t i = 0; i < weir_value_count(reply) && found->kind == WEIR_UNBEGUN_NOT; i++)
        if (starts(reply->element[i], saga, "entry"))
            describe(found, WEIR_UNBEGUN_REFUSED, reply->element[i], "entry");
    freeReplyObject(reply);
    return WEIR_OK;
}

enum weir_status weir_unbegun_find(struct weir_session *session, const char *saga,
                                   struct weir_unbegun *found, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    const char *prefix = session->settings.prefix;
    *found = (struct weir_unbegun){.all_looked_at = true};
    weir_key_commands(key, prefix, WEIR_SAGAS);
    enum weir_status status = look_through(session, key, WEIR_UNBEGUN_INBOX, saga, found, error);
    if (status == WEIR_OK && found->kind == WEIR_UNBEGUN_NOT)
        status = look_through(session, weir_key_held(key, prefix), WEIR_UNBEGUN_HELD, saga, found,
                              error);
    if (status == WEIR_OK && found->kind == WEIR_UNBEGUN_NOT)
        status = look_at_letters(session, saga, found, error);
    return status;
}

void weir_unbegun_append(struct weir_text *line, const struct weir_unbegun *found, int64_t now_ms)
{
    if (found->kind == WEIR_UNBEGUN_REFUSED) {
        weir_text_append_string(line, "was not started: ");
        weir_value_append(line, found->reason);
        weir_text_append_string(line, "; weir dead sagas show ");
        weir_value_append(line, found->letter);
        return;
    }
    weir_text_append_string(line, found->kind == WEIR_UNBEGUN_HELD
                                      ? "has not begun: as many sagas are under way as may be "
                                        "(--max-sagas); its start is held"
                                      : "has not begun: its start waits for a coordinator");
    if (found->before_it > 0)
        weir_text_format(line, " behind %" PRId64 " others", found->before_it);
    if (now_ms > 0) {
        weir_text_append_string(line, ", since ");
        weir_span_append(line, now_ms - found->sent_at);
    }
}

void weir_unbegun_close(struct weir_unbegun *found)
{
    json_decref(found->definition);
    json_decref(found->data);
    json_decref(found->reason);
    json_decref(found->letter);
    *found = (struct weir_unbegun){0};
}
