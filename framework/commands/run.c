/* Finds commands, reads their flags, and runs them. */
#include "commands/run.h"

#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "base/text.h"
#include "commands/action.h"
#include "commands/output.h"
#include "commands/watch.h"
#include "weir.h"

#define PREFIX_MAX 64

const struct weir_command *const weir_commands[] = {
    &weir_command_start,      &weir_command_send,       &weir_command_sagas,
    &weir_command_saga,       &weir_command_cancel,     &weir_command_resume,
    &weir_command_signal,     &weir_command_definition, &weir_command_install,
    &weir_command_dead,       &weir_command_readers,    &weir_command_query,
    &weir_command_projection, &weir_command_services,   &weir_command_workers,
    &weir_command_scheduled,  &weir_command_doctor,     &weir_command_actions,
    &weir_command_top,        &weir_command_completion, NULL,
};

const struct weir_command *weir_command_find(const char *name)
{
    for (size_t i = 0; weir_commands[i]; i++)
        if (strcmp(weir_commands[i]->name, name) == 0)
            return weir_commands[i];
    return NULL;
}

static int print_help(const struct weir_command *command)
{
    FILE *out = weir_output();
    fprintf(out, "Usage: weir %s %s%s[OPTIONS]\n\n%s.\n", command->name, command->operands,
            *command->operands ? " " : "", command->summary);
    if (command->notes)
        fprintf(out, "\n%s\n", command->notes);
    fputs("\nOptions:\n", out);
    weir_options_help(command->options, weir_terminal_width(), out);
    return WEIR_EXIT_FINE;
}

/* Keys of "x{y}" would lie in the slot of y, and a blank would not survive a shell. */
static bool prefix_valid(const char *prefix)
{
    size_t length = strlen(prefix);
    for (const char *at = prefix; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("{}\"\\", *at))
            return false;
    return length <= PREFIX_MAX && weir_utf8_valid(prefix, length);
}

enum weir_status weir_prefix_check(const char *prefix, struct weir_error *error)
{
    if (prefix_valid(prefix))
        return WEIR_OK;
    return weir_error_set(error, WEIR_INVALID,
                          "--namespace: must be %d bytes at most, without blanks, control "
                          "characters, '{', '}', '\"' and '\\'",
                          PREFIX_MAX);
}

/* Fills the settings and counts the operands: WEIR_EXIT_FINE or the code. */
static int read_flags(const struct weir_command *command, struct weir_settings *settings, int argc,
                      char **argv, int *operands)
{
    struct weir_error error = {0};
    if (weir_options_parse(command->options, settings, argc, argv, operands, &error) != WEIR_OK)
        return weir_fail(WEIR_EXIT_USAGE, "%s; see weir %s --help", error.text, command->name);
    return WEIR_EXIT_FINE;
}

static int check_operands(const struct weir_command *command, int operands, char **argv)
{
    if (operands < command->operands_minimum)
        return weir_fail(WEIR_EXIT_USAGE, "%s needs %s; see weir %s --help", command->name,
                         command->operands, command->name);
    if (operands > command->operands_maximum)
        return weir_fail(WEIR_EXIT_USAGE,
                         "%s: '%s' is one word too many (a flag's optional value follows '='); "
                         "see weir %s --help",
                         command->name, argv[1 + command->operands_maximum], command->name);
    return WEIR_EXIT_FINE;
}

/* Runs it and records what it has changed. */
static int run_recorded(const struct weir_command *command, struct weir_session *session,
                        int operands, char **argv)
{
    int code = weir_action_check(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    session->command = command;
    session->acted = (struct weir_acted){0};
    session->unknown = false;
    (void)weir_failed_unknown(); /* of an earlier run */
    code = command->run(session, operands, argv + 1);
    weir_action_record(session, code);
    return code;
}

/* ---- --watch ----------------------------------------------------------------------------- */

struct call {
    const struct weir_command *command;
    int operands;
    char **argv;
};

static int run_call(struct weir_session *session, void *user)
{
    const struct call *call = user;
    return run_recorded(call->command, session, call->operands, call->argv);
}

static int watch(const struct weir_command *command, struct weir_session *session, int operands,
                 char **argv)
{
    struct weir_text title = {0};
    struct call call = {command, operands, argv};
    weir_text_format(&title, "weir %s", command->name);
    for (int i = 1; i <= operands; i++)
        weir_text_format(&title, " %s", argv[i]);
    int code = weir_watch(session, title.at ? title.at : "weir", run_call, &call);
    weir_text_close(&title);
    return code;
}

static int check_watch(const struct weir_command *command, const struct weir_session *session,
                       int operands, char **argv)
{
    if (session->settings.watch_ms == 0)
        return WEIR_EXIT_FINE;
    if (weir_output_remote())
        return weir_fail(WEIR_EXIT_USAGE, "--watch is for a terminal; ask again instead");
    if (command->shows && !command->shows(operands, argv + 1))
        return weir_fail(WEIR_EXIT_USAGE, "--watch: weir %s does more than to show something here",
                         command->name);
    return WEIR_EXIT_FINE;
}

/* ---- Running ----------------------------------------------------------------------------- */

static int run_once(const struct weir_command *command, struct weir_session *session, int operands,
                    char **argv)
{
    struct weir_error error = {0};
    if (weir_prefix_check(session->settings.prefix, &error) != WEIR_OK)
        return weir_fail(WEIR_EXIT_USAGE, "%s", error.text);
    if (weir_endpoint_parse(session->settings.redis, &session->endpoint, &error) != WEIR_OK)
        return weir_fail(WEIR_EXIT_USAGE, "--redis: %s", error.text);
    int code = session->settings.watch_ms > 0 ? watch(command, session, operands, argv)
                                              : run_recorded(command, session, operands, argv);
    weir_client_close(&session->client);
    weir_endpoint_close(&session->endpoint);
    return code;
}

int weir_command_run(const struct weir_command *command, int argc, char **argv)
{
    struct weir_session session = {0};
    int operands = 0, code = read_flags(command, &session.settings, argc, argv, &operands);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (session.settings.help)
        return print_help(command);
    if (session.settings.version) {
        fputs("weir " WEIR_VERSION "\n", weir_output());
        return WEIR_EXIT_FINE;
    }
    code = check_operands(command, operands, argv);
    if (code == WEIR_EXIT_FINE)
        code = check_watch(command, &session, operands, argv);
    return code == WEIR_EXIT_FINE ? run_once(command, &session, operands, argv) : code;
}

int weir_command_run_again(const struct weir_command *command, struct weir_session *session,
                           int argc, char **argv)
{
    const char *prefix = session->settings.prefix;
    int operands = 0;
    if (!weir_client_quiet(&session->client))
        weir_client_close(&session->client);
    session->settings = (struct weir_settings){0};
    int code = read_flags(command, &session->settings, argc, argv, &operands);
    session->settings.prefix = prefix;
    session->settings.json = true;
    if (code == WEIR_EXIT_FINE)
        code = check_operands(command, operands, argv);
    if (code == WEIR_EXIT_FINE)
        code = check_watch(command, session, operands, argv);
    return code == WEIR_EXIT_FINE ? run_recorded(command, session, operands, argv) : code;
}
