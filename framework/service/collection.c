/* One round of questions to the server whose answers fill gauges. */
#include "service/collection.h"

#include <stdlib.h>

#include "redis/entry_id.h"
#include "redis/reply.h"

struct question {
    struct weir_collection *collection;
    weir_collected *answered;
    void *user;
};

static void settle(struct weir_collection *collection)
{
    if (--collection->owed == 0)
        collection->done(collection->user);
}

static void on_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct question question = *(struct question *)user;
    free(user);
    question.answered(question.user, answer == WEIR_ANSWER_DONE ? reply : NULL);
    settle(question.collection);
}

bool weir_collection_ask(struct weir_collection *collection, int count, const char **arguments,
                         weir_collected *answered, void *user)
{
    struct question *question = malloc(sizeof *question);
    if (question == NULL)
        return false;
    *question = (struct question){collection, answered, user};
    if (weir_link_send(collection->link, count, arguments, NULL, on_answer, question) != WEIR_OK) {
        free(question);
        return false;
    }
    collection->owed++;
    return true;
}

static void on_time(void *user, const redisReply *reply)
{
    struct weir_collection *collection = user;
    if (!weir_reply_time(reply, &collection->now_ms))
        collection->now_ms = 0;
}

void weir_collection_begin(struct weir_collection *collection)
{
    collection->owed = 1;
    collection->now_ms = 0;
    (void)!weir_collection_ask(collection, 1, (const char *[]){"TIME"}, on_time, collection);
}

void weir_collection_end(struct weir_collection *collection)
{
    settle(collection);
}

bool weir_collection_age(const struct weir_collection *collection, const redisReply *id,
                         double *seconds)
{
    struct weir_slice text;
    struct weir_entry_id written;
    if (collection->now_ms == 0 || !weir_reply_text(id, &text) ||
        !weir_entry_id_read(text, &written))
        return false;
    uint64_t now_ms = (uint64_t)collection->now_ms;
    *seconds = now_ms > written.ms ? (double)(now_ms - written.ms) / 1000. : 0.;
    return true;
}
