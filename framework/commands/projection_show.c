/* weir projection show: everything that the server knows of one projection. */
#include <stdio.h>

#include "base/text.h"
#include "commands/print.h"
#include "commands/projection_verbs.h"
#include "commands/table.h"
#include "commands/values.h"
#include "commands/visible.h"

static const struct weir_column columns[] = {
    {.heading = "source", .key = "service"},
    {.heading = "position", .key = "position"},
    {.heading = "behind", .key = "behind"},
    {.heading = "oldest", .key = "oldest", .kind = WEIR_COLUMN_AGE},
    {.heading = NULL},
};

/* ---- Gathering --------------------------------------------------------------------------- */

/* {stream, entry, reason, fields}; null where nothing is stopped. NULL and an error. */
static json_t *make_event(struct weir_session *session, const struct weir_stopping_event *event,
                          bool stops, struct weir_error *error)
{
    json_t *fields = json_null();
    if (!stops)
        return json_null();
    if (weir_event_is_single(event) && !(fields = weir_event_read(session, event, error)))
        return NULL;
    return json_pack("{s:o, s:o, s:o, s:o}", "stream",
                     weir_slice_json(weir_slice_of(event->stream)), "entry",
                     weir_slice_json(weir_slice_of(event->entry)), "reason",
                     weir_slice_json(weir_slice_of(event->reason)), "fields", fields);
}

/* NULL and an error. */
static json_t *gather(struct weir_session *session, const struct weir_projection_name *name,
                      const struct weir_projection_status *status, struct weir_error *error)
{
    json_t *sources = weir_projection_sources(session, name, error);
    if (!sources)
        return NULL;
    json_t *all = weir_projection_describe(name, status, sources), *event, *stops;
    json_object_set_new(all, "sources", sources);
    event = make_event(session, &status->stop, weir_projection_is_stopped(status), error);
    stops = make_event(session, &status->event, weir_event_stops(&status->event), error);
    json_object_set_new(all, "event", event);
    if (!json_is_null(json_object_get(all, "rebuild")))
        json_object_set(json_object_get(all, "rebuild"), "event", stops);
    json_decref(stops);
    if (error->status == WEIR_OK)
        return all;
    json_decref(all);
    return NULL;
}

/* ---- Printing ---------------------------------------------------------------------------- */

#define FIELD_WIDTH 12

static void begin_line(struct weir_text *line, const char *name)
{
    weir_visible_append(line, weir_slice_of(name));
    do
        weir_text_append_string(line, " ");
    while (line->at && !line->failed && line->length < FIELD_WIDTH);
}

static void end_line(struct weir_text *line)
{
    weir_print_wrapped(line, FIELD_WIDTH);
    weir_text_close(line);
}

static void print_value(const char *name, const json_t *value)
{
    struct weir_text line = {0};
    if (!value || json_is_null(value))
        return;
    begin_line(&line, name);
    weir_value_append(&line, value);
    end_line(&line);
}

static void print_time(const char *name, const json_t *value)
{
    struct weir_text line = {0};
    if (!json_is_integer(value))
        return;
    begin_line(&line, name);
    weir_time_append(&line, json_integer_value(value));
    end_line(&line);
}

static void print_state(const struct weir_projection_status *status)
{
    struct weir_text line = {0}, state = {0};
    weir_projection_state_append(&state, status);
    begin_line(&line, "state");
    enum weir_colour colour = weir_state_colour(weir_projection_state(status));
    weir_text_format(&line, "%s%s%s", weir_colour_begin(colour), state.at ? state.at : "",
                     weir_colour_end(colour));
    weir_text_close(&state);
    end_line(&line);
}

/* The fields of an event, each on a line of its own. */
static void print_event(const char *heading, const json_t *event)
{
    const char *name;
    json_t *value, *fields = json_object_get(event, "fields");
    if (!json_is_object(event) || json_string_length(json_object_get(event, "entry")) == 0)
        return;
    struct weir_text line = {0};
    weir_text_format(&line, "\n%s ", heading);
    weir_value_append(&line, json_object_get(event, "entry"));
    weir_text_append_string(&line, " of ");
    weir_value_append(&line, json_object_get(event, "stream"));
    if (!json_is_object(fields))
        weir_text_append_string(&line, ", which is no longer there");
    end_line(&line);
    json_object_foreach(fields, name, value)
    {
        begin_line(&line, name);
        if (json_is_object(value))
            weir_visible_append_json(&line, value, 2);
        else
            weir_value_append(&line, value);
        end_line(&line);
    }
}

static void print_rebuild(const json_t *rebuild)
{
    const json_t *event = json_object_get(rebuild, "event");
    if (!json_is_object(rebuild))
        return;
    fputc('\n', weir_output());
    print_value("rebuild", json_object_get(rebuild, "id"));
    print_value("task", json_object_get(rebuild, "task"));
    print_value("phase", json_object_get(rebuild, "phase"));
    print_value("outcome", json_object_get(rebuild, "outcome"));
    print_value("why", json_object_get(rebuild, "why"));
    print_value("stopped by", json_object_get(event, "reason"));
    print_time("startedAt", json_object_get(rebuild, "startedAt"));
    print_time("endedAt", json_object_get(rebuild, "endedAt"));
    print_value("total", json_object_get(rebuild, "total"));
    print_value("folded", json_object_get(rebuild, "folded"));
    print_value("keys", json_object_get(rebuild, "moved"));
    print_value("differing", json_object_get(rebuild, "differing"));
    print_event("The event that stops the rebuild:", event);
}

static int print_all(json_t *all, const struct weir_projection_status *status)
{
    json_t *source, *sources = json_object_get(all, "sources");
    size_t i;
    print_value("projection", json_object_get(all, "projection"));
    print_state(status);
    print_value("worker", json_object_get(all, "worker"));
    print_time("since", json_object_get(all, "since"));
    print_value("reason", json_object_get(all, "reason"));
    fputc('\n', weir_output());
    json_array_foreach(sources, i, source)
    {
        json_object_set_new(source, "behind", weir_projection_behind(source));
    }
    int code = weir_table_print(columns, sources, status->now_ms);
    print_event("The event that stops it:", json_object_get(all, "event"));
    print_rebuild(json_object_get(all, "rebuild"));
    return code;
}

int weir_projection_show(struct weir_session *session, const struct weir_projection_name *name)
{
    struct weir_error error = {0};
    struct weir_projection_status status;
    json_t *all = NULL;
    if (weir_projection_look(session, name, &status, &error) == WEIR_OK)
        all = gather(session, name, &status, &error);
    if (!all)
        return weir_fail_by(&error);
    int code = session->settings.json ? weir_print_json(json_incref(all)) : print_all(all, &status);
    json_decref(all);
    return code;
}
