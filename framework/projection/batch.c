/* The events that a runner has in hand: taking them from the server's answer. */
#include "projection/batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "redis/reply.h"

void weir_batch_cut(struct weir_batch *batch, size_t count)
{
    while (batch->count > count) {
        struct weir_folded *event = &batch->events[--batch->count];
        weir_message_free(event->message);
        free(event->problem);
    }
}

void weir_batch_close(struct weir_batch *batch)
{
    weir_batch_cut(batch, 0);
    free(batch->events);
    *batch = (struct weir_batch){0};
}

static size_t source_of(const struct weir_sources *sources, const redisReply *stream)
{
    struct weir_slice key = {"", 0};
    size_t i = 0;
    (void)weir_reply_text(stream, &key);
    while (i < sources->count && !weir_slice_equals(key, sources->at[i].stream))
        i++;
    return i;
}

static bool reserve(struct weir_batch *batch, size_t more)
{
    struct weir_folded *grown;
    if (batch->count + more <= batch->capacity)
        return true;
    grown = realloc(batch->events, (batch->count + more) * sizeof *grown);
    if (grown == NULL)
        return false;
    batch->events = grown;
    batch->capacity = batch->count + more;
    return true;
}

static weir_message *message_of(const char *stream, const struct weir_entry *entry)
{
    struct weir_slice *parts = malloc((entry->body->elements + 1) * sizeof *parts);
    char id[WEIR_ENTRY_ID_MAX];
    weir_message *message = NULL;
    snprintf(id, sizeof id, "%.*s", (int)entry->id.length, entry->id.at);
    if (parts != NULL)
        message = weir_message_new(
            stream, id, parts, weir_reply_parts(entry->body, parts) ? entry->body->elements : 0);
    free(parts);
    return message;
}

/* A bound of "" lets nothing pass. */
static bool lies_behind(const char *entry, const char *bound)
{
    struct weir_entry_id id, last;
    return weir_entry_id_read(weir_slice_of(entry), &id) &&
           (!weir_entry_id_read(weir_slice_of(bound), &last) || weir_entry_id_less(&last, &id));
}

static bool take_entry(struct weir_batch *batch, const char *stream, size_t source,
                       const redisReply *element, const char *bound)
{
    struct weir_entry entry;
    weir_message *message;
    if (!weir_reply_entry(element, &entry) || entry.body == NULL)
        return true; /* deleted between: nothing to fold */
    message = message_of(stream, &entry);
    if (message == NULL)
        return false;
    if (bound != NULL && lies_behind(message->entry, bound))
        weir_message_free(message);
    else
        batch->events[batch->count++] = (struct weir_folded){.message = message, .source = source};
    return true;
}

bool weir_batch_take(struct weir_batch *batch, const struct weir_sources *sources,
                     const redisReply *reply, size_t limit, const struct weir_position *bounds)
{
    batch->full = false;
    for (size_t i = 0; i < reply->elements; i++) {
        size_t source = source_of(sources, weir_reply_at(reply->element[i], 0));
        const redisReply *entries = weir_reply_at(reply->element[i], 1);
        if (source == sources->count || !weir_reply_array(entries, 0))
            continue;
        if (!reserve(batch, entries->elements))
            return false;
        if (entries->elements >= limit)
            batch->full = true;
        for (size_t j = 0; j < entries->elements; j++)
            if (!take_entry(batch, sources->at[source].stream, source, entries->element[j],
                            bounds != NULL ? bounds[source].bound : NULL))
                return false;
    }
    return true;
}
