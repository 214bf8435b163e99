/* Where a command writes what it has found and what went wrong: a terminal, a file, or memory.
 * Each thread has its own, standard output and standard error until it is set. */
#ifndef WEIR_COMMANDS_OUTPUT_H
#define WEIR_COMMANDS_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct weir_output {
    FILE *result, *remarks; /* borrowed */
    bool terminal;          /* results are for a terminal, though they may go into memory first */
    /* The command was asked for by another process: it reads no files and no standard input, and
     * leaves signals alone. */
    bool remote;
};

/* For this thread, until it is set again; NULL: standard output and standard error. Borrowed. */
void weir_output_set(const struct weir_output *output);

FILE *weir_output(void);
FILE *weir_remarks(void);
bool weir_output_remote(void);
/* Whether results are for a terminal. */
bool weir_on_terminal(void);

#endif
