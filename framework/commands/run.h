/* The commands, and how one is found, read and run. */
#ifndef WEIR_COMMANDS_RUN_H
#define WEIR_COMMANDS_RUN_H

#include "commands/command.h"

/* All commands in the order of the help; NULL ends them. */
extern const struct weir_command *const weir_commands[];

/* NULL where there is none. */
const struct weir_command *weir_command_find(const char *name);

/* Reads the command's flags from argv[1…] and runs it, as `weir` does; the connection is closed at
 * the end. Returns the exit code. */
int weir_command_run(const struct weir_command *command, int argc, char **argv);

/* The same for a process that runs one command after the other: over the session's own endpoint
 * and prefix (`session->settings.prefix`, whatever the flags say), with --json, and its connection
 * is kept for the next run, where it can still be used then. */
int weir_command_run_again(const struct weir_command *command, struct weir_session *session,
                           int argc, char **argv);

/* Whether it can stand before every key; WEIR_INVALID with a sentence. */
WEIR_CHECKED enum weir_status weir_prefix_check(const char *prefix, struct weir_error *error);

#endif
