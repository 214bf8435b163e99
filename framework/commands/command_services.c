/* weir services: how each service stands; of one, with its streams, readers and projections. */
#include <stdio.h>
#include <string.h>

#include "commands/command.h"
#include "commands/event_readers.h"
#include "commands/print.h"
#include "commands/projection_verbs.h"
#include "commands/service_forget.h"
#include "commands/service_look.h"
#include "commands/service_names.h"
#include "commands/service_tables.h"

#define SERVICES_MAX 64
#define FORGOTTEN_MS INT64_C(86400000)

static const struct weir_option options[] = {
    {.name = "search",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(search),
     .help = "find others, too, by looking through all keys of the server"},
    WEIR_OPERATOR_OPTION,
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

/* ---- Which ------------------------------------------------------------------------------- */

/* Spoiled definitions hide no service that is registered. */
static enum weir_status add_defined(struct weir_session *session, json_t *services,
                                    struct weir_error *error)
{
    struct weir_error own = {0};
    enum weir_status status = weir_services_add_defined(session, services, &own);
    if (status == WEIR_REFUSED || status == WEIR_DENIED)
        weir_remark("those that only definitions name are missing: %s", own.text);
    else if (status != WEIR_OK)
        return weir_error_set(error, status, "%s", own.text);
    return WEIR_OK;
}

/* All that are known, or those that were named with what is known of them. */
static json_t *find(struct weir_session *session, struct weir_error *error)
{
    bool complete = true;
    json_t *services = weir_services_registered(session, error);
    enum weir_status status = services ? add_defined(session, services, error) : error->status;
    if (status == WEIR_OK && session->settings.search)
        status = weir_services_search(session, services, &complete, error);
    if (!complete)
        weir_remark("the server has more keys than were looked at, and perhaps more services");
    if (status == WEIR_OK)
        return services;
    json_decref(services);
    return NULL;
}

static json_t *choose(const json_t *known, int count, char **names)
{
    json_t *chosen = json_object();
    for (int i = 0; i < count; i++) {
        json_t *last_sign = json_object_get(known, names[i]);
        json_object_set_new(chosen, names[i], last_sign ? json_incref(last_sign) : json_null());
    }
    return chosen;
}

static bool is_empty(const json_t *row)
{
    static const char *const counts[] = {"backlog", "scheduled", "dead"};
    const json_t *workers = json_object_get(row, "workers");
    bool any = !json_is_null(json_object_get(row, "problem")) ||
               json_integer_value(json_object_get(workers, "alive")) > 0 ||
               json_integer_value(json_object_get(workers, "silent")) > 0 ||
               json_integer_value(json_object_get(workers, "gone")) > 0;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        any = any || json_integer_value(json_object_get(row, counts[i])) > 0;
    return !any && json_is_null(json_object_get(row, "events"));
}

/* A name that is written wrong should not look like a service that rests. */
static int check_known(const json_t *rows, const json_t *known)
{
    json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        const char *service = json_string_value(json_object_get(row, "service"));
        if (!json_object_get(known, service) && is_empty(row))
            return weir_service_fail_unknown(service);
    }
    return WEIR_EXIT_FINE;
}

/* ---- What else belongs to a service ------------------------------------------------------ */

static enum weir_status add_events(struct weir_session *session, json_t *row, int64_t now_ms,
                                   struct weir_error *error)
{
    struct weir_error first = {0};
    json_t *events = weir_event_readers_read(
        session, json_string_value(json_object_get(row, "service")), FORGOTTEN_MS, now_ms, &first);
    if (!events && (first.status == WEIR_UNAVAILABLE || first.status == WEIR_UNKNOWN))
        return weir_error_set(error, first.status, "%s", first.text);
    if (!events && first.status != WEIR_NOT_FOUND && json_is_null(json_object_get(row, "problem")))
        json_object_set_new(row, "problem", json_string(first.text));
    json_object_set_new(row, "events", events ? events : json_null());
    return WEIR_OK;
}

