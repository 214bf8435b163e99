/* How long to wait before the next attempt: doubling, capped, with jitter. Pure. */
#ifndef WEIR_BASE_BACKOFF_H
#define WEIR_BASE_BACKOFF_H

#include <stdint.h>

/* A small pseudo-random source (splitmix64, Steele, Lea and Flood 2014). Not for secrets. */
struct weir_random {
    uint64_t state;
};

void weir_random_init(struct weir_random *random, uint64_t seed);
/* A seed from the operating system; differs between processes started at the same moment. */
uint64_t weir_random_seed(void);
uint64_t weir_random_next(struct weir_random *random);
/* A number in 0 … bound-1, without modulo bias that matters; 0 where bound is 0. */
uint64_t weir_random_below(struct weir_random *random, uint64_t bound);

/* Milliseconds to wait before attempt number `attempt` + 1, where `attempt` (from 1) has just
 * failed: half of min(cap, base · 2^(attempt-1)) plus a random part of the other half ("equal
 * jitter"), so at least half of it and never more than the cap. Never overflows. base and cap of
 * 0 or less give 0. */
int64_t weir_backoff_ms(int64_t base_ms, int64_t cap_ms, unsigned attempt,
                        struct weir_random *random);

#endif
