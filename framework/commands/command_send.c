/* weir send: sends one command to a service, and waits for what becomes of it. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "call/outgoing.h"
#include "message/envelope.h"
#include "commands/command.h"
#include "commands/input.h"
#include "commands/print.h"
#include "commands/service_names.h"
#include "commands/values.h"
#include "commands/visible.h"
#include "redis/key_names.h"

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
    {.name = "wait",
     .kind = WEIR_OPTION_INTEGER,
     WEIR_SETTING(wait_s),
     .minimum = 1,
     .maximum = 86400,
     .optional_value = true,
     .bare = "60",
     .value_name = "SECONDS",
     .help = "wait for what becomes of it, 60 seconds if not said"},
    WEIR_COMMON_OPTIONS};

static void print_visible(const char *head, const char *text)
{
    struct weir_text line = {0};
    weir_text_append_string(&line, head);
    weir_visible_append(&line, weir_slice_of(text));
    weir_print_line(&line);
    weir_text_close(&line);
}

/* ---- Without waiting --------------------------------------------------------------------- */

static int post(struct weir_session *session, const struct weir_outgoing *outgoing)
{
    char entry[WEIR_ENTRY_ID_MAX];
    struct weir_error error = {0};
    if (weir_outgoing_send(outgoing, &session->client, entry, &error) != WEIR_OK)
        return weir_session_fail_by(session, &error);
    if (session->settings.json)
        return weir_print_json(json_pack("{s:s}", "entry", entry));
    print_visible("", entry);
    return WEIR_EXIT_FINE;
}

/* ---- Waiting ----------------------------------------------------------------------------- */

static const struct {
    const char *state;
    int code;
} results[] = {
    [WEIR_CALL_DONE] = {"done", WEIR_EXIT_FINE},
    [WEIR_CALL_REFUSED] = {"refused", WEIR_EXIT_FAILED},
    [WEIR_CALL_UNKNOWN] = {"unknown", WEIR_EXIT_WAITED},
};

/* What is empty is null. */
static json_t *make_text(const char *text)
{
    return weir_slice_json(text[0] ? weir_slice_of(text) : (struct weir_slice){NULL, 0});
}

static void print_answer(const char *state, const char *token, const char *reason)
{
    char head[16];
    snprintf(head, sizeof(head), "%s%s", state, reason[0] ? ": " : "");
    print_visible(head, reason);
    if (token[0])
        print_visible("token ", token);
}

static int report(const struct weir_session *session, enum weir_call_result result,
                  const struct weir_call_answer *answer)
{
    char token[WEIR_TOKEN_MAX];
    const char *state = results[result].state;
    weir_token_write(&answer->token, token);
    if (session->settings.json)
        weir_print_json(json_pack("{s:o, s:o, s:s, s:o, s:o}", "id", make_text(answer->id), "entry",
                                  make_text(answer->entry), "state", state, "token",
                                  make_text(token), "reason", make_text(answer->reason)));
    else
        print_answer(state, token, answer->reason);
    if (result == WEIR_CALL_REFUSED)
        return weir_fail(results[result].code, "refused: %s", answer->reason);
    if (result == WEIR_CALL_UNKNOWN)
        return weir_fail(results[result].code,
                         "%s; it may take effect yet, or have taken it; it is safe to repeat the "
                         "same with --id %s",
                         answer->reason, answer->id);
    return results[result].code;
}

static int call(struct weir_session *session, const struct weir_outgoing *outgoing)
{
    struct weir_call_answer answer;
    bool fresh = session->settings.id == NULL;
    if (!session->settings.json) { /* before anything can happen: it is needed to repeat it */
        fprintf(weir_output(), "%s\n", outgoing->id);
        fflush(weir_output());
    }
    enum weir_call_result result = weir_outgoing_call(outgoing, &session->client, fresh,
                                                      session->settings.wait_s * 1000, &answer);
    return report(session, result, &answer);
}

/* ---- Sending ----------------------------------------------------------------------------- */

static int send(struct weir_session *session, char **operands, const struct weir_text *data)
{
    char random_id[WEIR_RANDOM_ID_MAX];
    struct weir_error error = {0};
    const struct weir_settings *settings = &session->settings;
    struct weir_outgoing outgoing = {.prefix = settings->prefix,
                                     .service = operands[0],
                                     .type = operands[1],
                                     .id = settings->id,
                                     .data = data->at,
                                     .delay_ms = settings->delay_ms};
    if (settings->wait_s > 0 && strcmp(operands[0], WEIR_SAGAS) == 0)
        return weir_fail(WEIR_EXIT_USAGE,
                         "orders to sagas have other answers than commands: use weir start --wait");
    if (strcmp(operands[0], "weir") == 0)
        return weir_fail(WEIR_EXIT_USAGE, "<service>: weir is the framework's own; no worker has "
                                          "that name");
    if (settings->wait_s > 0 && !settings->id)
        outgoing.id = weir_random_id(random_id);
    /* The data has been checked before: what is left are words of the command line. */
    if (weir_outgoing_check(&outgoing, &error) != WEIR_OK)
        return weir_fail(error.status == WEIR_NO_MEMORY ? WEIR_EXIT_FAILED : WEIR_EXIT_USAGE, "%s",
                         error.text);
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (!weir_service_known(session, operands[0]))
        weir_remark("nothing is known of a service %s: no worker of it has run, and no definition "
                    "names it; the message waits until one runs",
                    operands[0]);
    return settings->wait_s > 0 ? call(session, &outgoing) : post(session, &outgoing);
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count;
    struct weir_text data = {0};
    struct weir_error error = {0};
    int code;
    if (weir_input_data(session->settings.data, &data, &error) != WEIR_OK)
        code = weir_fail_by(&error);
    else
        code = send(session, operands, &data);
    weir_text_close(&data);
    return code;
}

const struct weir_command weir_command_send = {
    .name = "send",
    .operands = "<service> <type>",
    .summary = "Sends a command to a service and prints its entry id",
    .notes =
        "With --wait it prints the command's id, what became of it, and, where it has published\n"
        "something, a token for weir query --after; it exits by it: 0 done, 1 refused, 5 not\n"
        "known in time. An id that is known to be done is not sent again.",
    .options = options,
    .operands_minimum = 2,
    .operands_maximum = 2,
    .run = run,
};
