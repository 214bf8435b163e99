/* Finds services: in their register, in definitions, by their keys. */
#include "commands/service_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/values.h"
#include "redis/key_names.h"
#include "redis/pipeline.h"
#include "redis/reply.h"

#define SCAN_COUNT "1000"
#define SCANS_MAX 20000 /* some twenty million keys */
#define DEFINITIONS_MAX 1000

int weir_service_check(const char *name)
{
    if (weir_name_valid(name, strlen(name)))
        return WEIR_EXIT_FINE;
    return weir_fail(WEIR_EXIT_USAGE,
                     "<service>: '%s' is no name of a service; it must be a letter and then "
                     "letters, digits, '_' or '-', 64 bytes at most",
                     name);
}

/* `last_sign`: NULL where nothing is known of it; what is known stays. */
static void add(json_t *services, struct weir_slice name, json_t *last_sign_take)
{
    char text[128];
    snprintf(text, sizeof(text), "%.*s", name.at ? (int)name.length : 0, name.at ? name.at : "");
    if (weir_name_valid(text, strlen(text)) && strlen(text) == name.length &&
        !json_is_integer(json_object_get(services, text)))
        json_object_set_new(services, text, last_sign_take);
    else
        json_decref(last_sign_take);
}

/* ---- The register ------------------------------------------------------------------------ */

json_t *weir_services_of(const redisReply *pairs)
{
    json_t *services = json_object();
    for (size_t i = 0; i + 1 < weir_value_count(pairs); i += 2) {
        int64_t at = 0;
        bool known = weir_slice_integer(weir_value_element(pairs, i + 1), &at);
        add(services, weir_value_element(pairs, i), json_integer(known && at > 0 ? at : 0));
    }
    return services;
}

json_t *weir_services_registered(struct weir_session *session, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_services(key, session->settings.prefix);
    redisReply *reply = weir_client_ask(&session->client, error, "HGETALL", key, NULL);
    if (!reply)
        return NULL;
    json_t *services = weir_services_of(reply);
    freeReplyObject(reply);
    return services;
}

/* ---- Definitions ------------------------------------------------------------------------- */

static void add_steps(json_t *services, struct weir_slice definition)
{
    json_t *parsed = definition.at ? json_loadb(definition.at, definition.length, 0, NULL) : NULL;
    json_t *step;
    size_t i;
    json_array_foreach(json_object_get(parsed, "steps"), i, step)
    {
        const json_t *service = json_object_get(step, "service");
        if (json_is_string(service))
            add(services,
                (struct weir_slice){json_string_value(service), json_string_length(service)},
                json_null());
    }
    json_decref(parsed);
}

/* Asks each definition for the field that `fields` names (its version), or "latest". */
static enum weir_status ask_each(struct weir_session *session, struct weir_pipeline *asking,
                                 const redisReply *names, const struct weir_pipeline *versions,
                                 struct weir_error *error)
{
    for (size_t i = 0; i < weir_value_count(names) && i < DEFINITIONS_MAX; i++) {
        char key[WEIR_KEY_MAX];
        struct weir_slice name = weir_value_element(names, i);
        struct weir_slice field =
            versions ? weir_value_text(weir_pipeline_answer(versions, i)) : weir_slice_of("latest");
        bool valid = name.at && weir_name_valid(name.at, name.length);
        weir_key_definition(key, session->settings.prefix, valid ? name.at : "");
        const char *words[] = {"HGET", key, field.at ? field.at : ""};
        const size_t lengths[] = {4, strlen(key), field.length};
        weir_pipeline_add_words(asking, 3, words, lengths);
    }
    return weir_pipeline_run(asking, &session->client, error);
}

enum weir_status weir_services_add_defined(struct weir_session *session, json_t *services,
                                           struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    struct weir_pipeline versions = {0}, definitions = {0};
    weir_key_definitions(key, session->settings.prefix);
    redisReply *names = weir_client_ask(&session->client, error, "SMEMBERS", key, NULL);
    if (!names)
        return error->status;
    enum weir_status status = ask_each(session, &versions, names, NULL, error);
    if (status == WEIR_OK)
        status = ask_each(session, &definitions, names, &versions, error);
    for (size_t i = 0; status == WEIR_OK && i < definitions.count; i++)
        add_steps(services, weir_value_text(weir_pipeline_answer(&definitions, i)));
    weir_pipeline_close(&versions);
    weir_pipeline_close(&definitions);
    freeReplyObject(names);
    return status;
}

/* ---- Searching --------------------------------------------------------------------------- */

