/* Options and commands of the programs as parts of their manual pages. */
#ifndef WEIR_MAN_OPTIONS_PAGE_H
#define WEIR_MAN_OPTIONS_PAGE_H

#include <stdio.h>

#include "base/options.h"

/* A list of the table's options, but for those of `without` (NULL: none). */
void options_page(FILE *out, const struct weir_option *table, const struct weir_option *without);
/* All commands of weir, each with what it takes besides the options of all. */
void commands_page(FILE *out);
/* The options of all commands. */
void common_options_page(FILE *out);

#endif
