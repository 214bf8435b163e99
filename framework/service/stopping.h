/* How a worker stops: nothing new, what is begun comes to its end, then it leaves. A second signal,
 * or a grace of 25 s, ends it at once; what is unfinished stays pending for others. */
#ifndef WEIR_SERVICE_STOPPING_H
#define WEIR_SERVICE_STOPPING_H

#include "service/worker_state.h"

void weir_stopping_init(struct weir_worker *worker);
/* Watches for SIGTERM, SIGINT, and SIGHUP where that is not ignored. */
void weir_stopping_watch(struct weir_worker *worker);
void weir_stopping_close(struct weir_worker *worker);
/* Leaves when it is stopping and nothing is under way any more. */
void weir_stopping_check(struct weir_worker *worker);
/* Ends the loop with an exit code. */
void weir_stopping_now(struct weir_worker *worker, int exit_code);

#endif
