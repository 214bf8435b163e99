/* A worker as its signs of life in {S}:workers tell. */
#ifndef WEIR_COMMANDS_LIVE_WORKER_H
#define WEIR_COMMANDS_LIVE_WORKER_H

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdint.h>

#include "base/text.h"

#define WEIR_WORKER_SILENT_MS 15000 /* three signs of life have not come */
#define WEIR_WORKER_GONE_MS 60000   /* others take it for gone */

/* New JSON of one entry, null where it tells nothing:
 *   {service, consumer, host, pid, version, started, heartbeat, state, inHand, received, done,
 *    rejected, retried, dead, repeated, fenced, conflicts, takenOver, rate}
 * `state` is alive, silent (for 15 s) or gone (for a minute). `rate` is {received, handled,
 * refused, retried}, a second, over its last interval of about 5 s; null of one that has not told
 * or is not alive. Rates are rounded to sixteenths, which have short decimals. */
json_t *weir_worker_describe(const char *service, struct weir_slice consumer,
                             struct weir_slice entry, int64_t now_ms);

/* All of a service, from the answer to HGETALL; a new array in the order of their names. */
json_t *weir_workers_describe(const char *service, const redisReply *pairs, int64_t now_ms);

/* What several do together. */
struct weir_crew {
    int64_t alive, silent, gone, in_hand;
    double received, handled, refused, retried; /* a second */
    bool rated;                                 /* one at least has told its rate */
};
void weir_crew_add(struct weir_crew *crew, const json_t *worker);
void weir_crew_join(struct weir_crew *crew, const struct weir_crew *other);
/* New: {received, handled, refused, retried}, or null where nobody has told. */
json_t *weir_crew_rate(const struct weir_crew *crew);

#endif
