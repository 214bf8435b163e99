/* What the server tells of a service: how much waits for it, and for how long. */
#ifndef WEIR_SERVICE_GAUGES_H
#define WEIR_SERVICE_GAUGES_H

#include "service/collection.h"
#include "service/measures.h"

/* One stream that the service reads. */
struct weir_stream_gauges {
    struct weir_gauges *gauges;
    const char *key; /* borrowed */
    struct weir_gauge *backlog, *pending, *oldest;
    bool undelivered_known;
    double undelivered; /* a subscription's events that nobody has been given */
};

struct weir_gauges {
    struct weir_worker *worker;
    struct weir_collection *collection;
    struct weir_gauge *dead, *scheduled;
    struct weir_stream_gauges streams[WEIR_READER_STREAMS_MAX];
};

/* All is borrowed. The worker's streams and keys have been named. */
void weir_gauges_init(struct weir_gauges *gauges, struct weir_worker *worker,
                      struct weir_collection *collection);
/* Forgets what was known and asks anew, within a round. */
void weir_gauges_ask(struct weir_gauges *gauges);

#endif
