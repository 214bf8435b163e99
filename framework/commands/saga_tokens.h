/* Where the events of a saga's services stand when it has ended. */
#ifndef WEIR_COMMANDS_SAGA_TOKENS_H
#define WEIR_COMMANDS_SAGA_TOKENS_H

#include "commands/command.h"

/* A token as text for each service of the saga's definition that has published anything: the last
 * entry of its events now. What the saga's steps have published lies before it. New; where the
 * saga, its definition or the events cannot be read, which is remarked, tokens are missing. */
json_t *weir_saga_tokens(struct weir_session *session, const char *saga);

#endif
