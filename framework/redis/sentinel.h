/* Asks Sentinels where the master is: the question, what an answer means, a round through all of
 * them, and the blocking way to do it. */
#ifndef WEIR_REDIS_SENTINEL_H
#define WEIR_REDIS_SENTINEL_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/endpoint.h"

#define WEIR_SENTINEL_LIMIT_MS 1000 /* for connecting to one Sentinel, and for its answer */

#define WEIR_SENTINEL_WORDS 3
/* The words of AUTH and of the question. They are borrowed from the endpoint. The first writes
 * nothing and returns 0 where the Sentinels want no password. */
int weir_sentinel_login(const struct weir_endpoint *endpoint, const char **words);
void weir_sentinel_question(const struct weir_endpoint *endpoint, const char **words);

/* The master's address in the answer to the question. WEIR_NOT_FOUND: this Sentinel knows no
 * master of that name. WEIR_DENIED: it wants another password. WEIR_UNAVAILABLE: all else. */
WEIR_CHECKED enum weir_status weir_sentinel_read(const redisReply *reply, const char *master,
                                                 struct weir_address *out,
                                                 struct weir_error *error);

/* What has come of asking one Sentinel after the other. `{0}` is the beginning. */
struct weir_sentinel_round {
    size_t asked, denied;
    struct weir_error error; /* the most telling one */
};
void weir_sentinel_round_failed(struct weir_sentinel_round *round,
                                const struct weir_address *sentinel,
                                const struct weir_error *error);
/* The sentence for a round in which none has named the master. WEIR_DENIED where all want another
 * password, else WEIR_UNAVAILABLE. */
enum weir_status weir_sentinel_round_end(const struct weir_sentinel_round *round,
                                         const struct weir_endpoint *endpoint,
                                         struct weir_error *error);

/* Asks them in turn, and waits; for each at most limit_ms, and no more than a second. `next` is the
 * index of the first that is asked, and then of the one behind the last: who finds no master where
 * one has said, asks again with it, so that one that is late for ever hides it from nobody. */
WEIR_CHECKED enum weir_status weir_sentinel_find(const struct weir_endpoint *endpoint,
                                                 int64_t limit_ms, size_t *next,
                                                 struct weir_address *out,
                                                 struct weir_error *error);

#endif
