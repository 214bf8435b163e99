/* How far writes have come. */
#include "redis/reach.h"

#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "redis/key_names.h"
#include "redis/refusal.h"
#include "redis/reply.h"

char *weir_reach_note(char *key, const char *prefix, const char *service)
{
    char name[48];
    snprintf(name, sizeof name, "note:%016llx", (unsigned long long)weir_random_seed());
    weir_key_named(key, prefix, service, name);
    return key;
}

static int put_words(const char **words, int count, const char **from)
{
    memcpy(words, from, (size_t)count * sizeof *words);
    return count;
}

int weir_reach_ask_disk(enum weir_disk disk, const char *limit_ms, const char **words)
{
    if (disk == WEIR_DISK_BY_WAITAOF)
        return put_words(words, 4, (const char *[]){"WAITAOF", "1", "0", limit_ms});
    return disk == WEIR_DISK_BY_SETTINGS ? put_words(words, WEIR_DISK_ASK_SETTINGS) : 0;
}

bool weir_reach_take_note(struct weir_reach *reach, const redisReply *reply)
{
    int64_t found = 0;
    bool there = weir_reply_integer(reply, &found) && found == 1;
    reach->copies = there ? 0 : -1;
    return there;
}

bool weir_reach_take_copies(struct weir_reach *reach, const redisReply *reply)
{
    int64_t copies;
    if (reach->copies < 0 || !weir_reply_integer(reply, &copies))
        return false;
    reach->copies = copies;
    return true;
}

static bool is_passing(const redisReply *reply)
{
    enum weir_refusal refusal;
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
        return reply == NULL;
    refusal = weir_refusal_of(reply->str);
    return refusal == WEIR_REFUSAL_SERVER || refusal == WEIR_REFUSAL_ROLE;
}

enum weir_reach_disk weir_reach_take_disk(struct weir_reach *reach, enum weir_disk disk,
                                          const redisReply *reply)
{
    struct weir_disk_signs signs = {0};
    int64_t local = 0;
    bool tells;
    if (is_passing(reply))
        return WEIR_REACH_DISK_UNTOLD;
    if (disk == WEIR_DISK_BY_SETTINGS) {
        weir_disk_take_settings(&signs, reply);
        tells = weir_disk_settings_promise(&signs);
        reach->on_disk = tells && reach->copies >= 0;
    } else {
        tells = weir_reply_array(reply, 2) && weir_reply_integer(weir_reply_at(reply, 0), &local);
        reach->on_disk = tells && local >= 1 && reach->copies >= 0;
    }
    return tells ? WEIR_REACH_DISK_TOLD : WEIR_REACH_DISK_CANNOT;
}

bool weir_reach_suffices(const struct weir_reach *reach, struct weir_durability need)
{
    return reach->copies >= (int64_t)need.replicas && (!need.disk || reach->on_disk);
}

char *weir_reach_tell(int64_t copies, struct weir_durability need, char *text)
{
    text[0] = '\0';
    if (copies >= 0 && copies < (int64_t)need.replicas)
        snprintf(text, WEIR_REACH_TEXT_MAX, ": %lld replica%s it", (long long)copies,
                 copies == 1 ? " has" : "s have");
    return text;
}
