/* Keeps SIGPIPE from a program that has not asked for it: a peer that went away must not end the
 * process that writes to it, whatever that has said about the signal. It is held back in this
 * thread, and what has come of it meanwhile is taken away. */
#ifndef WEIR_BASE_PIPE_GUARD_H
#define WEIR_BASE_PIPE_GUARD_H

#include <signal.h>
#include <stdbool.h>

struct weir_pipe_guard {
    sigset_t before;
    bool pending;
};

void weir_pipe_guard_hold(struct weir_pipe_guard *guard);
void weir_pipe_guard_release(const struct weir_pipe_guard *guard);

#endif
