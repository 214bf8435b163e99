/* Reads new entries for a consumer of a group, never more than there is room for. */
#include "stream/group_reader.h"

#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "redis/refusal.h"

#define BLOCK_MS "5000"
#define BLOCK_CLOSED_MS "100"
#define SILENCE_LIMIT_MS 10000 /* a blocked read answers after BLOCK_MS */
#define PAUSE_BASE_MS 50
#define PAUSE_CAP_MS 2000

static void ensure_groups(struct weir_group_reader *reader);
static void read_more(struct weir_group_reader *reader);
static void read_ahead(struct weir_group_reader *reader, size_t arrived);

static void pause_then_retry(struct weir_group_reader *reader)
{
    int64_t pause =
        reader->refusals < 6 ? (int64_t)PAUSE_BASE_MS << reader->refusals : (int64_t)PAUSE_CAP_MS;
    reader->refusals++;
    ev_timer_stop(reader->settings.loop, &reader->pause);
    ev_timer_set(&reader->pause, (double)pause / 1000., 0.);
    ev_timer_start(reader->settings.loop, &reader->pause);
}

static void on_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_group_reader *reader = timer->data;
    (void)loop;
    (void)events;
    if (reader->groups_ready)
        read_more(reader);
    else
        ensure_groups(reader);
}

/* One line for the first of a row of refusals. Missing rights are no better than a lost link. */
static void report(struct weir_group_reader *reader, const char *event, const char *why)
{
    struct weir_error error = {0};
    if (reader->refusals == 0)
        weir_log_error(reader->settings.log, event, "group=%s reason=%s", reader->settings.group,
                       why);
    if (weir_refusal_of(why) != WEIR_REFUSAL_DENIED)
        return;
    weir_error_set(&error, WEIR_DENIED, "%s", why);
    reader->settings.lost(reader->settings.user, &error);
}

/* ---- Groups ------------------------------------------------------------------------------ */

/* Somebody has flushed the server, or deleted a stream or a group, or it has come back without its
 * data. One line for all that is gone. */
static void report_loss(struct weir_group_reader *reader)
{
    const char *what =
        reader->gone > 0
            ? "the streams were gone, with all messages in them; what comes is served"
            : "the groups were gone; their streams are delivered from the first entry on";
    if (reader->gone + reader->groups_gone > 0)
        weir_log_error(reader->settings.log, "data.lost",
                       "group=%s streams=%zu groups=%zu first=%s reason=%s", reader->settings.group,
                       reader->gone, reader->groups_gone,
                       reader->settings.streams[reader->first_gone], what);
    reader->gone = reader->groups_gone = 0;
}

static void note_loss(struct weir_group_reader *reader)
{
    if (!reader->were_ready)
        return;
    if (reader->gone + reader->groups_gone == 0)
        reader->first_gone = reader->settings.stream_count - reader->groups_owed - 1;
    reader->gone += !reader->stream_there;
    reader->groups_gone += reader->stream_there;
}

static void on_stream_there(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_group_reader *reader = user;
    int64_t number = 1;
    if (answer == WEIR_ANSWER_DONE)
        (void)weir_reply_integer(reply, &number);
    reader->stream_there = number > 0; /* where asking is not allowed: nothing worse is claimed */
}

static void on_group(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_group_reader *reader = user;
    bool exists = answer == WEIR_ANSWER_REFUSED && strncmp(reply->str, "BUSYGROUP", 9) == 0;
    WEIR_CRASH_POINT(GROUP_ANSWERED);
    if (reader->groups_owed > 0)
        reader->groups_owed--;
    if (answer == WEIR_ANSWER_UNKNOWN)
        return;
    if (answer == WEIR_ANSWER_DONE) {
        reader->groups_made++;
        note_loss(reader);
        weir_log_info(reader->settings.log, "group.made", "group=%s", reader->settings.group);
    } else if (!exists) {
        report(reader, "group.refused", reply->str);
        reader->groups_ready = false;
    }
    if (reader->groups_owed > 0)
        return;
    if (!reader->groups_ready) {
        pause_then_retry(reader);
        return;
    }
    report_loss(reader);
    reader->were_ready = true;
    /* what is urgent has waited while we were away: it comes before all else */
    reader->urgent_only = reader->settings.urgent_count > 0;
    reader->settings.ready(reader->settings.user);
    read_more(reader);
}

