/* weir start: starts a saga, and waits for its end where asked to. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/input.h"
#include "commands/print.h"
#include "commands/values.h"
#include "commands/wait.h"
#include "redis/key_names.h"

static const struct weir_option options[] = {
    {.name = "id",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(id),
     .value_name = "ID",
     .help = "the saga's id; a second start with it changes nothing"},
    {.name = "data",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(data),
     .value_name = "JSON|@FILE|-",
     .help = "the saga's data, a JSON object"},
    WEIR_WAIT_OPTION,
    WEIR_COMMON_OPTIONS};

static int check_names(const char *definition, const char *id)
{
    if (!weir_name_valid(definition, strlen(definition)))
        return weir_fail(WEIR_EXIT_USAGE,
                         "<saga>: '%s' is no name of a definition; it must be a letter and then "
                         "letters, digits, '_' or '-', 64 bytes at most",
                         definition);
    if (id && (!weir_id_valid(id, strlen(id)) || !weir_utf8_valid(id, strlen(id))))
        return weir_fail(WEIR_EXIT_USAGE, "--id: '%s' is no id; it must be " WEIR_ID_FORM, id);
    return WEIR_EXIT_FINE;
}

/* Whether the key is there; WEIR_OK or the error. */
static enum weir_status look_up(struct weir_session *session, const char *key, bool *there,
                                struct weir_error *error)
{
    redisReply *reply = weir_client_ask(&session->client, error, "EXISTS", key, NULL);
    if (!reply)
        return error->status;
    *there = reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
    freeReplyObject(reply);
    return WEIR_OK;
}

static int check_server(struct weir_session *session, const char *definition)
{
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    const char *prefix = session->settings.prefix, *id = session->settings.id;
    bool known = false, started = false;
    if (look_up(session, weir_key_definition(key, prefix, definition), &known, &error) != WEIR_OK)
        return weir_fail_by(&error);
    if (!known)
        return weir_fail(WEIR_EXIT_DATA,
                         "no saga is defined by the name %s (%s); load it with: weir definition "
                         "load FILE",
                         definition, key);
    if (id && look_up(session, weir_key_saga(key, prefix, id), &started, &error) != WEIR_OK)
        return weir_fail_by(&error);
    if (started)
        weir_remark("saga %s has been started before; this start changes nothing", id);
    return WEIR_EXIT_FINE;
}

static redisReply *post(struct weir_session *session, const char *definition,
                        const struct weir_text *data, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    const char *id = session->settings.id;
    const char *arguments[] = {
        "XADD",      weir_key_commands(key, session->settings.prefix, WEIR_SAGAS),
        "*",         "type",
        "StartSaga", "definition",
        definition,  "data",
        data->at,    "saga",
        id};
    return weir_client_call(&session->client, error, id ? 11 : 9, arguments, NULL);
}

static int report(struct weir_session *session, const char *saga, const char *entry)
{
    const struct weir_settings *settings = &session->settings;
    if (settings->json && settings->wait_s == 0)
        return weir_print_json(json_pack("{s:s}", "saga", saga));
    if (!settings->json) {
        fprintf(weir_output(), "%s\n", saga);
        fflush(weir_output());
    }
    if (settings->wait_s == 0)
        return WEIR_EXIT_FINE;
    struct weir_awaited start = {.saga = saga};
    snprintf(start.entry, sizeof(start.entry), "%s", entry);
    return weir_wait(session, &start, weir_clock_monotonic_ms() + weir_wait_limit_ms(session));
}

static int start(struct weir_session *session, const char *definition, const struct weir_text *data)
{
    struct weir_error error = {0};
    int code = weir_session_connect(session);
    if (code == WEIR_EXIT_FINE)
        code = check_server(session, definition);
    if (code != WEIR_EXIT_FINE)
        return code;
    redisReply *reply = post(session, definition, data, &error);
    if (!reply)
        return weir_session_fail_by(session, &error);
    const char *entry = weir_value_text(reply).at;
    if (entry)
        code = report(session, session->settings.id ? session->settings.id : entry, entry);
    else
        code = weir_fail(WEIR_EXIT_FAILED, "%s gave no entry id", session->client.server);
    freeReplyObject(reply);
    return code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count;
    struct weir_text data = {0};
    struct weir_error error = {0};
    int code = check_names(operands[0], session->settings.id);
    if (code == WEIR_EXIT_FINE && weir_input_data(session->settings.data, &data, &error) != WEIR_OK)
        code = weir_fail_by(&error);
    if (code == WEIR_EXIT_FINE)
        code = start(session, operands[0], &data);
    weir_text_close(&data);
    return code;
}

const struct weir_command weir_command_start = {
    .name = "start",
    .operands = "<saga>",
    .summary = "Starts a saga by the name of its definition and prints the saga's id",
    .notes = "With --wait it prints the final state and its reason and exits by it: 0 completed,\n"
             "1 not started, 3 compensated, 4 suspended, 5 not ended in time. Ctrl-C stops the\n"
             "waiting, not the saga. Behind the state stand tokens for weir query --after: a read\n"
             "model that has come to them shows all that the saga's steps have published.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1,
    .run = run,
};
