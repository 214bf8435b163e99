/* What the gateway counts of its requests, for its metrics. */
#ifndef GATEWAY_FIGURES_H
#define GATEWAY_FIGURES_H

#include "request.h"

/* One that is being answered. */
void figures_take(const struct request *request);
/* How many are in hand now; to be called about every second. */
void figures_take_in_hand(const struct gateway *gateway);
/* A connection that had to go since there are too many: the "idle" or the "newest". */
void figures_take_closed(const struct gateway *gateway, const char *which);

#endif
