/* How a projection stands, as JSON and as the word in a table. */
#include <string.h>

#include "base/text.h"
#include "commands/projection_verbs.h"
#include "commands/values.h"
#include "redis/reply.h"

#define BEHIND_MAX 100
#define BEHIND_ASKED "101"

static json_t *text_or_null(const char *text)
{
    return weir_slice_json(*text ? weir_slice_of(text) : (struct weir_slice){NULL, 0});
}

static json_t *number_or_null(int64_t number)
{
    return number > 0 ? json_integer(number) : json_null();
}

/* ---- What is not applied yet ------------------------------------------------------------- */

static void count_behind(json_t *source, const redisReply *entries)
{
    size_t count = weir_value_count(entries);
    struct weir_entry_id first = {0, 0};
    struct weir_slice id = weir_value_element(weir_reply_at(entries, 0), 0);
    if (id.at && weir_entry_id_read(id, &first))
        json_object_set_new(source, "oldest", json_integer((json_int_t)first.ms));
    json_object_set_new(source, "behind",
                        json_integer((json_int_t)(count > BEHIND_MAX ? BEHIND_MAX : count)));
    json_object_set_new(source, "more", json_boolean(count > BEHIND_MAX));
}

static enum weir_status look_behind(struct weir_session *session, json_t *source,
                                    struct weir_error *error)
{
    char after[WEIR_ENTRY_ID_MAX + 1];
    struct weir_error first = {0};
    const char *position = json_string_value(json_object_get(source, "position"));
    snprintf(after, sizeof(after), "%s%s", position ? "(" : "", position ? position : "-");
    redisReply *reply = weir_client_ask(&session->client, &first, "XRANGE",
                                        json_string_value(json_object_get(source, "stream")), after,
                                        "+", "COUNT", BEHIND_ASKED, NULL);
    /* A key of another type, a position that is none: the others are worth showing. */
    if (!reply && first.status == WEIR_REFUSED)
        return WEIR_OK;
    if (!reply)
        return weir_error_set(error, first.status, "%s", first.text);
    count_behind(source, reply);
    freeReplyObject(reply);
    return WEIR_OK;
}

static json_t *make_source(struct weir_session *session, const char *checkpoint,
                           const char *service, struct weir_error *error)
{
    char stream[WEIR_KEY_MAX];
    weir_key_events(stream, session->settings.prefix, service);
    redisReply *reply = weir_client_ask(&session->client, error, "HGET", checkpoint, stream, NULL);
    if (!reply)
        return NULL;
    json_t *source = json_object();
    json_object_set_new(source, "service", json_string(service));
    json_object_set_new(source, "stream", json_string(stream));
    json_object_set_new(source, "position", weir_slice_json(weir_value_text(reply)));
    json_object_set_new(source, "behind", json_null());
    json_object_set_new(source, "more", json_false());
    json_object_set_new(source, "oldest", json_null());
    freeReplyObject(reply);
    if (look_behind(session, source, error) == WEIR_OK)
        return source;
    json_decref(source);
    return NULL;
}

json_t *weir_projection_sources(struct weir_session *session,
                                const struct weir_projection_name *name, struct weir_error *error)
{
    char checkpoint[WEIR_KEY_MAX];
    json_t *sources = json_array(), *service;
    size_t i;
    weir_key_checkpoint(checkpoint, session->settings.prefix, name->view, name->projection);
    json_array_foreach(name->sources, i, service)
    {
        json_t *source = make_source(session, checkpoint, json_string_value(service), error);
        if (!source) {
            json_decref(sources);
            return NULL;
        }
        json_array_append_new(sources, source);
    }
    return sources;
}

/* All sources together. */
static void add_up(json_t *row, const json_t *sources)
{
    json_int_t behind = 0, oldest = 0;
    bool more = false, known = false;
    json_t *source;
    size_t i;
    json_array_foreach(sources, i, source)
    {
        json_int_t first = json_integer_value(json_object_get(source, "oldest"));
        known = known || json_is_integer(json_object_get(source, "behind"));
        behind += json_integer_value(json_object_get(source, "behind"));
        more = more || json_is_true(json_object_get(source, "more"));
        oldest = oldest == 0 || (first > 0 && first < oldest) ? first : oldest;
    }
    json_object_set_new(row, "behind",
                        known ? json_integer(behind > BEHIND_MAX ? BEHIND_MAX : behind)
                              : json_null());
    json_object_set_new(row, "more", json_boolean(more || behind > BEHIND_MAX));
    json_object_set_new(row, "oldest", number_or_null(oldest));
}

