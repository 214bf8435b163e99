/* The process's own clock, for waits and watchdogs only. What decides is the server's clock. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since an arbitrary start; never runs backward, not changed by setting the date. */
int64_t weir_clock_monotonic_ms(void);
/* The same in nanoseconds, for what takes less. */
int64_t weir_clock_monotonic_ns(void);
/* The ms that have passed between two such times at the least: both have lost their fraction. */
int64_t weir_clock_passed_ms(int64_t from, int64_t to);

#endif
