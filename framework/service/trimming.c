/* Removes the service's events that are old or too many, never past a reader. */
#include "service/trimming.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crash_point.h"
#include "redis/key_names.h"
#include "redis/reply.h"

#define TRIM_EVERY_MS 10000
#define TRIM_LIMIT "10000"
#define TRIM_AGAIN_MS 1000 /* while there is something to remove */
#define TRIM_ON_MS 100     /* while there is much to remove */
#define MUCH 1000
#define TELL_AGAIN_MS 3600000
#define TELL_PAUSE_MS 10000 /* readers that overtake each other do not fill the log */

/* ---- Readers that hold events back ------------------------------------------------------- */

/* The ms part of an entry's id. */
static bool entry_time(struct weir_slice id, int64_t *ms)
{
    const char *dash = memchr(id.at, '-', id.length);
    return dash != NULL && weir_parse_integer(id.at, (size_t)(dash - id.at), ms);
}

static void tell(struct weir_trimming *trimming, struct weir_slice reader,
                 struct weir_slice position, int64_t age_ms, int64_t now_ms)
{
    snprintf(trimming->held_by, sizeof trimming->held_by, "%.*s", (int)reader.length, reader.at);
    trimming->told_ms = now_ms;
    weir_log_warning(trimming->runtime->log, "events.held_back",
                     "reader=%.*s position=%.*s oldest_ms=%lld", (int)reader.length, reader.at,
                     (int)position.length, position.at, (long long)age_ms);
}

static void on_held_back(struct weir_trimming *trimming, const redisReply *reply)
{
    struct weir_slice reader, position, oldest;
    int64_t oldest_ms, now_ms, since_told;
    char name[sizeof trimming->held_by];
    if (!weir_reply_text(weir_reply_at(reply, 1), &reader) ||
        !weir_reply_text(weir_reply_at(reply, 2), &position) ||
        !weir_reply_text(weir_reply_at(reply, 3), &oldest) || !entry_time(oldest, &oldest_ms) ||
        !weir_reply_integer(weir_reply_at(reply, 4), &now_ms))
        return;
    since_told = now_ms - trimming->told_ms;
    snprintf(name, sizeof name, "%.*s", (int)reader.length, reader.at);
    if (since_told >= TELL_AGAIN_MS ||
        (strcmp(name, trimming->held_by) != 0 && since_told >= TELL_PAUSE_MS))
        tell(trimming, reader, position, now_ms - oldest_ms, now_ms);
}

static void on_not_held_back(struct weir_trimming *trimming)
{
    if (trimming->held_by[0] != '\0')
        weir_log_info(trimming->runtime->log, "events.released", "reader=%s", trimming->held_by);
    trimming->held_by[0] = '\0';
}

/* ---- Calls ------------------------------------------------------------------------------- */

static bool call_trim(void *user, struct weir_periodic *periodic)
{
    struct weir_trimming *trimming = user;
    char keep[24], limit[24];
    if (trimming->runtime->settings->event_keep_ms < 0)
        return false;
    snprintf(keep, sizeof keep, "%" PRId64, trimming->runtime->settings->event_keep_ms);
    snprintf(limit, sizeof limit, "%" PRId64, trimming->runtime->settings->event_limit);
    return weir_periodic_send(periodic, 8,
                              (const char *[]){"FCALL", "weir_trim", "2", trimming->events,
                                               trimming->readers, keep, TRIM_LIMIT, limit});
}

static int64_t on_trimmed(void *user, const redisReply *reply)
{
    struct weir_trimming *trimming = user;
    int64_t removed = 0;
    WEIR_CRASH_POINT(TRIM_ANSWERED);
    if (!weir_reply_integer(weir_reply_at(reply, 0), &removed))
        return -1;
    if (weir_reply_at(reply, 1) != NULL)
        on_held_back(trimming, reply);
    else
        on_not_held_back(trimming);
    return removed >= MUCH ? TRIM_ON_MS : removed > 0 ? TRIM_AGAIN_MS : -1;
}

/* ---- Life -------------------------------------------------------------------------------- */

void weir_trimming_init(struct weir_trimming *trimming, const struct weir_runtime *runtime)
{
    memset(trimming, 0, sizeof *trimming);
    trimming->runtime = runtime;
    weir_key_events(trimming->events, runtime->prefix, runtime->service);
    weir_key_readers(trimming->readers, runtime->prefix, runtime->service);
    weir_periodic_init(&trimming->calls, runtime->loop, runtime->link, runtime->log, "trim",
                       TRIM_EVERY_MS, trimming);
    trimming->calls.call = call_trim;
    trimming->calls.answered = on_trimmed;
}

void weir_trimming_start(struct weir_trimming *trimming)
{
    weir_periodic_start(&trimming->calls);
}

void weir_trimming_stop(struct weir_trimming *trimming)
{
    weir_periodic_stop(&trimming->calls);
}
