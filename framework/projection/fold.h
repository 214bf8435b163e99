/* One batch of events through the handlers of a projection. */
#ifndef WEIR_PROJECTION_FOLD_H
#define WEIR_PROJECTION_FOLD_H

#include "projection/runner.h"

void weir_folded_close(struct weir_folded *event);

/* Decodes the batch and names all hashes that its handlers want loaded. False: no memory. */
bool weir_fold_prepare(struct weir_runner *runner);

/* Runs the handlers in order over what was loaded; the runner's effects then hold all writes and
 * its sources' `next` the positions after them. An event that cannot be understood goes to the
 * dead letters of the read model's service. Where a handler refuses an event, the batch is cut
 * before it; false where it is the first, with the reason. */
bool weir_fold_batch(struct weir_runner *runner, char *why, size_t room);

#endif
