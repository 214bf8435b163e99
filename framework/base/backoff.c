/* Waiting times between attempts, and the small random source that spreads them. */
#include "base/backoff.h"

#include <time.h>
#include <unistd.h>

void weir_random_init(struct weir_random *random, uint64_t seed)
{
    random->state = seed;
}

/* Used where the kernel gives no entropy: process and nanosecond tell twins apart. */
static uint64_t seed_from_clock(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct weir_random mixer = {(uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
    mixer.state = weir_random_next(&mixer) ^ (uint64_t)getpid();
    return weir_random_next(&mixer);
}

uint64_t weir_random_seed(void)
{
    uint64_t seed = 0;
    if (getentropy(&seed, sizeof seed) != 0)
        seed = seed_from_clock();
    return seed;
}

uint64_t weir_random_next(struct weir_random *random)
{
    random->state += 0x9E3779B97F4A7C15u;
    uint64_t mixed = random->state;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

uint64_t weir_random_below(struct weir_random *random, uint64_t bound)
{
    if (bound == 0)
        return 0;
    /* 2^64 mod bound: numbers under it would make the small results likelier. At most half of
     * all numbers are thrown away, so the loop is short. */
    uint64_t surplus = (0 - bound) % bound;
    uint64_t number;
    do {
        number = weir_random_next(random);
    } while (number < surplus);
    return number % bound;
}

/* min(cap, base · 2^(attempt-1)); comparing before shifting is what keeps it from overflowing. */
static int64_t doubled(int64_t base_ms, int64_t cap_ms, unsigned attempt)
{
    unsigned shift = attempt > 0 ? attempt - 1 : 0;
    if (shift >= 63 || base_ms > (cap_ms >> shift))
        return cap_ms;
    return base_ms << shift;
}

int64_t weir_backoff_ms(int64_t base_ms, int64_t cap_ms, unsigned attempt,
                        struct weir_random *random)
{
    if (base_ms <= 0 || cap_ms <= 0)
        return 0;
    int64_t whole = doubled(base_ms, cap_ms, attempt);
    int64_t spread = whole / 2;
    return whole - spread + (int64_t)weir_random_below(random, (uint64_t)spread + 1);
}