/* What the names of services are taken from. */
static const char *const tails[] = {"}:commands", "}:events", "}:workers"};

/* A namespace is matched as it is written. */
static void write_pattern(char *pattern, size_t room, const char *prefix)
{
    size_t length = 0;
    for (; *prefix && length + 16 < room; prefix++) {
        if (strchr("*?[]^", *prefix))
            pattern[length++] = '\\';
        pattern[length++] = *prefix;
    }
    snprintf(pattern + length, room - length, "{*}:[cew]*");
}

static void add_owner(json_t *services, const char *prefix, struct weir_slice key)
{
    size_t head = strlen(prefix) + 1;
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        size_t tail = strlen(tails[i]);
        if (key.length > head + tail && memcmp(key.at + key.length - tail, tails[i], tail) == 0)
            add(services, (struct weir_slice){key.at + head, key.length - head - tail},
                json_null());
    }
}

/* One step of the search; `cursor` is "0" at its end. */
static enum weir_status search_on(struct weir_session *session, const char *pattern, char *cursor,
                                  size_t room, json_t *services, struct weir_error *error)
{
    redisReply *reply = weir_client_ask(&session->client, error, "SCAN", cursor, "MATCH", pattern,
                                        "COUNT", SCAN_COUNT, NULL);
    if (!reply)
        return error->status;
    struct weir_slice next = weir_value_element(reply, 0);
    const redisReply *keys = weir_reply_at(reply, 1);
    for (size_t i = 0; i < weir_value_count(keys); i++)
        if (weir_value_element(keys, i).at)
            add_owner(services, session->settings.prefix, weir_value_element(keys, i));
    snprintf(cursor, room, "%.*s", next.at ? (int)next.length : 1, next.at ? next.at : "0");
    freeReplyObject(reply);
    return WEIR_OK;
}

enum weir_status weir_services_search(struct weir_session *session, json_t *services,
                                      bool *complete, struct weir_error *error)
{
    char pattern[256], cursor[32] = "0";
    enum weir_status status = WEIR_OK;
    int scans = 0;
    write_pattern(pattern, sizeof(pattern), session->settings.prefix);
    do
        status = search_on(session, pattern, cursor, sizeof(cursor), services, error);
    while (status == WEIR_OK && strcmp(cursor, "0") != 0 && ++scans < SCANS_MAX);
    *complete = scans < SCANS_MAX;
    return status;
}

/* ---- One service ------------------------------------------------------------------------- */

static bool has_traces(struct weir_session *session, const char *service, struct weir_error *error)
{
    char keys[5][WEIR_KEY_MAX], registered[WEIR_KEY_MAX];
    const char *prefix = session->settings.prefix;
    struct weir_pipeline asking = {0};
    int64_t in_register = 0, there = 0;
    weir_pipeline_add(&asking, "HEXISTS", weir_key_services(registered, prefix), service, NULL);
    weir_pipeline_add(&asking, "EXISTS", weir_key_commands(keys[0], prefix, service),
                      weir_key_events(keys[1], prefix, service),
                      weir_key_dead(keys[2], prefix, service),
                      weir_key_scheduled(keys[3], prefix, service),
                      weir_key_workers(keys[4], prefix, service), NULL);
    bool asked = weir_pipeline_run(&asking, &session->client, error) == WEIR_OK &&
                 weir_reply_integer(weir_pipeline_answer(&asking, 0), &in_register) &&
                 weir_reply_integer(weir_pipeline_answer(&asking, 1), &there);
    weir_pipeline_close(&asking);
    return !asked || in_register + there > 0;
}

bool weir_service_known(struct weir_session *session, const char *service)
{
    struct weir_error error = {0};
    if (has_traces(session, service, &error))
        return true;
    json_t *defined = json_object();
    bool known = weir_services_add_defined(session, defined, &error) != WEIR_OK ||
                 json_object_get(defined, service);
    json_decref(defined);
    return known;
}

int weir_service_fail_unknown(const char *service)
{
    return weir_fail_missing(
        "no service %s: it is not registered, named in no definition, and nothing of "
        "it is on this server",
        service);
}

/* ---- Order ------------------------------------------------------------------------------- */

static int compare_names(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

const char **weir_names_sorted(json_t *object, size_t *count)
{
    const char **names = malloc((json_object_size(object) + 1) * sizeof(*names)), *name;
    json_t *value;
    *count = 0;
    if (!names)
        return NULL;
    json_object_foreach(object, name, value)
    {
        names[(*count)++] = name;
    }
    qsort(names, *count, sizeof(*names), compare_names);
    return names;
}
