/* The command line: finds the subcommand, reads its flags, and runs it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "base/text.h"
#include "commands/run.h"
#include "weir.h"

static const struct weir_option common_options[] = {WEIR_COMMON_OPTIONS};

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
    for (size_t i = 0; weir_commands[i]; i++)
        printf("  %-10s  %s\n", weir_commands[i]->name, weir_commands[i]->summary);
    puts("\nOptions of all commands:");
    weir_options_help(common_options, weir_terminal_width(), stdout);
    puts("\n"
         "Exit codes: 0 fine (with --wait: completed), 1 failed, 3 compensated, 4 suspended,\n"
         "5 waited too long, 64 wrong usage, 65 bad data, 69 no server.");
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
    for (size_t i = 0; weir_commands[i]; i++)
        weir_text_format(&known, "%s%s", i > 0 ? ", " : "", weir_commands[i]->name);
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
    const struct weir_command *command = weir_command_find(argv[place]);
    if (!command)
        return fail_unknown(argv[place]);
    memmove(&argv[place], &argv[place + 1], (size_t)(argc - place) * sizeof(argv[0]));
    return close_output(weir_command_run(command, argc - 1, argv));
}
