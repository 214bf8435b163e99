/* A query as a whole: its arguments checked, what it has to wait for, and the page. */
#ifndef WEIR_CALL_ASKING_H
#define WEIR_CALL_ASKING_H

#include "redis/client.h"
#include "weir.h"

/* What stands in the arguments, before there is a connection. WEIR_INVALID with a sentence that
 * begins with what is wrong: "view", "key", "page", "cursor", "projection". */
WEIR_CHECKED enum weir_status weir_query_check(const char *view, const char *key,
                                               const struct weir_query_options *options,
                                               struct weir_error *error);

/* The query as weir_query describes it, on a client that is connected; answer->reason is filled
 * for all results but FOUND, and `error` says more about FAILED. */
WEIR_CHECKED enum weir_query_result weir_query_ask(struct weir_client *client, const char *prefix,
                                                   const char *view, const char *key,
                                                   const struct weir_query_options *options,
                                                   struct weir_query_answer *answer,
                                                   struct weir_error *error);

#endif
