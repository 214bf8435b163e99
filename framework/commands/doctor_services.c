/* Looks at the services that the server knows: found by their keys, as there is no list of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/doctor.h"
#include "commands/event_readers.h"
#include "commands/values.h"
#include "redis/key_names.h"
#include "redis/reply.h"

#define SCAN_COUNT "1000"
#define SCANS_MAX 20000 /* some twenty million keys */
#define GONE_AFTER_MS 60000
#define OVERDUE_MS 60000
#define FORGOTTEN_MS INT64_C(86400000)
#define DETAILS_MAX 20 /* workers or readers of one service */

/* ---- Finding them ------------------------------------------------------------------------ */

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

static void add_service(json_t *services, const char *prefix, struct weir_slice key)
{
    size_t head = strlen(prefix) + 1;
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        size_t tail = strlen(tails[i]);
        char name[128];
        if (key.length <= head + tail || key.length - head - tail >= sizeof(name) ||
            memcmp(key.at + key.length - tail, tails[i], tail) != 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(key.length - head - tail), key.at + head);
        if (weir_name_valid(name, strlen(name)))
            json_object_set_new(services, name, json_true());
    }
}

/* One step of the search; returns false at its end. */
static bool search_on(struct weir_doctor *doctor, const char *pattern, char *cursor, size_t room,
                      json_t *services)
{
    redisReply *reply = weir_doctor_ask(doctor, "rights", "SCAN", "SCAN", cursor, "MATCH", pattern,
                                        "COUNT", SCAN_COUNT, NULL);
    if (!reply)
        return false;
    struct weir_slice next = weir_value_element(reply, 0);
    const redisReply *keys = weir_reply_at(reply, 1);
    for (size_t i = 0; i < weir_value_count(keys); i++)
        if (weir_value_element(keys, i).at)
            add_service(services, doctor->session->settings.prefix, weir_value_element(keys, i));
    snprintf(cursor, room, "%.*s", (int)next.length, next.at ? next.at : "0");
    freeReplyObject(reply);
    return strcmp(cursor, "0") != 0;
}

/* An object whose names are those of the services. */
static json_t *find_services(struct weir_doctor *doctor)
{
    json_t *services = json_object();
    char pattern[256], cursor[32] = "0";
    int scans = 1;
    write_pattern(pattern, sizeof(pattern), doctor->session->settings.prefix);
    while (search_on(doctor, pattern, cursor, sizeof(cursor), services) && scans < SCANS_MAX)
        scans++;
    if (scans == SCANS_MAX)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "services", "SCAN",
                         "the server has more keys than were looked at, and perhaps more services");
    return services;
}

/* ---- Workers ----------------------------------------------------------------------------- */

static int64_t silence_of(const struct weir_doctor *doctor, struct weir_slice worker)
{
    json_t *about = worker.at ? json_loadb(worker.at, worker.length, 0, NULL) : NULL;
    int64_t silence = doctor->now_ms - json_integer_value(json_object_get(about, "heartbeat"));
    json_decref(about);
    return silence;
}

static void tell_gone(struct weir_doctor *doctor, const char *key, struct weir_slice consumer,
                      int64_t silence_ms)
{
    weir_doctor_find(
        doctor, WEIR_FINDING_WARNING, "workers", key,
        "%.*s has given no sign of life for %s; what it had in hand is taken over, and "
        "its name goes, when another worker of the service runs",
        (int)(consumer.length < 200 ? consumer.length : 200), consumer.at,
        weir_span_of(silence_ms).text);
}

