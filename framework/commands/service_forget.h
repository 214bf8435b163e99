/* weir services forget: takes a service that is no more out of the register. */
#ifndef WEIR_COMMANDS_SERVICE_FORGET_H
#define WEIR_COMMANDS_SERVICE_FORGET_H

#include "commands/command.h"

/* Refused while it has workers, silent ones among them. What else is of it stays, and is told. The
 * session is connected; prints, and returns the exit code. */
int weir_service_forget(struct weir_session *session, const char *service);

#endif
