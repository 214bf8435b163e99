/* One batch of events through the handlers of a projection. */
#ifndef WEIR_PROJECTION_FOLD_H
#define WEIR_PROJECTION_FOLD_H

#include "projection/projection.h"

/* Decodes the batch and names all hashes that its handlers want loaded. False: no memory. */
bool weir_fold_prepare(struct weir_runner *runner);

/* Runs the handlers in order over what was loaded; the runner's effects then hold all writes and
 * its positions' `next` where it will stand. An event that cannot be understood goes to the dead
 * letters of the read model's service, unless it is a rebuild's. Where a handler refuses an event,
 * the batch is cut before it; false where it is the first, with `stop` filled in. */
bool weir_fold_batch(struct weir_runner *runner);

/* Notes in `stop` that this event stops the runner, and why. */
void weir_fold_stop(struct weir_runner *runner, const struct weir_folded *event, bool too_new,
                    const char *why);

#endif
