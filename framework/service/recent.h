/* How much a worker has done lately: counts over the last interval that is over. */
#ifndef WEIR_SERVICE_RECENT_H
#define WEIR_SERVICE_RECENT_H

#include <stdint.h>

struct weir_counts {
    uint64_t received; /* messages */
    uint64_t handled;  /* brought to an end, whichever: not retried, nor put off */
    uint64_t refused;  /* of these, rejected or buried */
    uint64_t retried;
};

/* `{0}` has counted nothing yet. */
struct weir_recent {
    int64_t since_ms;         /* monotonic: when the interval began; 0: none has */
    struct weir_counts start; /* what had been counted then */
    char json[160]; /* a JSON object, {ms, received, handled, refused, retried}; "": none */
};

/* Ends the interval, where it has lasted a second, and begins the next. `counts` only grow. */
void weir_recent_count(struct weir_recent *recent, int64_t now_ms,
                       const struct weir_counts *counts);
/* The JSON, "null" while no interval is over. */
const char *weir_recent_json(const struct weir_recent *recent);

#endif
