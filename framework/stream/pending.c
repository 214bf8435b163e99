/* Messages that were given out and not finished. */
#include "stream/pending.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"

#define BATCH_MAX 64

static size_t batch_size(const struct weir_pending *pending)
{
    size_t room = pending->settings.room(pending->settings.user);
    return room < BATCH_MAX ? room : BATCH_MAX;
}

static void copy_id(char *to, size_t room, const char *prefix, const redisReply *reply)
{
    struct weir_slice id = {"", 0};
    (void)weir_reply_text(reply, &id);
    snprintf(to, room, "%s%.*s", id.length ? prefix : "", (int)id.length, id.at);
}

/* {next, entries, lost}: hands over the entries; returns their number. */
static size_t take(struct weir_pending *pending, const redisReply *reply, size_t stream, bool taken)
{
    const redisReply *entries = weir_reply_at(reply, 1);
    int64_t lost = 0;
    size_t count = weir_reply_array(entries, 0) ? entries->elements : 0;
    for (size_t i = 0; i < count; i++) {
        struct weir_entry entry;
        if (weir_reply_entry(entries->element[i], &entry))
            pending->settings.entry(pending->settings.user, stream, &entry, taken);
        if (taken)
            WEIR_CRASH_POINT(CLAIM_TAKEN);
        else
            WEIR_CRASH_POINT(RECOVER_TAKEN);
    }
    if (weir_reply_integer(weir_reply_at(reply, 2), &lost) && lost > 0)
        pending->settings.lost_bodies(pending->settings.user, lost);
    return count;
}

/* ---- Take-over --------------------------------------------------------------------------- */

static void begin_round(struct weir_pending *pending)
{
    pending->none_pending = true;
    pending->round_began = weir_clock_monotonic_ms();
}

/* What was not even pending when the round began cannot be claimed before the claim time has
 * passed. A little earlier does no harm, and the timer keeps its step. */
static void end_round(struct weir_pending *pending)
{
    if (pending->none_pending)
        pending->quiet_until =
            pending->round_began + pending->settings.claim_idle_ms - pending->claims.every_ms / 2;
}

static bool call_claim(void *user, struct weir_periodic *periodic)
{
    struct weir_pending *pending = user;
    const struct weir_pending_settings *settings = &pending->settings;
    size_t batch = batch_size(pending);
    char idle[24], count[24];
    if (batch == 0 || pending->recovering || weir_clock_monotonic_ms() < pending->quiet_until)
        return false;
    if (pending->claim_stream == 0 && strcmp(pending->cursor, "0-0") == 0)
        begin_round(pending);
    snprintf(idle, sizeof idle, "%lld", (long long)settings->claim_idle_ms);
    snprintf(count, sizeof count, "%zu", batch);
    WEIR_CRASH_POINT(CLAIM_SENDING);
    return weir_periodic_send(periodic, 10,
                              (const char *[]){"FCALL", "weir_claim", "2",
                                               settings->streams[pending->claim_stream],
                                               settings->dead, settings->group, settings->consumer,
                                               idle, pending->cursor, count});
}

static int64_t on_claimed(void *user, const redisReply *reply)
{
    struct weir_pending *pending = user;
    size_t stream = pending->claim_stream;
    WEIR_CRASH_POINT(CLAIM_ANSWERED);
    copy_id(pending->cursor, sizeof pending->cursor, "", weir_reply_at(reply, 0));
    if (pending->claims.stopped)
        return -1; /* what has come here is taken over again by another */
    if (pending->cursor[0] == '\0')
        strcpy(pending->cursor, "0-0");
    pending->claimed += take(pending, reply, stream, true);
    if (weir_reply_at(reply, 3) == NULL) /* nor does a library say so that is older than this */
        pending->none_pending = false;
    if (strcmp(pending->cursor, "0-0") != 0)
        return 0; /* XAUTOCLAIM looks at a part of the pending entries at a time */
    pending->claim_stream = (stream + 1) % pending->settings.stream_count;
    if (pending->claim_stream != 0)
        return 0;
    end_round(pending);
    return -1;
}

