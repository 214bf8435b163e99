/* Whether a message that could not be handled is delivered again, and when. */
#include "stream/retry_policy.h"

struct weir_retry_verdict weir_retry_verdict(const struct weir_retry_policy *policy,
                                             unsigned deliveries, int64_t wanted_ms,
                                             struct weir_random *random)
{
    struct weir_retry_verdict verdict = {.bury = deliveries >= policy->deliveries_max};
    if (!verdict.bury)
        verdict.delay_ms =
            wanted_ms >= 0 ? wanted_ms
                           : weir_backoff_ms(policy->base_ms, policy->cap_ms, deliveries, random);
    return verdict;
}

bool weir_retry_may_begin(const struct weir_retry_policy *policy, unsigned deliveries)
{
    return deliveries < policy->deliveries_max;
}
