/* The command line: finds the subcommand, reads its flags, and runs it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "base/text.h"
#include "programs/command.h"
#include "weir.h"

#define PREFIX_MAX 64

static const struct weir_command *const commands[] = {
    &weir_command_start,      &weir_command_send,   &weir_command_sagas,   &weir_command_saga,
    &weir_command_cancel,     &weir_command_resume, &weir_command_signal,  &weir_command_definition,
    &weir_command_install,    &weir_command_dead,   &weir_command_readers, &weir_command_query,
    &weir_command_projection, &weir_command_doctor,
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct weir_option common_options[] = {WEIR_COMMON_OPTIONS};

static const struct weir_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int print_version(void)
{
    puts("weir " WEIR_VERSION);
    return WEIR_EXIT_FINE;
}

static int print_general_help(void)
{
    puts("Usage: weir COMMAND [OPERANDS] [OPTIONS]\n"
         "\n"
         "Starts and watches sagas, sends messages, and looks after a weir system.\n"
         "\n"
         "Commands (weir COMMAND --help tells more):");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    puts("\nOptions of all commands:");
    weir_options_help(common_options, stdout);
    puts("\n"
         "Exit codes: 0 fine (with --wait: completed), 1 failed, 3 compensated, 4 suspended,\n"
         "5 waited too long, 64 wrong usage, 65 bad data, 69 no server.");
    return WEIR_EXIT_FINE;
}

static int print_help(const struct weir_command *command)
{
    printf("Usage: weir %s %s%s[OPTIONS]\n\n%s.\n", command->name, command->operands,
           *command->operands ? " " : "", command->summary);
    if (command->notes)
        printf("\n%s\n", command->notes);
    puts("\nOptions:");
    weir_options_help(command->options, stdout);
    return WEIR_EXIT_FINE;
}

/* The place of the first word that is neither a flag nor the value of a common one. */
static int find_command_word(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--redis") == 0 || strcmp(argv[i], "--namespace") == 0)
            i++;
        else if (argv[i][0] != '-')
            return i;
    }
    return 0;
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

static int run_command(const struct weir_command *command, struct weir_session *session,
                       int operands, char **argv)
{
    struct weir_error error = {0};
    if (!prefix_valid(session->settings.prefix))
        return weir_fail(WEIR_EXIT_USAGE,
                         "--namespace: must be %d bytes at most, without blanks, control "
                         "characters, '{', '}', '\"' and '\\'",
                         PREFIX_MAX);
    if (weir_endpoint_parse(session->settings.redis, &session->endpoint, &error) != WEIR_OK)
        return weir_fail(WEIR_EXIT_USAGE, "--redis: %s", error.text);
    int code = command->run(session, operands, argv + 1);
    weir_client_close(&session->client);
    weir_endpoint_close(&session->endpoint);
    return code;
}

static int read_command(const struct weir_command *command, int argc, char **argv)
{
    struct weir_session session = {0};
    struct weir_error error = {0};
    int operands = 0;
    if (weir_options_parse(command->options, &session.settings, argc, argv, &operands, &error) !=
        WEIR_OK)
        return weir_fail(WEIR_EXIT_USAGE, "%s; see weir %s --help", error.text, command->name);
    if (session.settings.help)
        return print_help(command);
    if (session.settings.version)
        return print_version();
    if (operands < command->operands_minimum)
        return weir_fail(WEIR_EXIT_USAGE, "%s needs %s; see weir %s --help", command->name,
                         command->operands, command->name);
    if (operands > command->operands_maximum)
        return weir_fail(WEIR_EXIT_USAGE,
                         "%s: '%s' is one word too many (a flag's optional value follows '='); "
                         "see weir %s --help",
                         command->name, argv[1 + command->operands_maximum], command->name);
    return run_command(command, &session, operands, argv);
}

static int read_no_command(int argc, char **argv)
{
    struct weir_settings settings = {0};
    struct weir_error error = {0};
    int operands = 0;
    if (weir_options_parse(common_options, &settings, argc, argv, &operands, &error) != WEIR_OK)
        return weir_fail(WEIR_EXIT_USAGE, "%s; see weir --help", error.text);
    if (settings.help)
        return print_general_help();
    if (settings.version)
        return print_version();
    return weir_fail(WEIR_EXIT_USAGE, "no command given; weir --help lists them");
}

static int fail_unknown(const char *name)
{
    struct weir_text known = {0};
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        weir_text_format(&known, "%s%s", i > 0 ? ", " : "", commands[i]->name);
    int code = weir_fail(WEIR_EXIT_USAGE, "unknown command '%s'; there are %s", name,
                         known.at ? known.at : "others");
    weir_text_close(&known);
    return code;
}

/* A reader that went away (weir … | head) is no failure; a full disk is. */
static int close_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno == EPIPE)
        return code;
    int failed = weir_fail(WEIR_EXIT_FAILED, "cannot write the output: %s", strerror(errno));
    return code == WEIR_EXIT_FINE ? failed : code;
}

int main(int argc, char **argv)
{
    /* A server or a reader that goes away is an error to be told, not the end. */
    signal(SIGPIPE, SIG_IGN);
    weir_streams_open();
    int place = find_command_word(argc, argv);
    if (place == 0)
        return close_output(read_no_command(argc, argv));
    const struct weir_command *command = find_command(argv[place]);
    if (!command)
        return fail_unknown(argv[place]);
    memmove(&argv[place], &argv[place + 1], (size_t)(argc - place) * sizeof(argv[0]));
    return close_output(read_command(command, argc - 1, argv));
}