/* How many are alive. */
static size_t look_at_workers(struct weir_doctor *doctor, const char *service)
{
    char key[WEIR_KEY_MAX];
    size_t alive = 0, told = 0;
    weir_key_workers(key, doctor->session->settings.prefix, service);
    redisReply *pairs = weir_doctor_ask(doctor, "workers", key, "HGETALL", key, NULL);
    for (size_t i = 0; i + 1 < weir_value_count(pairs); i += 2) {
        struct weir_slice consumer = weir_value_element(pairs, i);
        int64_t silence_ms = silence_of(doctor, weir_value_element(pairs, i + 1));
        if (silence_ms < GONE_AFTER_MS)
            alive++;
        else if (consumer.at && told++ < DETAILS_MAX)
            tell_gone(doctor, key, consumer, silence_ms);
    }
    if (pairs)
        freeReplyObject(pairs);
    if (alive > 0)
        weir_doctor_find(doctor, WEIR_FINDING_OK, "workers", key, "%zu alive", alive);
    else
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "workers", key,
                         "no worker of %s is alive; start one", service);
    return alive;
}

/* ---- Inboxes and schedule ---------------------------------------------------------------- */

static bool has_group(const redisReply *groups, const char *name)
{
    for (size_t i = 0; i < weir_value_count(groups); i++)
        if (weir_slice_equals(weir_value_field(groups->element[i], "name"), name))
            return true;
    return false;
}

/* Workers make the group at once where it is missing; with another --group it has another name. */
static void look_at_group(struct weir_doctor *doctor, const char *key, const char *service,
                          bool alive)
{
    redisReply *groups = weir_doctor_ask(doctor, "group", key, "XINFO", "GROUPS", key, NULL);
    if (groups && weir_value_count(groups) == 0)
        weir_doctor_find(doctor, alive ? WEIR_FINDING_PROBLEM : WEIR_FINDING_WARNING, "group", key,
                         "has no consumer group, so nobody reads it; a worker of %s makes it when "
                         "it starts",
                         service);
    else if (groups && !has_group(groups, service))
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "group", key,
                         "is read by no group %s, only by others; right where workers are given "
                         "--group",
                         service);
    if (groups)
        freeReplyObject(groups);
}

static void look_at_inbox(struct weir_doctor *doctor, const char *service, const char *name,
                          bool alive)
{
    char key[WEIR_KEY_MAX];
    weir_key_named(key, doctor->session->settings.prefix, service, name);
    weir_doctor_look_at_stream(doctor, key, service, true, alive);
    look_at_group(doctor, key, service, alive);
}

static void look_at_schedule(struct weir_doctor *doctor, const char *service, bool alive)
{
    char key[WEIR_KEY_MAX];
    int64_t due_ms = 0;
    weir_key_scheduled(key, doctor->session->settings.prefix, service);
    redisReply *first =
        weir_doctor_ask(doctor, "schedule", key, "ZRANGE", key, "0", "0", "WITHSCORES", NULL);
    if (weir_value_count(first) > 1 && weir_slice_integer(weir_value_element(first, 1), &due_ms) &&
        doctor->now_ms - due_ms > OVERDUE_MS)
        weir_doctor_find(
            doctor, alive ? WEIR_FINDING_WARNING : WEIR_FINDING_PROBLEM, "schedule", key,
            "the first message is due since %s%s%s", weir_span_of(doctor->now_ms - due_ms).text,
            alive ? "; look at the logs of the workers of " : "; no worker is alive: start one of ",
            service);
    if (first)
        freeReplyObject(first);
}

/* ---- What lies about --------------------------------------------------------------------- */

static void look_at_dead(struct weir_doctor *doctor, const char *service)
{
    char key[WEIR_KEY_MAX];
    int64_t count = 0;
    weir_key_dead(key, doctor->session->settings.prefix, service);
    weir_doctor_look_at_stream(doctor, key, service, false, true);
    redisReply *length = weir_doctor_ask(doctor, "dead", key, "XLEN", key, NULL);
    if (weir_reply_integer(length, &count) && count > 0)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "dead", key,
                         "%" PRId64 " dead letters; see why: weir dead %s", count, service);
    if (length)
        freeReplyObject(length);
}

