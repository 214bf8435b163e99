/* Asks how all projections stand, in two rounds whatever their number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/projection_verbs.h"
#include "commands/service_names.h"
#include "commands/values.h"
#include "redis/pipeline.h"
#include "redis/reply.h"

/* One projection, and where the answers about it are. */
struct asked {
    struct weir_projection_name name;
    size_t status, checkpoint, first_event;
};

struct look {
    struct weir_session *session;
    struct weir_pipeline standing, events;
    struct asked *asked;
    size_t count;
    int64_t now_ms;
};

/* ---- Asking ------------------------------------------------------------------------------ */

static void ask_standing(struct look *look, struct asked *asked)
{
    char key[WEIR_KEY_MAX];
    const char *prefix = look->session->settings.prefix;
    weir_key_projection(key, prefix, asked->name.view, asked->name.projection);
    asked->status = weir_pipeline_add(&look->standing, "HGETALL", key, NULL);
    weir_key_checkpoint(key, prefix, asked->name.view, asked->name.projection);
    asked->checkpoint = weir_pipeline_add(&look->standing, "HGETALL", key, NULL);
}

/* {service, stream, position} */
static json_t *make_source(const struct look *look, const struct asked *asked, const char *service)
{
    char stream[WEIR_KEY_MAX];
    const redisReply *checkpoint = weir_pipeline_answer(&look->standing, asked->checkpoint);
    weir_key_events(stream, look->session->settings.prefix, service);
    return json_pack("{s:s, s:s, s:o, s:n, s:b, s:n}", "service", service, "stream", stream,
                     "position", weir_slice_json(weir_value_field(checkpoint, stream)), "behind",
                     "more", 0, "oldest");
}

/* The first event behind a position; the name's sources become those objects. */
static void ask_events(struct look *look, struct asked *asked)
{
    json_t *sources = json_array(), *service;
    size_t i;
    json_array_foreach(asked->name.sources, i, service)
    {
        json_t *source = make_source(look, asked, json_string_value(service));
        const char *position = json_string_value(json_object_get(source, "position"));
        char after[WEIR_ENTRY_ID_MAX + 1];
        snprintf(after, sizeof(after), "%s%s", position ? "(" : "", position ? position : "-");
        size_t place = weir_pipeline_add(&look->events, "XRANGE",
                                         json_string_value(json_object_get(source, "stream")),
                                         after, "+", "COUNT", "1", NULL);
        if (i == 0)
            asked->first_event = place;
        json_array_append_new(sources, source);
    }
    json_decref(asked->name.sources);
    asked->name.sources = sources;
}

/* ---- Answers ----------------------------------------------------------------------------- */

static json_t *describe(const struct look *look, const struct asked *asked)
{
    struct weir_projection_status status;
    json_t *source;
    size_t i;
    json_array_foreach(asked->name.sources, i, source)
    {
        const redisReply *entries = weir_pipeline_answer(&look->events, asked->first_event + i);
        struct weir_slice id = weir_value_element(weir_reply_at(entries, 0), 0);
        struct weir_entry_id first;
        if (id.at && weir_entry_id_read(id, &first))
            json_object_set_new(source, "oldest", json_integer((json_int_t)first.ms));
        json_object_del(source, "behind");
        json_object_del(source, "more");
    }
    weir_projection_status_read(&status, weir_pipeline_answer(&look->standing, asked->status),
                                look->now_ms);
    json_t *row = weir_projection_describe(&asked->name, &status, asked->name.sources);
    json_object_del(row, "behind");
    json_object_del(row, "more");
    json_object_set(row, "sources", asked->name.sources);
    return row;
}

/* ---- All of them ------------------------------------------------------------------------- */

static bool prepare(struct look *look, json_t *registered)
{
    size_t count = 0;
    const char **names = weir_names_sorted(registered, &count);
    look->asked = calloc(count + 1, sizeof(*look->asked));
    for (size_t i = 0; names && look->asked && i < count; i++)
        if (weir_projection_name_split(&look->asked[look->count].name, names[i],
                                       json_object_get(registered, names[i])))
            ask_standing(look, &look->asked[look->count++]);
    bool prepared = names && look->asked;
    free(names);
    return prepared;
}

json_t *weir_projections_look(struct weir_session *session, json_t *registered, int64_t now_ms,
                              struct weir_error *error)
{
    struct look look = {.session = session, .now_ms = now_ms};
    json_t *rows = NULL;
    enum weir_status status = prepare(&look, registered)
                                  ? weir_pipeline_run(&look.standing, &session->client, error)
                                  : weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    for (size_t i = 0; status == WEIR_OK && i < look.count; i++)
        ask_events(&look, &look.asked[i]);
    if (status == WEIR_OK)
        status = weir_pipeline_run(&look.events, &session->client, error);
    if (status == WEIR_OK)
        rows = json_array();
    for (size_t i = 0; look.asked && i < look.count; i++) {
        if (rows)
            json_array_append_new(rows, describe(&look, &look.asked[i]));
        weir_projection_name_close(&look.asked[i].name);
    }
    weir_pipeline_close(&look.standing);
    weir_pipeline_close(&look.events);
    free(look.asked);
    return rows;
}
