/* How services stand, asked of the server in one go, whatever their number: four commands each,
 * which cost the same with one message and with a million. */
#ifndef WEIR_COMMANDS_SERVICE_LOOK_H
#define WEIR_COMMANDS_SERVICE_LOOK_H

#include <jansson.h>

#include "commands/command.h"
#include "commands/live_worker.h"

/* `services`: an object as service_names.h makes it. New, in the order of the names; `all` (or
 * NULL) is what all workers do together:
 *   [{service, state, lastSign, workers: {alive, silent, gone}, inHand, rate, backlog, pending,
 * oldest, scheduled, dead, streams: [{name, key, length, pending, oldest, groups: [{name, pending,
 *     lag}]}], problem}]
 * `state` is unattended (no worker is alive), behind (the oldest waits for a minute), or ok.
 * `streams` are the inboxes, `backlog`, `pending` and `oldest` (ms of the oldest entry that is not
 * finished) are of all of them; of what the server does not tell, numbers are null, and `problem`
 * is the first reason for that. `rate` as in live_worker.h. `lag` is the server's own word, which
 * is null where it does not know. NULL and an error. */
json_t *weir_services_look(struct weir_session *session, json_t *services, int64_t now_ms,
                           struct weir_crew *all, struct weir_error *error);

#endif