json_t *weir_projection_behind(const json_t *counted)
{
    struct weir_text text = {0};
    const json_t *behind = json_object_get(counted, "behind");
    if (json_is_integer(behind))
        weir_text_format(&text, "%" JSON_INTEGER_FORMAT "%s", json_integer_value(behind),
                         json_is_true(json_object_get(counted, "more")) ? "+" : "");
    json_t *shown = text_or_null(text.at ? text.at : "");
    weir_text_close(&text);
    return shown;
}

/* ---- State ------------------------------------------------------------------------------- */

const char *weir_projection_state(const struct weir_projection_status *status)
{
    if (weir_projection_is_stopped(status))
        return status->state;
    if (status->owner[0] && strcmp(status->state, "waiting") == 0)
        return status->state;
    return status->owner[0] ? "running" : "idle";
}

void weir_projection_state_append(struct weir_text *text,
                                  const struct weir_projection_status *status)
{
    const char *state = weir_projection_state(status);
    bool rebuilds = status->phase[0] != '\0', verifies = weir_rebuild_verifies(status);
    if (!rebuilds || strcmp(state, "running") != 0)
        weir_text_format(text, "%s%s", state, rebuilds ? ", " : "");
    if (!rebuilds)
        return;
    if (status->paused || weir_event_stops(&status->event))
        weir_text_format(text, "%s %s", verifies ? "comparison" : "rebuild",
                         status->paused ? "paused" : "stopped");
    else
        weir_text_append_string(text, verifies ? "comparing" : "rebuilding");
    weir_text_format(text, " %d %%", weir_rebuild_percent(status));
}

static json_t *describe_event(const struct weir_stopping_event *event)
{
    if (!weir_event_stops(event))
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "stream", text_or_null(event->stream), "entry",
                     text_or_null(event->entry), "reason", text_or_null(event->reason));
}

static json_t *describe_rebuild(const struct weir_projection_status *status)
{
    if (status->rebuild[0] == '\0')
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:b, s:i, s:o, s:o, s:I, s:o, s:I, s:I, s:o, s:o, s:o}", "id",
                     text_or_null(status->rebuild), "task", text_or_null(status->task), "phase",
                     text_or_null(status->phase), "paused", (int)status->paused, "percent",
                     status->phase[0] ? weir_rebuild_percent(status) : 100, "startedAt",
                     number_or_null(status->started_at), "total",
                     status->counted ? json_integer(status->total) : json_null(), "folded",
                     (json_int_t)status->folded, "event", describe_event(&status->event), "moved",
                     (json_int_t)status->moved, "differing", (json_int_t)status->differing,
                     "outcome", text_or_null(status->phase[0] ? "" : status->outcome), "why",
                     text_or_null(status->why), "endedAt", number_or_null(status->ended_at));
}

json_t *weir_projection_describe(const struct weir_projection_name *name,
                                 const struct weir_projection_status *status, const json_t *sources)
{
    json_t *row = json_object();
    bool stopped =
        weir_projection_is_stopped(status) || strcmp(weir_projection_state(status), "waiting") == 0;
    json_object_set_new(row, "projection", json_string(name->shown));
    json_object_set_new(row, "view", json_string(name->view));
    json_object_set_new(row, "name", json_string(name->projection));
    json_object_set_new(row, "state", text_or_null(weir_projection_state(status)));
    json_object_set_new(row, "worker", text_or_null(status->owner));
    add_up(row, sources);
    json_object_set_new(row, "since", stopped ? number_or_null(status->since) : json_null());
    json_object_set_new(row, "reason",
                        text_or_null(stopped ? status->stop.reason : status->event.reason));
    json_object_set_new(row, "rebuild", describe_rebuild(status));
    return row;
}