static void add_projections(json_t *row, const json_t *projections)
{
    const char *service = json_string_value(json_object_get(row, "service"));
    json_t *own = json_array(), *projection;
    size_t i;
    json_array_foreach(projections, i, projection)
    {
        if (strcmp(json_string_value(json_object_get(projection, "view")), service) == 0)
            json_array_append(own, projection);
    }
    json_object_set_new(row, "projections", own);
}

static enum weir_status complete(struct weir_session *session, json_t *rows, int64_t now_ms,
                                 struct weir_error *error)
{
    json_t *registered = weir_projections_read(session, error), *projections = NULL, *row;
    size_t i;
    if (registered)
        projections = weir_projections_look(session, registered, now_ms, error);
    json_decref(registered);
    if (!projections)
        return error->status;
    json_array_foreach(rows, i, row)
    {
        add_projections(row, projections);
        if (error->status == WEIR_OK)
            (void)!add_events(session, row, now_ms, error);
    }
    json_decref(projections);
    return error->status;
}

/* ---- The command ------------------------------------------------------------------------- */

static bool forgets(int count, char **names)
{
    return count > 1 && strcmp(names[0], "forget") == 0;
}

static bool shows(int count, char **names)
{
    return !forgets(count, names);
}

static int check(const struct weir_settings *settings, int count, char **names)
{
    if (forgets(count, names) && (count > 2 || settings->search))
        return weir_fail(WEIR_EXIT_USAGE, "services forget takes the name of one service");
    for (int i = 0; i < count; i++)
        if (weir_service_check(names[i]) != WEIR_EXIT_FINE)
            return WEIR_EXIT_USAGE;
    return WEIR_EXIT_FINE;
}

static int report(const struct weir_session *session, json_t *rows, int64_t now_ms, bool named)
{
    if (session->settings.json)
        return weir_print_json(
            json_pack("{s:I, s:O}", "now", (json_int_t)now_ms, "services", rows));
    if (json_array_size(rows) == 0)
        weir_remark("no service is registered on this server; workers register when they start");
    return weir_services_print(rows, now_ms, named && json_array_size(rows) == 1);
}

static int run(struct weir_session *session, int count, char **names)
{
    struct weir_error error = {0};
    int64_t now_ms = 0;
    json_t *known = NULL, *chosen = NULL, *rows = NULL;
    int code = check(&session->settings, count, names);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (forgets(count, names))
        return weir_service_forget(session, names[1]);
    if (weir_session_now(session, &now_ms, &error) == WEIR_OK)
        known = find(session, &error);
    if (known)
        chosen = count > 0 ? choose(known, count, names) : json_incref(known);
    if (chosen)
        rows = weir_services_look(session, chosen, now_ms, NULL, &error);
    if (!rows || complete(session, rows, now_ms, &error) != WEIR_OK)
        code = weir_fail_by(&error);
    else
        code = check_known(rows, known);
    if (code == WEIR_EXIT_FINE)
        code = report(session, rows, now_ms, count > 0);
    json_decref(known);
    json_decref(chosen);
    json_decref(rows);
    return code;
}

const struct weir_command weir_command_services = {
    .name = "services",
    .operands = "[forget] [service…]",
    .summary = "Shows how each service stands, or forgets one that is no more",
    .notes =
        "A service is listed when a worker of it has run, or a definition names it. The columns:\n"
        "  workers    how many are alive; others have been silent for 15s, or gone for 1m\n"
        "  backlog    messages in its inboxes, pending ones among them\n"
        "  oldest     how old the oldest of these is\n"
        "  rate       messages handled a second, as its workers told last\n"
        "  state      ok, behind (the oldest waits for more than a minute), or unattended (no\n"
        "             worker is alive)\n"
        "With one service named, its streams, the readers of its events and its projections\n"
        "follow. What the server does not tell is '-', and why it does not stands at the end.\n"
        "forget takes a service out of the list, which else stays there for ever. It is refused\n"
        "while the service has live workers; its messages and its state stay as they are.",
    .options = options,
    .operands_minimum = 0,
    .operands_maximum = SERVICES_MAX,
    .run = run,
    .shows = shows,
};
