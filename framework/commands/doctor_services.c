/* Looks at the services that the server knows: registered ones, and those that only their keys tell
 * of. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/doctor.h"
#include "commands/event_readers.h"
#include "commands/live_worker.h"
#include "commands/service_names.h"
#include "commands/values.h"
#include "redis/key_names.h"
#include "redis/reply.h"

#define OVERDUE_MS 60000
#define FORGOTTEN_MS INT64_C(86400000)
#define HELD_LONG_MS "60000"
#define HELD_COUNTED "100"
#define DETAILS_MAX 20 /* workers or readers of one service */

/* ---- Finding them ------------------------------------------------------------------------ */

/* Not from their keys alone: one whose keys are all empty is looked for there in vain. `*sure` is
 * false where there may be others. */
static json_t *find_services(struct weir_doctor *doctor, bool *sure)
{
    struct weir_error register_error = {0}, scan_error = {0};
    bool complete = true;
    json_t *services = weir_services_registered(doctor->session, &register_error);
    if (!services) {
        weir_doctor_find_error(doctor, "services", "services", &register_error);
        services = json_object();
    }
    if (doctor->lost.status == WEIR_OK &&
        weir_services_search(doctor->session, services, &complete, &scan_error) != WEIR_OK)
        weir_doctor_find_error(doctor, "rights", "SCAN", &scan_error);
    *sure = complete && register_error.status == WEIR_OK && scan_error.status == WEIR_OK;
    if (!complete)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "services", "SCAN",
                         "the server has more keys than were looked at, and perhaps more services; "
                         "those that are registered are all here");
    return services;
}

/* What is not registered is seen by nobody who does not search for it. */
static void judge_registered(struct weir_doctor *doctor, const char *service,
                             const json_t *last_sign, bool alive)
{
    if (json_is_integer(last_sign))
        return;
    if (alive)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "services", service,
                         "is not registered, though a worker is alive: it is older than that "
                         "register, or its user may not write {weir}:services; update it, or grant "
                         "that");
    else
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "services", service,
                         "is not registered: no worker of it has run here; if its name is written "
                         "wrong somewhere, send to the right one and delete its keys");
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

/* How many are alive; their names become members of `lively`. */
static size_t look_at_workers(struct weir_doctor *doctor, const char *service, json_t *lively)
{
    char key[WEIR_KEY_MAX];
    size_t alive = 0, told = 0;
    weir_key_workers(key, doctor->session->settings.prefix, service);
    redisReply *pairs = weir_doctor_ask(doctor, "workers", key, "HGETALL", key, NULL);
    for (size_t i = 0; i + 1 < weir_value_count(pairs); i += 2) {
        struct weir_slice consumer = weir_value_element(pairs, i);
        int64_t silence_ms = silence_of(doctor, weir_value_element(pairs, i + 1));
        if (silence_ms < WEIR_WORKER_SILENT_MS) {
            json_t *name = weir_slice_json(consumer);
            json_object_set_new(lively, json_string_value(name), json_true());
            json_decref(name);
            alive++;
        } else if (consumer.at && told++ < DETAILS_MAX)
            tell_gone(doctor, key, consumer, silence_ms);
    }
    if (pairs)
        freeReplyObject(pairs);
    if (alive > 0)
        weir_doctor_find(doctor, WEIR_FINDING_OK, "workers", key, "%zu alive", alive);
    else
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "workers", key,
                         "no worker of %s is alive; start %s", service,
                         strcmp(service, WEIR_SAGAS) == 0 ? "weir-coordinator" : "one");
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

/* consumer → {count, idle} of entries that have been given out for long: those of workers that are
 * alive are claimed again and again. */
static json_t *count_held(const redisReply *entries, const json_t *lively)
{
    json_t *held = json_object();
    for (size_t i = 0; i < weir_value_count(entries); i++) {
        int64_t idle_ms = 0;
        json_t *consumer = weir_slice_json(weir_value_element(entries->element[i], 1)), *of;
        const char *name = json_string_value(consumer);
        (void)weir_reply_integer(weir_reply_at(entries->element[i], 2), &idle_ms);
        of = name ? json_object_get(held, name) : NULL;
        json_int_t idle = json_integer_value(json_object_get(of, "idle")),
                   count = json_integer_value(json_object_get(of, "count"));
        if (name && !json_object_get(lively, name))
            json_object_set_new(held, name,
                                json_pack("{s:I, s:I}", "count", count + 1, "idle",
                                          idle > idle_ms ? idle : (json_int_t)idle_ms));
        json_decref(consumer);
    }
    return held;
}

