/* The state that a batch's handlers want to read. */
#ifndef WEIR_PROJECTION_LOADS_H
#define WEIR_PROJECTION_LOADS_H

#include "projection/projection.h"

typedef void weir_loads_done(struct weir_runner *runner);

/* Sends for all hashes in the runner's snapshot; `done` follows when all answers are in, at once
 * where there is nothing to load, and not at all where the connection is lost. What went wrong is
 * in `load_error`: WEIR_REFUSED for a key that is no hash. False: no memory. */
bool weir_loads_send(struct weir_runner *runner, weir_loads_done *done);

#endif
