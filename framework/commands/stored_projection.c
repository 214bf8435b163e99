/* Reads projections from the server for those that show them or want something of them. */
#include "commands/stored_projection.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "commands/values.h"

/* ---- Names ------------------------------------------------------------------------------- */

int weir_projection_operand_check(const char *operand)
{
    const char *slash = strchr(operand, '/');
    if (slash ? weir_name_valid(operand, (size_t)(slash - operand)) &&
                    weir_name_valid(slash + 1, strlen(slash + 1))
              : weir_name_valid(operand, strlen(operand)))
        return WEIR_EXIT_FINE;
    return weir_fail(WEIR_EXIT_USAGE,
                     "'%s' is no name of a projection; it is <projection> or <view>/<projection>, "
                     "each a letter and then letters, digits, '_' or '-', 64 bytes at most",
                     operand);
}

static json_t *split_sources(struct weir_slice text)
{
    json_t *sources = json_array();
    for (const char *at = text.at; at && *at;) {
        size_t length = strcspn(at, " ");
        if (weir_name_valid(at, length))
            json_array_append_new(sources, json_stringn(at, length));
        at += length + strspn(at + length, " ");
    }
    return sources;
}

json_t *weir_projections_of(const redisReply *pairs)
{
    json_t *all = json_object();
    for (size_t i = 0; i + 1 < weir_value_count(pairs); i += 2) {
        json_t *shown = weir_slice_json(weir_value_element(pairs, i));
        json_object_set_new(all, json_string_value(shown),
                            split_sources(weir_value_element(pairs, i + 1)));
        json_decref(shown);
    }
    return all;
}

json_t *weir_projections_read(struct weir_session *session, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_projections(key, session->settings.prefix);
    redisReply *reply = weir_client_ask(&session->client, error, "HGETALL", key, NULL);
    if (!reply)
        return NULL;
    json_t *all = weir_projections_of(reply);
    freeReplyObject(reply);
    return all;
}

bool weir_projection_name_split(struct weir_projection_name *name, const char *shown,
                                json_t *sources_borrow)
{
    const char *slash = strchr(shown, '/');
    *name = (struct weir_projection_name){0};
    if (!slash || !weir_name_valid(shown, (size_t)(slash - shown)) ||
        !weir_name_valid(slash + 1, strlen(slash + 1)))
        return false;
    snprintf(name->shown, sizeof(name->shown), "%s", shown);
    snprintf(name->view, sizeof(name->view), "%.*s", (int)(slash - shown), shown);
    snprintf(name->projection, sizeof(name->projection), "%s", slash + 1);
    name->sources = json_incref(sources_borrow);
    return true;
}

void weir_projection_name_close(struct weir_projection_name *name)
{
    json_decref(name->sources);
    *name = (struct weir_projection_name){0};
}

static bool is_meant(const char *shown, const char *operand)
{
    const char *slash = strchr(shown, '/');
    return strcmp(shown, operand) == 0 || (slash && strcmp(slash + 1, operand) == 0);
}

/* The names that the operand may mean, or all; returns their number. */
static size_t append_names(struct weir_text *text, json_t *all, const char *operand)
{
    const char *shown;
    json_t *sources;
    size_t count = 0;
    json_object_foreach(all, shown, sources)
    {
        if (!operand || is_meant(shown, operand))
            weir_text_format(text, "%s%s", count++ > 0 ? ", " : "", shown);
    }
    return count;
}

static int choose(json_t *all, const char *operand, struct weir_projection_name *name)
{
    struct weir_text meant = {0}, known = {0};
    size_t count = append_names(&meant, all, operand);
    int code = WEIR_EXIT_FINE;
    if (json_object_size(all) == 0) {
        code = weir_fail(WEIR_EXIT_FAILED,
                         "no projection %s: none is known; a worker with projections has to have "
                         "run once",
                         operand);
    } else if (count == 0) {
        append_names(&known, all, NULL);
        code = weir_fail(WEIR_EXIT_FAILED, "no projection %s; there are %s", operand,
                         known.at ? known.at : "others");
    } else if (count > 1) {
        code = weir_fail(WEIR_EXIT_FAILED, "several views have a projection %s; name one of %s",
                         operand, meant.at ? meant.at : "them");
    } else if (!meant.at ||
               !weir_projection_name_split(name, meant.at, json_object_get(all, meant.at))) {
        code = weir_fail(WEIR_EXIT_DATA,
                         "projection %s is registered in a way that this program "
                         "does not understand",
                         operand);
    }
    weir_text_close(&meant);
    weir_text_close(&known);
    return code;
}

int weir_projection_find(struct weir_session *session, const char *operand,
                         struct weir_projection_name *name)
{
    struct weir_error error = {0};
    json_t *all = weir_projections_read(session, &error);
    if (!all)
        return weir_fail_by(&error);
    int code = choose(all, operand, name);
    json_decref(all);
    return code;
}

/* ---- Status ------------------------------------------------------------------------------ */

#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, offsetof(struct weir_projection_status, member),                                     \
            sizeof(((struct weir_projection_status *)0)->member)                                   \
    }
static const struct text_field {
    const char *name;
    size_t offset, room;
} text_fields[] = {
    TEXT("owner", owner),        TEXT("state", state),
    TEXT("reason", stop.reason), TEXT("stream", stop.stream),
    TEXT("entry", stop.entry),   TEXT("rebuild", rebuild),
    TEXT("task", task),          TEXT("phase", phase),
    TEXT("outcome", outcome),    TEXT("why", why),
};

