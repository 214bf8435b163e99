/* Whether a message that could not be handled is delivered again, and when. Pure. */
#ifndef WEIR_STREAM_RETRY_POLICY_H
#define WEIR_STREAM_RETRY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"

struct weir_retry_policy {
    unsigned deliveries_max; /* refusals and crashes together */
    int64_t base_ms, cap_ms;
};

struct weir_retry_verdict {
    bool bury;
    int64_t delay_ms; /* unless buried */
};

/* After delivery number `deliveries` (from 1) ended without an outcome that stands. `wanted_ms`
 * is the handler's wish, negative: none. */
struct weir_retry_verdict weir_retry_verdict(const struct weir_retry_policy *policy,
                                             unsigned deliveries, int64_t wanted_ms,
                                             struct weir_random *random);

/* Whether a message taken over after `deliveries` deliveries that came to no end may begin once
 * more. */
bool weir_retry_may_begin(const struct weir_retry_policy *policy, unsigned deliveries);

#endif
