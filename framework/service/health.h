/* Whether a worker is alive, and whether it can do its work; if not, why, in one sentence. */
#ifndef WEIR_SERVICE_HEALTH_H
#define WEIR_SERVICE_HEALTH_H

#include "service/worker_state.h"

/* The server has answered lately, and what it holds is being read. */
bool weir_health_alive(const struct weir_worker *worker, char *why, size_t room);
/* Its server can be reached, is the master, for both of its connections the same one, has the
 * function library and takes commits; and the worker is not stopping. */
bool weir_health_ready(const struct weir_worker *worker, char *why, size_t room);

#endif
