/* Reads the sagas' events and dead letters from the place on at which it began. */
#include "call/hearing.h"

#include <stdio.h>
#include <string.h>

#include "redis/reply.h"

#define AT_ONCE "512" /* of each stream */
#define AT_ONCE_NUMBER 512

/* ---- The place --------------------------------------------------------------------------- */

size_t weir_hearing_begin(struct weir_hearing *hearing, const char *prefix,
                          struct weir_pipeline *pipeline)
{
    char key[WEIR_KEY_MAX];
    if (hearing->listens)
        return 0;
    weir_pipeline_add(pipeline, "XINFO", "STREAM", weir_key_events(key, prefix, WEIR_SAGAS), NULL);
    weir_pipeline_add(pipeline, "XINFO", "STREAM", weir_key_dead(key, prefix, WEIR_SAGAS), NULL);
    return 2;
}

/* A stream that is not there yet begins behind 0-0. */
static void take_place(const redisReply *reply, char *place)
{
    struct weir_slice id = {"0-0", 3};
    if (weir_reply_array(reply, 2))
        (void)weir_reply_text(weir_reply_named(reply, "last-generated-id"), &id);
    snprintf(place, WEIR_ENTRY_ID_MAX, "%.*s", (int)id.length, id.at);
}

void weir_hearing_take_place(struct weir_hearing *hearing, redisReply *const *replies)
{
    take_place(replies[0], hearing->events);
    take_place(replies[1], hearing->letters);
    hearing->listens = true;
}

/* ---- What has come ----------------------------------------------------------------------- */

void weir_hearing_ask(const struct weir_hearing *hearing, const char *prefix,
                      struct weir_pipeline *pipeline)
{
    char events[WEIR_KEY_MAX], letters[WEIR_KEY_MAX];
    weir_pipeline_add(
        pipeline, "XREAD", "COUNT", AT_ONCE, "STREAMS", weir_key_events(events, prefix, WEIR_SAGAS),
        weir_key_dead(letters, prefix, WEIR_SAGAS), hearing->events, hearing->letters, NULL);
}

static struct weir_slice field(const redisReply *body, const char *name)
{
    struct weir_slice text = {"", 0};
    (void)weir_reply_text(weir_reply_named(body, name), &text);
    return text;
}

/* That a saga has begun, or compensates, ends no wait. */
static struct weir_heard event(const redisReply *body)
{
    struct weir_slice type = field(body, "type");
    struct weir_heard heard = {0};
    if (weir_slice_equals(type, "SagaCompleted") || weir_slice_equals(type, "SagaCompensated") ||
        weir_slice_equals(type, "SagaSuspended"))
        heard.saga = field(body, "subject");
    return heard;
}

/* Entry ids are unique in their stream only. */
static struct weir_heard letter(const redisReply *body, const char *prefix)
{
    char inbox[WEIR_KEY_MAX], held[WEIR_KEY_MAX];
    struct weir_slice stream = field(body, "stream");
    struct weir_heard heard = {0};
    weir_key_commands(inbox, prefix, WEIR_SAGAS);
    weir_key_named(held, prefix, WEIR_SAGAS, "held");
    if (weir_slice_equals(stream, inbox) || weir_slice_equals(stream, held)) {
        heard.letter = field(body, "entry");
        heard.reason = field(body, "reason");
    }
    return heard;
}

size_t weir_hearing_take(struct weir_hearing *hearing, const char *prefix, const redisReply *reply,
                         void (*tell)(void *user, const struct weir_heard *heard), void *user)
{
    char events[WEIR_KEY_MAX];
    size_t told = 0;
    weir_key_events(events, prefix, WEIR_SAGAS);
    hearing->more = false;
    for (size_t i = 0; weir_reply_array(reply, 0) && i < reply->elements; i++) {
        const redisReply *stream = reply->element[i];
        const redisReply *entries = weir_reply_at(stream, 1);
        struct weir_slice key = {"", 0};
        bool of_events =
            weir_reply_text(weir_reply_at(stream, 0), &key) && weir_slice_equals(key, events);
        for (size_t j = 0; weir_reply_array(entries, 0) && j < entries->elements; j++) {
            struct weir_entry entry;
            if (!weir_reply_entry(entries->element[j], &entry))
                continue;
            snprintf(of_events ? hearing->events : hearing->letters, WEIR_ENTRY_ID_MAX, "%.*s",
                     (int)entry.id.length, entry.id.at);
            struct weir_heard heard = of_events ? event(entry.body) : letter(entry.body, prefix);
            if (heard.saga.length > 0 || heard.letter.length > 0) {
                tell(user, &heard);
                told++;
            }
        }
        hearing->more =
            hearing->more || (weir_reply_array(entries, 0) && entries->elements >= AT_ONCE_NUMBER);
    }
    return told;
}
