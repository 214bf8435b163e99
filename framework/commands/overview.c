/* Gathers the overview. */
#include "commands/overview.h"

#include <stdlib.h>
#include <string.h>

#include "commands/projection_verbs.h"
#include "commands/service_look.h"
#include "commands/service_names.h"
#include "commands/values.h"
#include "redis/key_names.h"
#include "redis/pipeline.h"
#include "redis/reply.h"

static const char *const states[] = {"running", "compensating", "suspended", "completed",
                                     "compensated"};
#define STATES (sizeof(states) / sizeof(states[0]))

/* The first round, from which the others follow. */
struct first {
    struct weir_pipeline asking;
    size_t time, services, projections, info, states[STATES];
};

/* ---- The first round --------------------------------------------------------------------- */

static enum weir_status ask_first(struct weir_session *session, struct first *first,
                                  struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    const char *prefix = session->settings.prefix;
    first->time = weir_pipeline_add(&first->asking, "TIME", NULL);
    first->info = weir_pipeline_add(&first->asking, "INFO", "server", "memory", NULL);
    first->services =
        weir_pipeline_add(&first->asking, "HGETALL", weir_key_services(key, prefix), NULL);
    first->projections =
        weir_pipeline_add(&first->asking, "HGETALL", weir_key_projections(key, prefix), NULL);
    for (size_t i = 0; i < STATES; i++)
        first->states[i] = weir_pipeline_add(&first->asking, "ZCARD",
                                             weir_key_saga_state(key, prefix, states[i]), NULL);
    return weir_pipeline_run(&first->asking, &session->client, error);
}

static json_t *info_text(struct weir_slice info, const char *name)
{
    struct weir_slice value = {NULL, 0};
    return info.at && weir_reply_info(info, name, &value) ? weir_slice_json_number(value)
                                                          : json_null();
}

static json_t *describe_server(const struct weir_session *session, const redisReply *reply)
{
    struct weir_slice info = weir_value_text(reply);
    if (reply && reply->type == REDIS_REPLY_ERROR)
        info.at = NULL;
    json_t *valkey = info_text(info, "valkey_version");
    json_t *version = json_is_null(valkey) ? info_text(info, "redis_version") : valkey;
    return json_pack("{s:o, s:o, s:o, s:o}", "address",
                     weir_slice_json(weir_slice_of(session->endpoint.shown)), "version", version,
                     "usedMemory", info_text(info, "used_memory"), "maxMemory",
                     info_text(info, "maxmemory"));
}

static json_t *describe_sagas(const struct first *first)
{
    json_t *sagas = json_object();
    for (size_t i = 0; i < STATES; i++) {
        int64_t count = 0;
        bool told =
            weir_reply_integer(weir_pipeline_answer(&first->asking, first->states[i]), &count);
        json_object_set_new(sagas, states[i], told ? json_integer(count) : json_null());
    }
    return sagas;
}

/* ---- All services ------------------------------------------------------------------------ */

static json_t *add_up(const json_t *services, const char *name)
{
    json_int_t sum = 0;
    json_t *service;
    size_t i;
    json_array_foreach(services, i, service)
    {
        sum += json_integer_value(json_object_get(service, name));
    }
    return json_integer(sum);
}

static json_t *describe_totals(const json_t *services, const struct weir_crew *all)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "workers", (json_int_t)all->alive, "inHand",
                     (json_int_t)all->in_hand, "backlog", add_up(services, "backlog"), "pending",
                     add_up(services, "pending"), "scheduled", add_up(services, "scheduled"),
                     "dead", add_up(services, "dead"));
}

static enum weir_status add_services(struct weir_session *session, const redisReply *registered,
                                     int64_t now_ms, json_t *overview, struct weir_error *error)
{
    struct weir_crew all = {0};
    json_t *names = weir_services_of(registered);
    json_t *rows = weir_services_look(session, names, now_ms, &all, error);
    json_decref(names);
    if (!rows)
        return error->status;
    json_object_set_new(overview, "rate", weir_crew_rate(&all));
    json_object_set_new(overview, "totals", describe_totals(rows, &all));
    json_object_set_new(overview, "services", rows);
    return WEIR_OK;
}

/* ---- All of it --------------------------------------------------------------------------- */

static enum weir_status add_projections(struct weir_session *session, const redisReply *registered,
                                        int64_t now_ms, json_t *overview, struct weir_error *error)
{
    json_t *names = weir_projections_of(registered);
    json_t *rows = weir_projections_look(session, names, now_ms, error);
    json_decref(names);
    if (!rows)
        return error->status;
    json_object_set_new(overview, "projections", rows);
    return WEIR_OK;
}

/* What was denied or is of another type counts as empty there; only the clock cannot be missed. */
json_t *weir_overview_read(struct weir_session *session, struct weir_error *error)
{
    struct first first = {0};
    json_t *overview = json_object();
    int64_t now_ms = 0;
    enum weir_status status = ask_first(session, &first, error);
    const redisReply *time = weir_pipeline_answer(&first.asking, first.time);
    if (status == WEIR_OK)
        status = weir_client_error_of(&session->client, "TIME", time, error);
    if (status == WEIR_OK && !weir_reply_time(time, &now_ms))
        status = weir_error_set(error, WEIR_REFUSED, "%s gave no time", session->client.server);
    if (status == WEIR_OK) {
        json_object_set_new(overview, "now", json_integer(now_ms));
        json_object_set_new(
            overview, "server",
            describe_server(session, weir_pipeline_answer(&first.asking, first.info)));
        json_object_set_new(overview, "sagas", describe_sagas(&first));
        status = add_services(session, weir_pipeline_answer(&first.asking, first.services), now_ms,
                              overview, error);
    }
    if (status == WEIR_OK)
        status = add_projections(session, weir_pipeline_answer(&first.asking, first.projections),
                                 now_ms, overview, error);
    weir_pipeline_close(&first.asking);
    if (status == WEIR_OK)
        return overview;
    json_decref(overview);
    return NULL;
}
