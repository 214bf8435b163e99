/* The process's own clock, from CLOCK_MONOTONIC. */
#include "base/clock.h"

#include <time.h>

int64_t weir_clock_monotonic_ms(void)
{
    /* The call cannot fail for this clock; zeros keep the result defined all the same. */
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t weir_clock_monotonic_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t weir_clock_passed_ms(int64_t from, int64_t to)
{
    return to > from ? to - from - 1 : 0;
}
