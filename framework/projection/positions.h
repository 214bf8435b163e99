/* Where a runner stands: asking the checkpoint, and telling the sources. */
#ifndef WEIR_PROJECTION_POSITIONS_H
#define WEIR_PROJECTION_POSITIONS_H

#include "projection/projection.h"

/* Tells each source how far this projection is, so that its events are not trimmed before. */
void weir_positions_report(struct weir_runner *runner);
/* Asks for the positions in a checkpoint: an array in the order of the sources. */
WEIR_CHECKED enum weir_status weir_positions_ask(struct weir_runner *runner, const char *checkpoint,
                                                 weir_link_answered *answered);
/* Copies one of them; "" where there is none. `to` has WEIR_ENTRY_ID_MAX bytes. */
void weir_position_copy(char *to, const redisReply *reply);
/* Whether one position lies before another; "" lies before all. */
bool weir_position_behind(const char *one, const char *other);
/* Whether one lies before its bound. */
bool weir_positions_gap(const struct weir_runner *runner);
/* Nothing has been applied of any source. */
bool weir_positions_new(const struct weir_runner *runner);

#endif