static void judge_reader(struct weir_doctor *doctor, const char *key, const char *service,
                         const json_t *reader)
{
    const char *name = json_string_value(json_object_get(reader, "name"));
    const char *state = json_string_value(json_object_get(reader, "state"));
    const json_t *oldest = json_object_get(reader, "oldestUnfinished");
    int64_t age_ms = doctor->now_ms - json_integer_value(oldest);
    /* What a projection has entered may be older than its checkpoint, which is looked at with it.
     */
    bool projection = strcmp(json_string_value(json_object_get(reader, "kind")), "projection") == 0;
    if (!name || !state || strcmp(state, "reading") == 0)
        return;
    if (strcmp(state, "forgotten") == 0)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "readers", key,
                         "%s has not read for a day, and events of %s are kept for it; start it, "
                         "or: weir readers %s retire %s",
                         name, weir_span_of(age_ms).text, service, name);
    else if (!projection)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "readers", key,
                         "%s is behind by %s; see how far: weir readers %s", name,
                         weir_span_of(age_ms).text, service);
}

static void look_at_events(struct weir_doctor *doctor, const char *service)
{
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    size_t place;
    json_t *reader;
    weir_key_events(key, doctor->session->settings.prefix, service);
    weir_doctor_look_at_stream(doctor, key, service, false, true);
    if (doctor->lost.status != WEIR_OK)
        return;
    json_t *found =
        weir_event_readers_read(doctor->session, service, FORGOTTEN_MS, doctor->now_ms, &error);
    if (!found && error.status != WEIR_NOT_FOUND && !strstr(error.text, "WRONGTYPE"))
        weir_doctor_find_error(doctor, "readers", key, &error);
    json_array_foreach(json_object_get(found, "readers"), place, reader)
    {
        if (place < DETAILS_MAX)
            judge_reader(doctor, key, service, reader);
    }
    json_decref(found);
}

static void look_at_sagas(struct weir_doctor *doctor)
{
    char key[WEIR_KEY_MAX];
    int64_t count = 0;
    weir_key_saga_state(key, doctor->session->settings.prefix, "suspended");
    redisReply *reply = weir_doctor_ask(doctor, "sagas", key, "ZCARD", key, NULL);
    if (weir_reply_integer(reply, &count) && count > 0)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "sagas", key,
                         "%" PRId64 " sagas wait for an operator; list them: weir sagas --state "
                         "suspended",
                         count);
    if (reply)
        freeReplyObject(reply);
}

/* ---- All of them ------------------------------------------------------------------------- */

static void look_at_service(struct weir_doctor *doctor, const char *service)
{
    bool alive = look_at_workers(doctor, service) > 0;
    look_at_inbox(doctor, service, "commands", alive);
    if (strcmp(service, WEIR_SAGAS) == 0) {
        look_at_inbox(doctor, service, "replies", alive);
        look_at_inbox(doctor, service, "held", alive);
        look_at_sagas(doctor);
    }
    look_at_schedule(doctor, service, alive);
    look_at_dead(doctor, service);
    look_at_events(doctor, service);
}

static int compare_names(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* In the order of their names, so that two runs can be compared. */
static void look_at_all(struct weir_doctor *doctor, json_t *services)
{
    size_t count = 0;
    const char **names = malloc((json_object_size(services) + 1) * sizeof(*names)), *name;
    json_t *there;
    if (!names) {
        weir_error_set(&doctor->lost, WEIR_NO_MEMORY, "memory ran out");
        return;
    }
    json_object_foreach(services, name, there)
    {
        names[count++] = name;
    }
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count && doctor->lost.status == WEIR_OK; i++)
        look_at_service(doctor, names[i]);
    free(names);
}

void weir_doctor_look_at_services(struct weir_doctor *doctor)
{
    json_t *services = find_services(doctor);
    if (doctor->lost.status == WEIR_OK && json_object_size(services) == 0)
        weir_doctor_find(doctor, WEIR_FINDING_OK, "services", "none",
                         "no service has run on this server yet");
    look_at_all(doctor, services);
    json_decref(services);
}
