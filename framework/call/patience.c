/* Pauses between questions to the server, and how long an answer is waited for. */
#include "call/patience.h"

#include <time.h>

#include "base/clock.h"

#define PAUSE_FIRST_MS 2
#define PAUSE_LAST_MS 50
#define ANSWER_LEAST_MS 200

void weir_patience_begin(struct weir_patience *patience, int64_t limit_ms)
{
    if (limit_ms < 0)
        limit_ms = 0;
    if (limit_ms > WEIR_PATIENCE_MAX_MS)
        limit_ms = WEIR_PATIENCE_MAX_MS;
    patience->deadline = weir_clock_monotonic_ms() + limit_ms;
    patience->pause_ms = PAUSE_FIRST_MS;
}

bool weir_patience_pause(struct weir_patience *patience)
{
    int64_t left = patience->deadline - weir_clock_monotonic_ms();
    int64_t ms = patience->pause_ms < left ? patience->pause_ms : left;
    if (left <= 0)
        return false;
    nanosleep(&(struct timespec){.tv_sec = 0, .tv_nsec = (long)(ms * 1000000)}, NULL);
    patience->pause_ms = patience->pause_ms * 3 / 2;
    if (patience->pause_ms > PAUSE_LAST_MS)
        patience->pause_ms = PAUSE_LAST_MS;
    return true;
}

void weir_patience_bind(const struct weir_patience *patience, struct weir_client *client)
{
    int64_t left = patience->deadline - weir_clock_monotonic_ms();
    if (left > WEIR_ANSWER_LIMIT_MS)
        left = WEIR_ANSWER_LIMIT_MS;
    weir_client_set_timeout(client, left < ANSWER_LEAST_MS ? ANSWER_LEAST_MS : left);
}
