/* How far a rebuild is, on standard error: a line redrawn in place on a terminal, else a line now
 * and then. */
#ifndef WEIR_COMMANDS_PROGRESS_H
#define WEIR_COMMANDS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "commands/stored_projection.h"

#define WEIR_PROGRESS_SAMPLES 20

struct weir_progress {
    const char *name; /* borrowed */
    bool quiet, in_place, drawn;
    int64_t said_at; /* monotonic ms */
    struct weir_progress_sample {
        int64_t at_ms, folded;
    } samples[WEIR_PROGRESS_SAMPLES]; /* a ring */
    size_t count;                     /* of all that have been taken */
};

/* Quiet: shows nothing. */
void weir_progress_init(struct weir_progress *progress, const char *name, bool quiet);
/* Shows where it stands at `now_ms` of the monotonic clock. */
void weir_progress_show(struct weir_progress *progress, const struct weir_projection_status *status,
                        int64_t now_ms);
/* Makes room for another line. */
void weir_progress_clear(struct weir_progress *progress);

#endif
