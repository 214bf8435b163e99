/* What a deferred handler has asked of durability, for the files that end deferrals. */
#ifndef WEIR_SERVICE_WHEN_DURABLE_H
#define WEIR_SERVICE_WHEN_DURABLE_H

#include "service/delivery.h"

/* The deferral is about to be freed: its callback will not be called any more. */
void weir_when_durable_drop(struct weir_deferral *deferral);

#endif
