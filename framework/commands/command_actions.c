/* weir actions: lists what operators have done. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/command.h"
#include "commands/print.h"
#include "commands/table.h"
#include "commands/values.h"
#include "redis/entry_id.h"
#include "redis/key_names.h"

#define AT_ONCE 500
#define SINCE_MAX_MS INT64_C(315360000000)

static const struct weir_option options[] = {
    {.name = "limit",
     .kind = WEIR_OPTION_INTEGER,
     WEIR_SETTING(limit),
     .initial = "50",
     .minimum = 1,
     .maximum = 10000,
     .value_name = "N",
     .help = "at most so many, the newest"},
    {.name = "since",
     .kind = WEIR_OPTION_DURATION,
     .unit_needed = true,
     WEIR_SETTING(since_ms),
     .minimum = 1,
     .maximum = SINCE_MAX_MS,
     .value_name = "TIME",
     .help = "only of the last 10m, 2h, 7d"},
    {.name = "who",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(who),
     .value_name = "WHO",
     .help = "only by those whose name holds this"},
    {.name = "target",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(target),
     .value_name = "TARGET",
     .help = "only where the target, or the list of targets, holds this"},
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

static const struct weir_column columns[] = {
    {.heading = "age", .key = "at", .kind = WEIR_COLUMN_AGE},
    {.heading = "who", .key = "who"},
    {.heading = "via", .key = "via"},
    {.heading = "action", .key = "action"},
    {.heading = "target", .key = "target"},
    {.heading = "outcome", .key = "outcome"},
    {.heading = "details", .key = "details"},
    {.heading = NULL},
};

/* {entry, at, who, via, action, target, details, outcome}. */
static json_t *make_action(const redisReply *entry)
{
    static const char *const names[] = {"who", "via", "action", "target"};
    struct weir_slice id = weir_value_element(entry, 0);
    const redisReply *fields = weir_value_count(entry) == 2 ? entry->element[1] : NULL;
    json_t *action = json_object();
    json_object_set_new(action, "entry", weir_slice_json(id));
    json_object_set_new(action, "at", json_integer(id.at ? strtoll(id.at, NULL, 10) : -1));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        json_object_set_new(action, names[i], weir_slice_json(weir_value_field(fields, names[i])));
    json_object_set_new(action, "details",
                        weir_slice_json_object(weir_value_field(fields, "details")));
    json_object_set_new(action, "outcome", weir_slice_json(weir_value_field(fields, "outcome")));
    return action;
}

static bool holds(const json_t *value, const char *part)
{
    return !part || (json_is_string(value) && strstr(json_string_value(value), part));
}

static bool holds_target(const json_t *action, const char *part)
{
    const json_t *targets = json_object_get(json_object_get(action, "details"), "targets"), *one;
    size_t i;
    if (holds(json_object_get(action, "target"), part))
        return true;
    json_array_foreach(targets, i, one)
    {
        if (holds(one, part))
            return true;
    }
    return false;
}

static bool is_wanted(const struct weir_settings *settings, const json_t *action)
{
    return holds(json_object_get(action, "who"), settings->who) &&
           holds_target(action, settings->target);
}

/* Of a run over very many not all targets are named. */
static bool leaves_out(const json_t *action)
{
    return json_integer_value(json_object_get(json_object_get(action, "details"), "unnamed")) > 0;
}

/* The newest, batch by batch; the stream is bounded. NULL and an error. */
static json_t *read_actions(struct weir_session *session, int64_t now_ms, size_t *unsure,
                            struct weir_error *error)
{
    const struct weir_settings *settings = &session->settings;
    char key[WEIR_KEY_MAX], from[64] = "+", to[32] = "-", count[16];
    json_t *actions = json_array();
    size_t read = AT_ONCE;
    weir_key_actions(key, settings->prefix);
    snprintf(count, sizeof(count), "%d", AT_ONCE);
    if (settings->since_ms > 0 && settings->since_ms < now_ms)
        snprintf(to, sizeof(to), "%" PRId64, now_ms - settings->since_ms);
    while (read == AT_ONCE && json_array_size(actions) < (size_t)settings->limit) {
        redisReply *reply = weir_client_ask(&session->client, error, "XREVRANGE", key, from, to,
                                            "COUNT", count, NULL);
        if (!reply)
            return json_decref(actions), NULL;
        read = weir_value_count(reply);
        for (size_t i = 0; i < read && json_array_size(actions) < (size_t)settings->limit; i++) {
            json_t *action = make_action(reply->element[i]);
            if (is_wanted(settings, action))
                json_array_append(actions, action);
            else
                *unsure +=
                    leaves_out(action) && holds(json_object_get(action, "who"), settings->who);
            json_decref(action);
            snprintf(from, sizeof(from), "(%s", weir_value_element(reply->element[i], 0).at);
        }
        freeReplyObject(reply);
    }
    return actions;
}

/* The list of targets is for --json: it would hide the flags. */
static void dress(json_t *actions)
{
    json_t *action;
    size_t i;
    json_array_foreach(actions, i, action)
    {
        json_t *details = json_object_get(action, "details");
        json_object_del(details, "targets");
        if (json_is_object(details) && json_object_size(details) == 0)
            json_object_set_new(action, "details", json_null());
    }
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count, (void)operands;
    struct weir_error error = {0};
    int64_t now_ms = 0;
    size_t unsure = 0;
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (weir_session_now(session, &now_ms, &error) != WEIR_OK)
        return weir_fail_by(&error);
    json_t *actions = read_actions(session, now_ms, &unsure, &error);
    if (!actions)
        return weir_fail_by(&error);
    if (!session->settings.json)
        dress(actions);
    code = session->settings.json ? weir_print_json(json_incref(actions))
                                  : weir_table_print(columns, actions, now_ms);
    json_decref(actions);
    if (unsure > 0)
        weir_remark(
            "%zu more entries are of runs over so many targets that they name the first 100 "
            "only: %s may be among the others",
            unsure, session->settings.target);
    return code;
}

const struct weir_command weir_command_actions = {
    .name = "actions",
    .operands = "",
    .summary = "Lists what operators have done, the newest first",
    .notes =
        "Recorded are cancel, resume, signal, dead replay and drop, projection retry, skip,\n"
        "rebuild, abandon and forget, readers retire, services forget, definition load and\n"
        "install, by weir and by the dashboard; about 10,000 are kept. Starting sagas and sending\n"
        "messages is not.\n"
        "An action \"begun\" is of a run over many targets, and has an entry with its outcome, "
        "too,\n"
        "unless it was killed.\n"
        "A run over more than 100 targets names the first 100, and in details how many are\n"
        "\"unnamed\".\n"
        "--json: an array of {entry, at, who, via, action, target, details, outcome}.",
    .options = options,
    .run = run,
};
