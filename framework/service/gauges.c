/* What the server tells of a service: how much waits for it, and for how long. What it does not
 * tell stays unknown. */
#include "service/gauges.h"

#include <stdio.h>
#include <string.h>

#include "redis/reply.h"

static bool ask(struct weir_stream_gauges *stream, int count, const char **arguments,
                weir_collected *answered)
{
    return weir_collection_ask(stream->gauges->collection, count, arguments, answered, stream);
}

static const char *group_of(const struct weir_stream_gauges *stream)
{
    return stream->gauges->worker->runtime.settings->group;
}

static void set_from(struct weir_gauge *gauge, const redisReply *number)
{
    int64_t value;
    if (weir_reply_integer(number, &value))
        weir_gauge_set(gauge, (double)value);
}

static void on_number(void *user, const redisReply *reply)
{
    set_from(user, reply);
}

/* ---- Inboxes: what is finished leaves them ----------------------------------------------------
 */

static void on_pending(void *user, const redisReply *summary)
{
    struct weir_stream_gauges *stream = user;
    set_from(stream->pending, weir_reply_at(summary, 0));
}

static void on_first(void *user, const redisReply *entries)
{
    struct weir_stream_gauges *stream = user;
    double age = 0.;
    if (!weir_reply_array(entries, 0))
        return;
    if (entries->elements == 0 ||
        weir_collection_age(stream->gauges->collection, weir_reply_at(weir_reply_at(entries, 0), 0),
                            &age))
        weir_gauge_set(stream->oldest, age);
}

static void ask_inbox(struct weir_stream_gauges *stream)
{
    (void)!weir_collection_ask(stream->gauges->collection, 2, (const char *[]){"XLEN", stream->key},
                               on_number, stream->backlog);
    (void)!ask(stream, 3, (const char *[]){"XPENDING", stream->key, group_of(stream)}, on_pending);
    (void)!ask(stream, 6, (const char *[]){"XRANGE", stream->key, "-", "+", "COUNT", "1"},
               on_first);
}

/* ---- Subscriptions: others read the same events -----------------------------------------------
 */

static void on_first_undelivered(void *user, const redisReply *entries)
{
    struct weir_stream_gauges *stream = user;
    if (stream->pending->known && stream->pending->value == 0)
        on_first(stream, entries);
}

/* What was given out is older than what was not. */
static void on_subscription_pending(void *user, const redisReply *summary)
{
    struct weir_stream_gauges *stream = user;
    int64_t count;
    double age;
    if (!weir_reply_integer(weir_reply_at(summary, 0), &count))
        return;
    weir_gauge_set(stream->pending, (double)count);
    if (stream->undelivered_known)
        weir_gauge_set(stream->backlog, stream->undelivered + (double)count);
    if (count > 0 &&
        weir_collection_age(stream->gauges->collection, weir_reply_at(summary, 1), &age))
        weir_gauge_set(stream->oldest, age);
}

static const redisReply *own_group(const struct weir_stream_gauges *stream,
                                   const redisReply *groups)
{
    struct weir_slice name;
    for (size_t i = 0; weir_reply_array(groups, i + 1); i++)
        if (weir_reply_text(weir_reply_named(groups->element[i], "name"), &name) &&
            weir_slice_equals(name, group_of(stream)))
            return groups->element[i];
    return NULL;
}

/* Servers do not know the lag of every group. */
static void on_groups(void *user, const redisReply *groups)
{
    struct weir_stream_gauges *stream = user;
    const redisReply *group = own_group(stream, groups);
    struct weir_slice delivered;
    char from[64];
    int64_t lag;
    stream->undelivered_known = weir_reply_integer(weir_reply_named(group, "lag"), &lag);
    if (stream->undelivered_known)
        stream->undelivered = (double)lag;
    if (!weir_reply_text(weir_reply_named(group, "last-delivered-id"), &delivered) ||
        delivered.length + 2 > sizeof from)
        return;
    snprintf(from, sizeof from, "(%.*s", (int)delivered.length, delivered.at);
    if (ask(stream, 3, (const char *[]){"XPENDING", stream->key, group_of(stream)},
            on_subscription_pending))
        (void)!ask(stream, 6, (const char *[]){"XRANGE", stream->key, from, "+", "COUNT", "1"},
                   on_first_undelivered);
}

static void ask_subscription(struct weir_stream_gauges *stream)
{
    (void)!ask(stream, 3, (const char *[]){"XINFO", "GROUPS", stream->key}, on_groups);
}

/* ---- A round ----------------------------------------------------------------------------------
 */

void weir_gauges_init(struct weir_gauges *gauges, struct weir_worker *worker,
                      struct weir_collection *collection)
{
    struct weir_measures *measures = worker->measures;
    const char *values[] = {worker->service->name, NULL};
    gauges->worker = worker;
    gauges->collection = collection;
    gauges->dead = weir_family_gauge(measures->dead, values);
    gauges->scheduled = weir_family_gauge(measures->scheduled, values);
    for (size_t i = 0; i < worker->stream_count; i++) {
        struct weir_stream_gauges *stream = &gauges->streams[i];
        values[1] = stream->key = worker->streams[i];
        stream->gauges = gauges;
        stream->backlog = weir_family_gauge(measures->backlog, values);
        stream->pending = weir_family_gauge(measures->pending, values);
        stream->oldest = weir_family_gauge(measures->oldest, values);
    }
}

static void forget(struct weir_measures *measures)
{
    weir_family_forget(measures->backlog);
    weir_family_forget(measures->pending);
    weir_family_forget(measures->oldest);
    weir_family_forget(measures->dead);
    weir_family_forget(measures->scheduled);
}

void weir_gauges_ask(struct weir_gauges *gauges)
{
    const struct weir_worker *worker = gauges->worker;
    forget(worker->measures);
    (void)!weir_collection_ask(gauges->collection, 2,
                               (const char *[]){"XLEN", worker->keys[WEIR_KEY_DEAD]}, on_number,
                               gauges->dead);
    (void)!weir_collection_ask(gauges->collection, 2,
                               (const char *[]){"ZCARD", worker->keys[WEIR_KEY_SCHEDULED]},
                               on_number, gauges->scheduled);
    for (size_t i = 0; i < worker->stream_count; i++)
        if (i < worker->inbox_count)
            ask_inbox(&gauges->streams[i]);
        else
            ask_subscription(&gauges->streams[i]);
}