/* At 0, never at $: what was sent before the group existed is not lost. */
static void ensure_groups(struct weir_group_reader *reader)
{
    reader->groups_ready = true; /* until one is refused */
    for (size_t i = 0; i < reader->settings.stream_count; i++) {
        const char *arguments[] = {
            "XGROUP", "CREATE",  reader->settings.streams[i], reader->settings.group,
            "0",      "MKSTREAM"};
        if (reader->were_ready)
            (void)!weir_link_send(&reader->link, 2,
                                  (const char *[]){"EXISTS", reader->settings.streams[i]}, NULL,
                                  on_stream_there, reader);
        if (weir_link_send(&reader->link, 6, arguments, NULL, on_group, reader) != WEIR_OK) {
            reader->groups_ready = false;
            if (reader->groups_owed == 0)
                pause_then_retry(reader);
            return;
        }
        reader->groups_owed++;
    }
}

/* ---- Reading ----------------------------------------------------------------------------- */

static size_t stream_of(const struct weir_group_reader *reader, const redisReply *name)
{
    struct weir_slice key;
    size_t i = 0;
    if (!weir_reply_text(name, &key))
        return reader->settings.stream_count;
    while (i < reader->settings.stream_count &&
           !weir_slice_equals(key, reader->settings.streams[i]))
        i++;
    return i;
}

/* How many entries have come, and whether some are urgent. */
static size_t survey(const struct weir_group_reader *reader, const redisReply *reply, bool *urgent)
{
    size_t count = 0;
    for (size_t i = 0; weir_reply_array(reply, i + 1); i++) {
        const redisReply *entries = weir_reply_at(reply->element[i], 1);
        if (!weir_reply_array(entries, 1))
            continue;
        count += entries->elements;
        *urgent |=
            stream_of(reader, weir_reply_at(reply->element[i], 0)) < reader->settings.urgent_count;
    }
    return count;
}

static void hand_over(struct weir_group_reader *reader, const redisReply *reply)
{
    for (size_t i = 0; i < reply->elements; i++) {
        size_t stream = stream_of(reader, weir_reply_at(reply->element[i], 0));
        const redisReply *entries = weir_reply_at(reply->element[i], 1);
        if (stream == reader->settings.stream_count || !weir_reply_array(entries, 0))
            continue;
        reader->place++; /* what was read before need not have been next to it */
        for (size_t j = 0; j < entries->elements; j++) {
            struct weir_entry entry;
            bool readable = weir_reply_entry(entries->element[j], &entry);
            entry.place = ++reader->place;
            if (readable)
                reader->settings.entry(reader->settings.user, stream, &entry);
            WEIR_CRASH_POINT(READ_TAKEN);
        }
    }
}

static void on_read(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_group_reader *reader = user;
    enum weir_refusal refusal;
    size_t arrived;
    bool urgent = false;
    reader->reading = false;
    WEIR_CRASH_POINT(READ_ANSWERED);
    if (answer == WEIR_ANSWER_UNKNOWN)
        return;
    if (answer == WEIR_ANSWER_REFUSED) {
        refusal = weir_refusal_of(reply->str);
        report(reader, "read.refused", reply->str);
        reader->groups_ready = refusal != WEIR_REFUSAL_GROUP;
        pause_then_retry(reader);
        return;
    }
    reader->refusals = 0;
    reader->read_at = weir_clock_monotonic_ms();
    arrived = survey(reader, reply, &urgent);
    reader->urgent_only = urgent;
    read_ahead(reader, arrived);
    reader->handing_over = true; /* what has come takes its places before more is asked for */
    if (arrived > 0)
        hand_over(reader, reply);
    reader->handing_over = false;
    read_more(reader);
}

/* The streams to read now: the urgent ones alone, or all that are open. */
static size_t choose_streams(const struct weir_group_reader *reader, const char **streams)
{
    const struct weir_group_reader_settings *settings = &reader->settings;
    size_t last = reader->urgent_only ? settings->urgent_count : settings->stream_count;
    size_t count = 0;
    for (size_t i = 0; i < last; i++)
        if (settings->open == NULL || settings->open(settings->user, i))
            streams[count++] = settings->streams[i];
    return count;
}

static bool may_read(const struct weir_group_reader *reader)
{
    return !reader->reading && !reader->handing_over && !reader->stopped && reader->groups_ready &&
           reader->groups_owed == 0 && !ev_is_active(&reader->pause);
}

