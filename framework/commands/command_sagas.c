/* weir sagas: lists sagas by the time they entered their state. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/command.h"
#include "commands/print.h"
#include "commands/values.h"
#include "commands/table.h"
#include "redis/key_names.h"

static const char *const states[] = {
    "all", "running", "compensating", "suspended", "completed", "compensated", NULL};

static const struct weir_option options[] = {
    {.name = "state",
     .kind = WEIR_OPTION_CHOICE,
     WEIR_SETTING(state),
     .initial = "all",
     .choices = states,
     .value_name = "STATE",
     .help = "those in this state: all, running, compensating, suspended, completed, compensated"},
    {.name = "limit",
     .kind = WEIR_OPTION_INTEGER,
     WEIR_SETTING(limit),
     .initial = "50",
     .minimum = 1,
     .maximum = 10000,
     .value_name = "N",
     .help = "at most so many, the newest"},
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

static const struct weir_column columns[] = {
    {.heading = "id", .key = "saga"},
    {.heading = "definition", .key = "definition"},
    {.heading = "version", .key = "version"},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = "since", .key = "since", .kind = WEIR_COLUMN_AGE},
    {.heading = "reason", .key = "reason"},
    {.heading = NULL},
};

static void append_ids(json_t *rows, const redisReply *scored, const char *state)
{
    for (size_t i = 0; i + 1 < weir_value_count(scored); i += 2) {
        json_t *row = json_object();
        json_object_set_new(row, "saga", weir_slice_json(weir_value_element(scored, i)));
        json_object_set_new(row, "state", json_string(state));
        json_object_set_new(row, "since",
                            weir_slice_json_number(weir_value_element(scored, i + 1)));
        json_array_append_new(rows, row);
    }
}

static enum weir_status read_state(struct weir_session *session, const char *state, json_t *rows,
                                   struct weir_error *error)
{
    char key[WEIR_KEY_MAX], last[24];
    snprintf(last, sizeof(last), "%" PRId64, session->settings.limit - 1);
    weir_key_saga_state(key, session->settings.prefix, state);
    redisReply *reply = weir_client_ask(&session->client, error, "ZRANGE", key, "0", last, "REV",
                                        "WITHSCORES", NULL);
    if (!reply)
        return error->status;
    append_ids(rows, reply, state);
    freeReplyObject(reply);
    return WEIR_OK;
}

static int newest_first(const void *one, const void *other)
{
    json_int_t a = json_integer_value(json_object_get(*(json_t *const *)one, "since"));
    json_int_t b = json_integer_value(json_object_get(*(json_t *const *)other, "since"));
    return (a < b) - (a > b);
}

/* The newest rows, each saga once: one that moved on between two questions stands in two sets. */
static json_t *pick(const json_t *rows, size_t limit)
{
    size_t count = json_array_size(rows);
    json_t *picked = json_array(), *seen = json_object();
    json_t **order = calloc(count + 1, sizeof(json_t *));
    for (size_t i = 0; order && i < count; i++)
        order[i] = json_array_get(rows, i);
    if (order)
        qsort(order, count, sizeof(json_t *), newest_first);
    for (size_t i = 0; order && i < count && json_array_size(picked) < limit; i++) {
        const char *saga = json_string_value(json_object_get(order[i], "saga"));
        if (!saga || json_object_get(seen, saga))
            continue;
        json_object_set_new(seen, saga, json_true());
        json_array_append(picked, order[i]);
    }
    free(order);
    json_decref(seen);
    return picked;
}

static enum weir_status complete(struct weir_session *session, json_t *row,
                                 struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_saga(key, session->settings.prefix, json_string_value(json_object_get(row, "saga")));
    redisReply *reply = weir_client_ask(&session->client, error, "HMGET", key, "definition",
                                        "version", "state", "reason", NULL);
    if (!reply)
        return error->status;
    json_object_set_new(row, "definition", weir_slice_json(weir_value_element(reply, 0)));
    json_object_set_new(row, "version", weir_slice_json_number(weir_value_element(reply, 1)));
    if (weir_value_element(reply, 2).at)
        json_object_set_new(row, "state", weir_slice_json(weir_value_element(reply, 2)));
    json_object_set_new(row, "reason", weir_slice_json(weir_value_element(reply, 3)));
    freeReplyObject(reply);
    return WEIR_OK;
}

/* The rows with all their columns, or NULL and an error. */
static json_t *read_sagas(struct weir_session *session, struct weir_error *error)
{
    json_t *rows = json_array(), *row;
    size_t i;
    int chosen = session->settings.state;
    enum weir_status status = WEIR_OK;
    for (int state = 1; states[state] && status == WEIR_OK; state++)
        if (chosen == 0 || chosen == state)
            status = read_state(session, states[state], rows, error);
    json_t *picked = pick(rows, (size_t)session->settings.limit);
    json_array_foreach(picked, i, row)
    {
        if (status == WEIR_OK)
            status = complete(session, row, error);
    }
    json_decref(rows);
    if (status == WEIR_OK)
        return picked;
    json_decref(picked);
    return NULL;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count, (void)operands;
    struct weir_error error = {0};
    int64_t now_ms = 0;
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    json_t *sagas = read_sagas(session, &error);
    if (!sagas || weir_session_now(session, &now_ms, &error) != WEIR_OK)
        code = weir_fail_by(&error);
    else if (session->settings.json)
        code = weir_print_json(json_incref(sagas));
    else
        code = weir_table_print(columns, sagas, now_ms);
    json_decref(sagas);
    return code;
}

const struct weir_command weir_command_sagas = {
    .name = "sagas",
    .operands = "",
    .summary = "Lists sagas, the newest first",
    .notes = "The column since says how long a saga has been in its state.",
    .options = options,
    .run = run,
};
