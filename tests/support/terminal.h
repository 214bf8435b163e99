/* Runs the command line on a pseudo-terminal. */
#ifndef WEIR_TESTS_SUPPORT_TERMINAL_H
#define WEIR_TESTS_SUPPORT_TERMINAL_H

#include "support/server.h"

/* Runs weir on a terminal of so many columns; `before` are assignments ("NO_COLOR=1") or "",
 * `words` the words behind "weir" as a shell takes them. The exit code must be 0. */
struct test_run run_on_terminal(int columns, const char *before, const char *words);
/* The same with an exit code, and with what is typed. */
struct test_run type_on_terminal(int code, int columns, const char *before, const char *words,
                                 const char *typed);

/* Characters of the longest line. */
size_t longest_line(const char *text);

#endif