/* Sends XREADGROUP. Urgent streams alone are not waited for; while a stream is closed the wait is
 * short, because nothing tells when it opens. */
static void read_into(struct weir_group_reader *reader, size_t room)
{
    const struct weir_group_reader_settings *settings = &reader->settings;
    const char *arguments[10 + 2 * WEIR_READER_STREAMS_MAX], *streams[WEIR_READER_STREAMS_MAX];
    size_t chosen = choose_streams(reader, streams);
    char number[WEIR_DIGITS_MAX];
    int count = 0;

    room = room < settings->batch_max ? room : settings->batch_max;
    reader->asked = room / chosen ? room / chosen : 1; /* COUNT is for each stream */
    weir_digits((int64_t)reader->asked, number);
    arguments[count++] = "XREADGROUP";
    arguments[count++] = "GROUP";
    arguments[count++] = settings->group;
    arguments[count++] = settings->consumer;
    arguments[count++] = "COUNT";
    arguments[count++] = number;
    if (!reader->urgent_only) {
        arguments[count++] = "BLOCK";
        arguments[count++] = chosen == settings->stream_count ? BLOCK_MS : BLOCK_CLOSED_MS;
    }
    arguments[count++] = "STREAMS";
    for (size_t i = 0; i < chosen; i++)
        arguments[count++] = streams[i];
    for (size_t i = 0; i < chosen; i++)
        arguments[count++] = ">";
    WEIR_CRASH_POINT(READ_SENDING);
    reader->reading =
        weir_link_send(&reader->link, count, arguments, NULL, on_read, reader) == WEIR_OK;
}

static void read_more(struct weir_group_reader *reader)
{
    size_t room = may_read(reader) ? reader->settings.room(reader->settings.user) : 0;
    if (room > 0)
        read_into(reader, room);
}

/* Where much has come there is probably more: the server reads it while this is being handled.
 * Otherwise each would wait for the other in turn. */
static void read_ahead(struct weir_group_reader *reader, size_t arrived)
{
    size_t room;
    if (arrived < reader->asked || !may_read(reader))
        return;
    room = reader->settings.room(reader->settings.user);
    if (room < arrived + reader->settings.batch_max)
        return;
    read_into(reader, reader->settings.batch_max);
    weir_link_flush(&reader->link);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
    struct weir_group_reader *reader = user;
    reader->refusals = 0;
    ensure_groups(reader);
}

static void on_lost(void *user, const struct weir_error *error)
{
    struct weir_group_reader *reader = user;
    reader->reading = reader->groups_ready = reader->urgent_only = false;
    reader->groups_owed = 0;
    ev_timer_stop(reader->settings.loop, &reader->pause);
    reader->settings.lost(reader->settings.user, error);
}

void weir_group_reader_init(struct weir_group_reader *reader,
                            const struct weir_group_reader_settings *settings)
{
    struct weir_link_settings link = {.loop = settings->loop,
                                      .endpoint = settings->endpoint,
                                      .log = settings->log,
                                      .role = "reader",
                                      .client_name = settings->service,
                                      .silence_limit_ms = SILENCE_LIMIT_MS,
                                      .user = reader,
                                      .ready = on_ready,
                                      .lost = on_lost};
    memset(reader, 0, sizeof *reader);
    reader->settings = *settings;
    weir_link_init(&reader->link, &link);
    ev_timer_init(&reader->pause, on_pause, 0., 0.);
    reader->pause.data = reader;
}

void weir_group_reader_open(struct weir_group_reader *reader)
{
    weir_link_open(&reader->link);
}

void weir_group_reader_ensure(struct weir_group_reader *reader)
{
    if (reader->link.state == WEIR_LINK_READY && reader->groups_ready && !reader->reading &&
        reader->groups_owed == 0)
        ensure_groups(reader);
}

void weir_group_reader_go_on(struct weir_group_reader *reader)
{
    read_more(reader);
}

void weir_group_reader_stop(struct weir_group_reader *reader)
{
    reader->stopped = true;
    ev_timer_stop(reader->settings.loop, &reader->pause);
}

bool weir_group_reader_busy(const struct weir_group_reader *reader)
{
    return reader->reading;
}

int64_t weir_group_reader_client(const struct weir_group_reader *reader)
{
    return reader->link.client_id;
}

void weir_group_reader_close(struct weir_group_reader *reader)
{
    weir_group_reader_stop(reader);
    weir_link_close(&reader->link);
}
