/* A running service: wires reader, take-over, handlers, commits and schedule together. */
#ifndef WEIR_SERVICE_WORKER_H
#define WEIR_SERVICE_WORKER_H

#include "service/service.h"

/* Runs the service until it is told to stop. `service`, `settings`, `endpoint` and `log` are
 * borrowed. Returns the exit code. */
int weir_worker_run(struct weir_service *service, const struct weir_worker_settings *settings,
                    const struct weir_endpoint *endpoint, struct weir_log *log,
                    struct weir_error *error);

/* The options of every worker, as weir_main reads them. */
const struct weir_option *weir_worker_options(void);

#endif
