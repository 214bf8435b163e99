/* A runner as a component of its service. */
#ifndef WEIR_PROJECTION_LIFE_H
#define WEIR_PROJECTION_LIFE_H

#include "service/service.h"

enum weir_status weir_runner_start(void *runner, struct weir_runtime *runtime,
                                   struct weir_error *error);
void weir_runner_stop(void *runner);
bool weir_runner_busy(void *runner);
void weir_runner_close(void *runner);

#endif
