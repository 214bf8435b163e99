/* Scripts that complete the words of `weir` in a shell, made from the tables of its commands. */
#ifndef WEIR_COMMANDS_COMPLETION_H
#define WEIR_COMMANDS_COMPLETION_H

#include <stdio.h>

#include "commands/command.h"

void weir_completion_bash(FILE *out);
void weir_completion_zsh(FILE *out);

/* What completes an operand: names that the server knows, for which a script calls
 * `weir completion <list>`, or "files"; NULL: nothing does. `name` as in the usage line. */
const char *weir_completion_list(const struct weir_command *command, const char *name);
/* Whether a flag's value is a file's name, behind `lead` ("" or "@"). */
bool weir_completion_is_file(const struct weir_option *option, const char **lead);
/* Whether the flag is followed by a value as a word of its own. */
bool weir_completion_has_word(const struct weir_option *option);

#endif