#define NUMBER(name, member)                                                                       \
    {                                                                                              \
        name, offsetof(struct weir_projection_status, member)                                      \
    }
static const struct number_field {
    const char *name;
    size_t offset;
} number_fields[] = {
    NUMBER("since", since),      NUMBER("stops", stops),         NUMBER("startedAt", started_at),
    NUMBER("endedAt", ended_at), NUMBER("total", total),         NUMBER("folded", folded),
    NUMBER("moved", moved),      NUMBER("differing", differing),
};

static void copy(char *to, size_t room, struct weir_slice value)
{
    snprintf(to, room, "%.*s", value.at ? (int)value.length : 0, value.at ? value.at : "");
}

/* "<stream> <entry> <reason>" */
static void split_event(struct weir_stopping_event *event, struct weir_slice text)
{
    const char *entry = text.at ? strchr(text.at, ' ') : NULL;
    const char *reason = entry ? strchr(entry + 1, ' ') : NULL;
    if (!reason)
        return;
    copy(event->stream, sizeof(event->stream),
         (struct weir_slice){text.at, (size_t)(entry - text.at)});
    copy(event->entry, sizeof(event->entry),
         (struct weir_slice){entry + 1, (size_t)(reason - entry - 1)});
    snprintf(event->reason, sizeof(event->reason), "%s", reason[1] ? reason + 1 : "no reason");
}

void weir_projection_status_read(struct weir_projection_status *status, const redisReply *hash,
                                 int64_t now_ms)
{
    int64_t until = 0;
    char *base = (char *)status;
    *status = (struct weir_projection_status){.now_ms = now_ms};
    for (size_t i = 0; i < sizeof(text_fields) / sizeof(text_fields[0]); i++)
        copy(base + text_fields[i].offset, text_fields[i].room,
             weir_value_field(hash, text_fields[i].name));
    for (size_t i = 0; i < sizeof(number_fields) / sizeof(number_fields[0]); i++) {
        int64_t number;
        if (weir_slice_integer(weir_value_field(hash, number_fields[i].name), &number) &&
            number >= 0)
            memcpy(base + number_fields[i].offset, &number, sizeof(number));
    }
    /* One that is over may have left its event behind. */
    if (strcmp(status->phase, "building") == 0)
        split_event(&status->event, weir_value_field(hash, "event"));
    status->paused = weir_slice_equals(weir_value_field(hash, "paused"), "1");
    status->counted = weir_value_field(hash, "total").at != NULL;
    if (!weir_slice_integer(weir_value_field(hash, "until"), &until) || until <= now_ms)
        status->owner[0] = '\0';
}

enum weir_status weir_projection_look(struct weir_session *session,
                                      const struct weir_projection_name *name,
                                      struct weir_projection_status *status,
                                      struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    int64_t now_ms = 0;
    *status = (struct weir_projection_status){0};
    if (weir_session_now(session, &now_ms, error) != WEIR_OK)
        return error->status;
    weir_key_projection(key, session->settings.prefix, name->view, name->projection);
    redisReply *hash = weir_client_ask(&session->client, error, "HGETALL", key, NULL);
    if (!hash)
        return error->status;
    weir_projection_status_read(status, hash, now_ms);
    freeReplyObject(hash);
    return WEIR_OK;
}

bool weir_projection_is_stopped(const struct weir_projection_status *status)
{
    return strcmp(status->state, "stopped") == 0 || strcmp(status->state, "parked") == 0;
}

bool weir_event_stops(const struct weir_stopping_event *event)
{
    return event->reason[0] != '\0';
}

bool weir_event_is_single(const struct weir_stopping_event *event)
{
    return event->stream[0] != '\0' && event->entry[0] != '\0';
}

bool weir_event_equals(const struct weir_stopping_event *one,
                       const struct weir_stopping_event *other)
{
    if (!weir_event_is_single(one) && !weir_event_is_single(other))
        return strcmp(one->reason, other->reason) == 0;
    return strcmp(one->stream, other->stream) == 0 && strcmp(one->entry, other->entry) == 0;
}

bool weir_rebuild_verifies(const struct weir_projection_status *status)
{
    return strcmp(status->task, "verify") == 0;
}

int weir_rebuild_percent(const struct weir_projection_status *status)
{
    if (strcmp(status->phase, "building") != 0)
        return status->phase[0] ? 100 : 0;
    if (status->total <= 0)
        return 0;
    double part = 100. * (double)status->folded / (double)status->total;
    return part < 99. ? (int)part : 99;
}

json_t *weir_event_read(struct weir_session *session, const struct weir_stopping_event *event,
                        struct weir_error *error)
{
    struct weir_error first = {0};
    redisReply *reply = weir_client_ask(&session->client, &first, "XRANGE", event->stream,
                                        event->entry, event->entry, NULL);
    if (!reply && first.status != WEIR_REFUSED) {
        weir_error_set(error, first.status, "%s", first.text);
        return NULL;
    }
    const redisReply *entry = weir_value_count(reply) == 1 ? reply->element[0] : NULL;
    json_t *fields =
        weir_value_count(entry) == 2 ? weir_fields_json(entry->element[1]) : json_null();
    if (reply)
        freeReplyObject(reply);
    return fields;
}
