/* The commit of a folded batch. */
#ifndef WEIR_PROJECTION_WRITING_H
#define WEIR_PROJECTION_WRITING_H

#include "projection/projection.h"

/* Hands the runner's effects to the committer; the runner's commit.answered follows. WEIR_OK, or
 * why it was not taken: WEIR_TOO_LARGE for too many kinds of keys, WEIR_UNAVAILABLE,
 * WEIR_NO_MEMORY. */
WEIR_CHECKED enum weir_status weir_writing_submit(struct weir_runner *runner);

#endif
