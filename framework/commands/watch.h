/* --watch: a showing command again and again. */
#ifndef WEIR_COMMANDS_WATCH_H
#define WEIR_COMMANDS_WATCH_H

#include "commands/command.h"

/* Runs `once` every `settings.watch_ms`, into memory. On a terminal its result is drawn in place of
 * the one before, with `title` above it; elsewhere one is printed after the other. A server that
 * goes away is told in the place of the result, and it goes on; one that is not there at the
 * beginning, or words that are not understood, end it with that code. It ends by Ctrl-C, SIGTERM
 * or SIGHUP with 128 and the signal's number, and by q with 0. */
int weir_watch(struct weir_session *session, const char *title,
               int (*once)(struct weir_session *session, void *user), void *user);

#endif
