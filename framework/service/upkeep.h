/* What goes on beside the messages: schedule, signs of life, claims. */
#ifndef WEIR_SERVICE_UPKEEP_H
#define WEIR_SERVICE_UPKEEP_H

#include "service/worker_state.h"

void weir_upkeep_init(struct weir_worker *worker);
/* Calls at once what is due; may be repeated when the server can be reached again. */
void weir_upkeep_start(struct weir_worker *worker);
void weir_upkeep_stop(struct weir_worker *worker);
/* Takes this consumer out of groups and register where nothing is pending for it, then ends the
 * loop; at once where it cannot be sent. */
void weir_upkeep_leave(struct weir_worker *worker);

#endif
