/* Everything at a glance, cheap enough to be asked for every second: three rounds of commands, a
 * handful for each service and projection, none of which depends on how many sagas or messages
 * there are. */
#ifndef WEIR_COMMANDS_OVERVIEW_H
#define WEIR_COMMANDS_OVERVIEW_H

#include <jansson.h>

#include "commands/command.h"

/* New:
 *   {now, server: {address, version, usedMemory, maxMemory},
 *    rate: {received, handled, refused, retried},
 *    sagas: {running, compensating, suspended, completed, compensated},
 *    totals: {workers, inHand, backlog, pending, scheduled, dead},
 *    services: as in service_look.h, of the services in the register,
 *    projections: [{projection, view, name, state, worker, oldest, since, reason, rebuild,
 *                   sources: [{service, stream, position, oldest}]}]}
 * Times in ms of the server's clock; `oldest` is that of the first event that is not applied. What
 * the server does not tell is null. NULL and an error. */
json_t *weir_overview_read(struct weir_session *session, struct weir_error *error);

#endif