/* What a consumer holds that no worker answers for is taken over by those that are alive. */
static void look_at_held(struct weir_doctor *doctor, const char *key, const char *service,
                         const json_t *lively)
{
    struct weir_error missing = {0}; /* a group that is not there has been told */
    const char *consumer;
    json_t *of;
    if (doctor->lost.status != WEIR_OK)
        return;
    redisReply *entries =
        weir_client_ask(&doctor->session->client, &missing, "XPENDING", key, service, "IDLE",
                        HELD_LONG_MS, "-", "+", HELD_COUNTED, NULL);
    if (!entries && missing.status != WEIR_REFUSED)
        weir_doctor_find_error(doctor, "consumers", key, &missing);
    json_t *held = count_held(entries, lively);
    json_object_foreach(held, consumer, of)
    {
        bool alive = json_object_size(lively) > 0;
        weir_doctor_find(doctor, alive ? WEIR_FINDING_WARNING : WEIR_FINDING_PROBLEM, "consumers",
                         key,
                         "%.200s holds %" JSON_INTEGER_FORMAT " messages, one for %s, and is not "
                         "among the live workers; %s of %s",
                         consumer, json_integer_value(json_object_get(of, "count")),
                         weir_span_of(json_integer_value(json_object_get(of, "idle"))).text,
                         alive ? "they should have been taken over: look at the logs of the workers"
                               : "nobody takes them over: start a worker",
                         service);
    }
    json_decref(held);
    if (entries)
        freeReplyObject(entries);
}

static void look_at_inbox(struct weir_doctor *doctor, const char *service, const char *name,
                          const json_t *lively)
{
    char key[WEIR_KEY_MAX];
    bool alive = json_object_size(lively) > 0;
    weir_key_named(key, doctor->session->settings.prefix, service, name);
    weir_doctor_look_at_stream(doctor, key, service, true, alive);
    look_at_group(doctor, key, service, alive);
    look_at_held(doctor, key, service, lively);
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
    const json_t *oldest = json_object_get(reader, "oldestUnfinished"),
                 *consumers = json_object_get(reader, "consumers");
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
    else if (json_is_integer(consumers) && json_integer_value(consumers) == 0)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "readers", key,
                         "%s is behind by %s and has no consumer: start a worker of it, or, where "
                         "there is none any more: weir readers %s retire %s",
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

static void look_at_service(struct weir_doctor *doctor, const char *service,
                            const json_t *last_sign)
{
    json_t *lively = json_object();
    bool alive = look_at_workers(doctor, service, lively) > 0;
    judge_registered(doctor, service, last_sign, alive);
    look_at_inbox(doctor, service, "commands", lively);
    if (strcmp(service, WEIR_SAGAS) == 0) {
        look_at_inbox(doctor, service, "replies", lively);
        look_at_inbox(doctor, service, "held", lively);
        look_at_sagas(doctor);
    }
    look_at_schedule(doctor, service, alive);
    look_at_dead(doctor, service);
    look_at_events(doctor, service);
    json_decref(lively);
}

/* In the order of their names, so that two runs can be compared. */
static void look_at_all(struct weir_doctor *doctor, json_t *services)
{
    size_t count = 0;
    const char **names = weir_names_sorted(services, &count);
    if (!names) {
        weir_error_set(&doctor->lost, WEIR_NO_MEMORY, "memory ran out");
        return;
    }
    for (size_t i = 0; i < count && doctor->lost.status == WEIR_OK; i++)
        look_at_service(doctor, names[i], json_object_get(services, names[i]));
    free(names);
}

void weir_doctor_look_at_services(struct weir_doctor *doctor)
{
    bool sure = false;
    json_t *services = find_services(doctor, &sure);
    if (sure && json_object_size(services) == 0)
        weir_doctor_find(doctor, WEIR_FINDING_OK, "services", "none",
                         "no service has run on this server yet");
    look_at_all(doctor, services);
    json_decref(services);
}