/* ---- Recovery ---------------------------------------------------------------------------- */

static void begin_recovery(struct weir_pending *pending)
{
    pending->restart = false;
    pending->recover_stream = 0;
    strcpy(pending->from, "-");
}

static bool call_recover(void *user, struct weir_periodic *periodic)
{
    struct weir_pending *pending = user;
    const struct weir_pending_settings *settings = &pending->settings;
    size_t batch = batch_size(pending);
    char count[24];
    if (pending->restart)
        begin_recovery(pending);
    if (!pending->recovering || batch == 0)
        return false;
    snprintf(count, sizeof count, "%zu", batch);
    WEIR_CRASH_POINT(RECOVER_SENDING);
    return weir_periodic_send(periodic, 9,
                              (const char *[]){"FCALL", "weir_recover", "2",
                                               settings->streams[pending->recover_stream],
                                               settings->dead, settings->group, settings->consumer,
                                               pending->from, count});
}

static int64_t on_recovered(void *user, const redisReply *reply)
{
    struct weir_pending *pending = user;
    WEIR_CRASH_POINT(RECOVER_ANSWERED);
    if (pending->restart) { /* the answer belongs to a look that was given up */
        begin_recovery(pending);
        return 0;
    }
    copy_id(pending->from, sizeof pending->from, "(", weir_reply_at(reply, 0));
    if (!pending->recovering)
        return -1;
    (void)take(pending, reply, pending->recover_stream, false);
    if (pending->from[0] != '\0')
        return 0;
    strcpy(pending->from, "-");
    if (++pending->recover_stream < pending->settings.stream_count)
        return 0;
    pending->recovering = false;
    pending->settings.recovered(pending->settings.user);
    return -1;
}

void weir_pending_recover(struct weir_pending *pending)
{
    pending->recovering = true;
    if (pending->recoveries.under_way)
        pending->restart = true;
    else
        begin_recovery(pending);
    weir_periodic_hasten(&pending->recoveries, 0);
}

void weir_pending_go_on(struct weir_pending *pending)
{
    if (pending->recovering && batch_size(pending) > 0)
        weir_periodic_hasten(&pending->recoveries, 0);
}

static void on_library_missing(void *user)
{
    struct weir_pending *pending = user;
    pending->settings.library_missing(pending->settings.user);
}

static void on_refused(void *user, enum weir_refusal refusal)
{
    struct weir_pending *pending = user;
    if (refusal == WEIR_REFUSAL_GROUP)
        pending->settings.group_missing(pending->settings.user);
}

/* ---- Life -------------------------------------------------------------------------------- */

void weir_pending_init(struct weir_pending *pending, const struct weir_pending_settings *settings)
{
    int64_t every = settings->claim_idle_ms / 4;
    memset(pending, 0, sizeof *pending);
    pending->settings = *settings;
    strcpy(pending->cursor, "0-0");
    strcpy(pending->from, "-");
    weir_periodic_init(&pending->claims, settings->loop, settings->link, settings->log, "claim",
                       every < 100    ? 100
                       : every > 5000 ? 5000
                                      : every,
                       pending);
    pending->claims.call = call_claim;
    pending->claims.answered = on_claimed;
    weir_periodic_init(&pending->recoveries, settings->loop, settings->link, settings->log,
                       "recover", 1000, pending);
    pending->recoveries.call = call_recover;
    pending->recoveries.answered = on_recovered;
    pending->claims.refused = pending->recoveries.refused = on_refused;
    pending->claims.library_missing = pending->recoveries.library_missing = on_library_missing;
}

void weir_pending_start(struct weir_pending *pending)
{
    pending->quiet_until = 0; /* the server may be another */
    weir_periodic_start(&pending->claims);
    weir_periodic_start(&pending->recoveries);
}

void weir_pending_stop(struct weir_pending *pending)
{
    pending->recovering = false;
    weir_periodic_stop(&pending->claims);
    weir_periodic_stop(&pending->recoveries);
}
