/* Who reads a service's events, and how far they are: consumer groups, and the projections that
 * have entered themselves in its register. */
#ifndef WEIR_COMMANDS_EVENT_READERS_H
#define WEIR_COMMANDS_EVENT_READERS_H

#include <jansson.h>

#include "commands/command.h"

#define WEIR_READERS_COUNTED 100 /* unread entries that the server has not counted: so many */

/* Asks the server. New JSON, times in ms of the server's clock, null where there is none:
 *   {service, events, oldest, newest, readers: [{name, kind, position, consumers, pending, behind,
 *    behindAtLeast, oldestUnfinished, lastSign, state}]}
 * `kind` is group or projection; `position` the entry last delivered or applied, of a projection by
 * its checkpoint; `behindAtLeast`
 * says that there are more than `behind` counts; `lastSign` is the last call of one of the group's
 * consumers, or the last sign of life of the service that it is named after.
 * `state` is reading (what it has not finished is younger than a minute), behind, or forgotten:
 * nobody has read as this group, or the projection's service has given no sign, for silent_for_ms,
 * and its oldest unfinished event is as old.
 * NULL and an error; WEIR_NOT_FOUND where there are neither events nor readers. */
WEIR_CHECKED json_t *weir_event_readers_read(struct weir_session *session, const char *service,
                                             int64_t silent_for_ms, int64_t now_ms,
                                             struct weir_error *error);

#endif
