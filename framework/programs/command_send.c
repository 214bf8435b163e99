/* weir send: sends one command to a service. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "message/envelope.h"
#include "programs/command.h"
#include "programs/input.h"
#include "programs/print.h"
#include "programs/values.h"
#include "redis/key_names.h"

#define PARTS_MAX 12 /* "XADD", key, "*", and names and values */
#define PARTS_BEFORE_FIELDS 3

static const struct weir_option options[] = {
    {.name = "data",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(data),
     .value_name = "JSON|@FILE|-",
     .help = "the message's data, a JSON object"},
    {.name = "id",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(id),
     .value_name = "ID",
     .help = "sent again with the same id, it is handled once"},
    {.name = "delay",
     .kind = WEIR_OPTION_INTEGER,
     WEIR_SETTING(delay_ms),
     .minimum = 0,
     .maximum = WEIR_DELAY_MAX_MS,
     .value_name = "MS",
     .help = "hold it back this long at the receiver"},
    WEIR_COMMON_OPTIONS};

struct parts {
    const char *at[PARTS_MAX];
    size_t count;
};

static void add(struct parts *parts, const char *name, const char *value)
{
    if (!value)
        return;
    parts->at[parts->count++] = name;
    parts->at[parts->count++] = value;
}

/* Lets the receiver's own reader judge, so that nothing is sent that would end as a dead letter. */
static int check(const struct parts *parts)
{
    struct weir_slice slices[PARTS_MAX];
    struct weir_error error = {0};
    size_t count = parts->count - PARTS_BEFORE_FIELDS;
    for (size_t i = 0; i < count; i++)
        slices[i] = weir_slice_of(parts->at[PARTS_BEFORE_FIELDS + i]);
    weir_message *message = weir_message_new("", "", slices, count);
    if (!message)
        return weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    enum weir_status status = weir_message_decode(message, WEIR_DATA_MAX_DEFAULT, 1, &error);
    weir_message_free(message);
    if (status == WEIR_OK)
        return WEIR_EXIT_FINE;
    /* The data has been checked before: what is left are words of the command line. */
    return weir_fail(WEIR_EXIT_USAGE, "%s", error.text);
}

static int post(struct weir_session *session, const struct parts *parts)
{
    struct weir_error error = {0};
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    redisReply *reply = weir_client_call(&session->client, &error, parts->count, parts->at, NULL);
    if (!reply)
        return weir_fail_by(&error);
    json_t *entry = weir_slice_json(weir_value_text(reply));
    freeReplyObject(reply);
    if (session->settings.json)
        return weir_print_json(json_pack("{s:o}", "entry", entry));
    struct weir_text line = {0};
    weir_value_append(&line, entry);
    weir_print_line(&line);
    weir_text_close(&line);
    json_decref(entry);
    return WEIR_EXIT_FINE;
}

static int prepare(struct weir_session *session, char **operands, const struct weir_text *data)
{
    char key[WEIR_KEY_MAX], delay[24];
    const struct weir_settings *settings = &session->settings;
    struct parts parts = {
        .at = {"XADD", weir_key_commands(key, settings->prefix, operands[0]), "*"},
        .count = PARTS_BEFORE_FIELDS};
    snprintf(delay, sizeof(delay), "%" PRId64, settings->delay_ms);
    add(&parts, "type", operands[1]);
    add(&parts, "data", data->at);
    add(&parts, "id", settings->id);
    add(&parts, "delay", settings->delay_ms > 0 ? delay : NULL);
    int code = check(&parts);
    return code == WEIR_EXIT_FINE ? post(session, &parts) : code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count;
    struct weir_text data = {0};
    struct weir_error error = {0};
    int code;
    if (!weir_name_valid(operands[0], strlen(operands[0])))
        return weir_fail(WEIR_EXIT_USAGE,
                         "<service>: '%s' is no name of a service; it must be a letter and then "
                         "letters, digits, '_' or '-', 64 bytes at most",
                         operands[0]);
    if (weir_input_data(session->settings.data, &data, &error) != WEIR_OK)
        code = weir_fail_by(&error);
    else
        code = prepare(session, operands, &data);
    weir_text_close(&data);
    return code;
}

const struct weir_command weir_command_send = {
    .name = "send",
    .operands = "<service> <type>",
    .summary = "Sends a command to a service and prints its entry id",
    .options = options,
    .operands_minimum = 2,
    .operands_maximum = 2,
    .run = run,
};
