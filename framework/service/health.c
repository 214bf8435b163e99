/* Whether a worker is alive, and whether it can do its work. */
#include "service/health.h"

#include <stdio.h>

#include "base/clock.h"

/* A read that waits is answered after 5 s, a sign of life goes out every 5 s. */
#define SILENT_MAX_MS 30000

static int64_t later(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* Whether something could be read, and no read is under way. */
static bool should_read(const struct weir_worker *worker)
{
    const struct weir_group_reader *reader = &worker->reader;
    return reader->groups_ready && !reader->reading && !worker->stopping && worker->library_ready &&
           !worker->committer.stalled && HASH_COUNT(worker->deliveries) == 0;
}

bool weir_health_alive(const struct weir_worker *worker, char *why, size_t room)
{
    int64_t now = weir_clock_monotonic_ms();
    int64_t heard =
        later(worker->begun_at, later(worker->link.heard_at, worker->reader.link.heard_at));
    int64_t read = later(worker->begun_at, worker->reader.read_at);
    if (now - heard > SILENT_MAX_MS) {
        snprintf(why, room, "nothing has been heard of %s for %lld s%s%s",
                 worker->runtime.endpoint->shown, (long long)(now - heard) / 1000,
                 worker->lost_why[0] != '\0' ? ": " : "", worker->lost_why);
        return false;
    }
    if (should_read(worker) && now - read > SILENT_MAX_MS) {
        snprintf(why, room, "nothing has been read for %lld s", (long long)(now - read) / 1000);
        return false;
    }
    return true;
}

bool weir_health_ready(const struct weir_worker *worker, char *why, size_t room)
{
    if (worker->stopping)
        snprintf(why, room, "stopping: what is in hand is finished, nothing new is taken");
    else if (worker->link.state != WEIR_LINK_READY || worker->reader.link.state != WEIR_LINK_READY)
        snprintf(why, room, "no connection to %s%s%s", worker->runtime.endpoint->shown,
                 worker->lost_why[0] != '\0' ? ": " : "", worker->lost_why);
    else if (worker->apart)
        snprintf(why, room, "the Sentinels of %s name different masters",
                 worker->runtime.endpoint->shown);
    else if (!worker->library_ready)
        snprintf(why, room, "the function library is not on %s", worker->runtime.endpoint->shown);
    else if (!worker->reader.groups_ready)
        snprintf(why, room, "the consumer groups are not on %s", worker->runtime.endpoint->shown);
    else if (worker->committer.stalled)
        snprintf(why, room, "%s takes no commits now", worker->runtime.endpoint->shown);
    else
        return true;
    return false;
}
