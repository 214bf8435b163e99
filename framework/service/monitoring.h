/* A worker's metrics and health, where --metrics was given. */
#ifndef WEIR_SERVICE_MONITORING_H
#define WEIR_SERVICE_MONITORING_H

#include "service/worker_state.h"

/* Listens and begins to count; nothing where no address was given. */
WEIR_CHECKED enum weir_status weir_monitoring_open(struct weir_worker *worker,
                                                   struct weir_error *error);
/* After the worker's links are closed and before its loop is destroyed. */
void weir_monitoring_close(struct weir_worker *worker);

#endif
