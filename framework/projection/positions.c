/* Where a runner stands. */
#include "projection/positions.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "redis/key_names.h"
#include "redis/reply.h"

static void ignore_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)user;
    (void)answer;
    (void)reply;
}

void weir_positions_report(struct weir_runner *runner)
{
    const struct weir_projection *projection = runner->projection;
    char key[WEIR_KEY_MAX];
    runner->reported_at = weir_clock_monotonic_ms();
    for (size_t i = 0; i < projection->sources.count; i++) {
        struct weir_position *position = &runner->positions[i];
        const char *at = position->at[0] ? position->at : "0-0";
        if (strcmp(at, position->reported) == 0)
            continue;
        weir_key_readers(key, projection->runtime->prefix, projection->sources.at[i].service);
        if (weir_link_send(&runner->link, 4, (const char *[]){"HSET", key, runner->reader_name, at},
                           NULL, ignore_answer, NULL) == WEIR_OK)
            snprintf(position->reported, sizeof position->reported, "%s", at);
    }
}

void weir_position_copy(char *to, const redisReply *reply)
{
    struct weir_slice id = {"", 0};
    (void)weir_reply_text(reply, &id);
    snprintf(to, WEIR_ENTRY_ID_MAX, "%.*s", (int)id.length, id.at);
}

bool weir_positions_new(const struct weir_runner *runner)
{
    for (size_t i = 0; i < runner->projection->sources.count; i++)
        if (runner->positions[i].at[0] != '\0')
            return false;
    return true;
}

enum weir_status weir_positions_ask(struct weir_runner *runner, const char *checkpoint,
                                    weir_link_answered *answered)
{
    const struct weir_sources *sources = &runner->projection->sources;
    const char *arguments[2 + WEIR_PROJECTION_SOURCES_MAX] = {"HMGET", checkpoint};
    for (size_t i = 0; i < sources->count; i++)
        arguments[2 + i] = sources->at[i].stream;
    return weir_link_send(&runner->link, (int)(2 + sources->count), arguments, NULL, answered,
                          runner);
}

bool weir_position_behind(const char *one, const char *other)
{
    struct weir_entry_id first = {0}, second = {0};
    (void)!weir_entry_id_read(weir_slice_of(one), &first);
    (void)!weir_entry_id_read(weir_slice_of(other), &second);
    return weir_entry_id_less(&first, &second);
}

bool weir_positions_gap(const struct weir_runner *runner)
{
    for (size_t i = 0; i < runner->projection->sources.count; i++)
        if (weir_position_behind(runner->positions[i].at, runner->positions[i].bound))
            return true;
    return false;
}
