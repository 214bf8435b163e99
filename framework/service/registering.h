/* Keeps the service in the register of all services, {weir}:services, which is what operators look
 * at. Nothing else depends on it: a user without the right to write it loses only that. */
#ifndef WEIR_SERVICE_REGISTERING_H
#define WEIR_SERVICE_REGISTERING_H

#include <stdbool.h>
#include <stdint.h>

#include "service/delivery.h"

struct weir_registering {
    const struct weir_runtime *runtime; /* borrowed */
    int64_t sent_at;                    /* monotonic ms; 0: never */
    bool failing;                       /* the last answer was an error; said once */
};

void weir_registering_init(struct weir_registering *registering,
                           const struct weir_runtime *runtime);
/* Writes the service's sign of life, on the worker's own connection, where the last was a minute
 * ago or `forgotten`: the server seems not to know this worker. `server_ms`: the server's clock. */
void weir_registering_sign(struct weir_registering *registering, int64_t server_ms, bool forgotten);

#endif
