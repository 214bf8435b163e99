/* Waiting for a saga's end. */
#ifndef WEIR_PROGRAMS_WAIT_H
#define WEIR_PROGRAMS_WAIT_H

#include "programs/command.h"

/* Waits until the saga has ended, is suspended, or its start (`entry` in the saga service's
 * commands) has become a dead letter, at most settings.wait_s; survives a server that goes away
 * for a while. Prints the state and its reason and returns the exit code that says so. */
int weir_wait_for_saga(struct weir_session *session, const char *saga, const char *entry);

#endif
