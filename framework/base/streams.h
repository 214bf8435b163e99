/* The three standard streams of a process. */
#ifndef WEIR_BASE_STREAMS_H
#define WEIR_BASE_STREAMS_H

#include <stddef.h>

/* Takes the numbers of those that the process was started without: else the first connections get
 * them, and what is meant for a terminal or a log goes to the server. Reading finds the end,
 * writing fails. For a process's main, before it opens anything. */
void weir_streams_open(void);

/* How many columns the terminal has (COLUMNS, else what standard output or standard error says,
 * else 80). */
size_t weir_terminal_width(void);

#endif
