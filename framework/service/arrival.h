/* From an entry that was read to a delivery that is understood. */
#ifndef WEIR_SERVICE_ARRIVAL_H
#define WEIR_SERVICE_ARRIVAL_H

#include "service/worker_state.h"

/* A new entry, for the group reader. */
void weir_arrival_entry(void *worker, size_t stream, const struct weir_entry *entry);
/* One that was given out before, for pending.h; `taken`: from another worker. */
void weir_arrival_pending_entry(void *worker, size_t stream, const struct weir_entry *entry,
                                bool taken);
/* What an event needs before its turn: its data in the newest version, the keys to load named. It
 * calls code of the program, so a suspect is counted before. */
void weir_arrival_prepare(struct weir_delivery *delivery);

#endif
