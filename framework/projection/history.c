/* Whether the events of a projection's sources are all still there. */
#include "projection/history.h"

#include <stdio.h>
#include <string.h>

#include "projection/projection.h"
#include "redis/reply.h"

/* A stream that is not there has lost what the live model has read of it. */
static int64_t lost_whole(const struct weir_history *history, size_t source)
{
    return history->projection->live.positions[source].at[0] != '\0' ? 1 : 0;
}

static void add(struct weir_history *history, size_t source, const redisReply *reply)
{
    int64_t length = 0, added = 0, missing = 0;
    if (reply->type == REDIS_REPLY_ERROR && strcmp(reply->str, "ERR no such key") == 0)
        missing = lost_whole(history, source);
    else if (reply->type == REDIS_REPLY_ERROR)
        history->lost = true; /* asked again */
    else if (weir_reply_integer(weir_reply_named(reply, "length"), &length) &&
             weir_reply_integer(weir_reply_named(reply, "entries-added"), &added))
        missing = added > length ? added - length : 0;
    history->total += length;
    history->missing += missing;
    if (missing > 0)
        snprintf(history->missing_in, sizeof history->missing_in, "%s",
                 history->projection->sources.at[source].stream);
}

static void on_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_history_look *look = user;
    struct weir_history *history = look->history;
    if (answer == WEIR_ANSWER_UNKNOWN)
        history->lost = true;
    else
        add(history, look->source, reply);
    if (--history->answers_owed > 0)
        return;
    history->under_way = false;
    if (!history->lost)
        history->known(history->user);
}

enum weir_status weir_history_look(struct weir_history *history, struct weir_projection *projection)
{
    const struct weir_sources *sources = &projection->sources;
    if (history->under_way)
        return WEIR_OK;
    history->projection = projection;
    history->total = history->missing = 0;
    history->lost = false;
    for (size_t i = 0; i < sources->count; i++) {
        history->looks[i] = (struct weir_history_look){history, i};
        if (weir_link_send(projection->runtime->link, 3,
                           (const char *[]){"XINFO", "STREAM", sources->at[i].stream}, NULL,
                           on_answer, &history->looks[i]) == WEIR_OK)
            history->answers_owed++;
        else
            history->lost = true;
    }
    history->under_way = history->answers_owed > 0;
    return history->lost ? WEIR_UNAVAILABLE : WEIR_OK;
}
