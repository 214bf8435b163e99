/* Counts what a worker does from one sign of life to the next. */
#include "service/recent.h"

#include <stdio.h>

#define INTERVAL_MIN_MS 1000

void weir_recent_count(struct weir_recent *recent, int64_t now_ms, const struct weir_counts *counts)
{
    int64_t ms = now_ms - recent->since_ms;
    const struct weir_counts *start = &recent->start;
    if (recent->since_ms != 0 && ms < INTERVAL_MIN_MS)
        return;
    if (recent->since_ms != 0)
        snprintf(recent->json, sizeof recent->json,
                 "{\"ms\":%lld,\"received\":%llu,\"handled\":%llu,\"refused\":%llu,"
                 "\"retried\":%llu}",
                 (long long)ms, (unsigned long long)(counts->received - start->received),
                 (unsigned long long)(counts->handled - start->handled),
                 (unsigned long long)(counts->refused - start->refused),
                 (unsigned long long)(counts->retried - start->retried));
    recent->since_ms = now_ms;
    recent->start = *counts;
}

const char *weir_recent_json(const struct weir_recent *recent)
{
    return recent->json[0] ? recent->json : "null";
}
