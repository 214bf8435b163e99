/* Waiting until read models have come to what has been published. */
#ifndef WEIR_CALL_FRESHNESS_H
#define WEIR_CALL_FRESHNESS_H

#include "call/patience.h"
#include "weir.h"

/* Waits until the checkpoint of each projection concerned has passed the tokens: FOUND; WAITED, and
 * in `error` which has not, or FAILED. Without options->projection those are concerned that are
 * registered with the token's service among their sources; that there is none is WEIR_NOT_FOUND. */
WEIR_CHECKED enum weir_query_result weir_freshness_await(struct weir_client *client,
                                                         const char *prefix, const char *view,
                                                         const struct weir_query_options *options,
                                                         struct weir_error *error);

#endif
