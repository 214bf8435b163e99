/* Waits until what a client has seen has reached replicas or the disk. */
#include "call/confirm.h"

#include <stdio.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "redis/disk.h"
#include "redis/key_names.h"
#include "redis/reply.h"

#define SLICE_MS 1000 /* of one WAIT: less than an answer may take */
#define NOTE_LIFE_MS "60000"

struct confirming {
    struct weir_client *client;
    struct weir_durability need;
    struct weir_patience *patience;
    struct weir_error *error;
    int64_t copies;
    bool on_disk;
};

static redisReply *ask(struct confirming *one, int count, const char **arguments)
{
    weir_patience_bind(one->patience, one->client);
    return weir_client_call(one->client, one->error, (size_t)count, arguments, NULL);
}

static bool write_once(struct confirming *one, const char *prefix, const char *service)
{
    char key[WEIR_KEY_MAX], name[48];
    redisReply *reply;
    snprintf(name, sizeof name, "note:%016llx", (unsigned long long)weir_random_seed());
    weir_key_named(key, prefix, service, name);
    reply = ask(one, 5, (const char *[]){"SET", key, "", "PX", NOTE_LIFE_MS});
    freeReplyObject(reply);
    if (reply == NULL)
        return false;
    reply = ask(one, 2, (const char *[]){"DEL", key});
    freeReplyObject(reply);
    return reply != NULL;
}

/* How long the server may hold the answer back: the client waits for it longer than that. */
static const char *slice(const struct confirming *one, char *text, size_t room)
{
    int64_t left = one->patience->deadline - weir_clock_monotonic_ms() - 100;
    int64_t ms = left > SLICE_MS ? SLICE_MS : left;
    snprintf(text, room, "%lld", (long long)(ms < 1 ? 1 : ms)); /* 0 would be for ever */
    return text;
}

static bool look_at_copies(struct confirming *one)
{
    char count[16], limit[24];
    redisReply *reply;
    snprintf(count, sizeof count, "%u", one->need.replicas);
    reply = ask(one, 3, (const char *[]){"WAIT", count, slice(one, limit, sizeof limit)});
    (void)weir_reply_integer(reply, &one->copies);
    freeReplyObject(reply);
    return reply != NULL;
}

static bool look_at_disk(struct confirming *one, enum weir_disk disk)
{
    char limit[24];
    int64_t local = 0;
    struct weir_disk_signs signs = {0};
    redisReply *reply =
        disk == WEIR_DISK_BY_WAITAOF
            ? ask(one, 4, (const char *[]){"WAITAOF", "1", "0", slice(one, limit, sizeof limit)})
            : ask(one, WEIR_DISK_ASK_SETTINGS);
    if (disk == WEIR_DISK_BY_SETTINGS) {
        weir_disk_take_settings(&signs, reply);
        one->on_disk = weir_disk_settings_promise(&signs);
    } else {
        one->on_disk = weir_reply_integer(weir_reply_at(reply, 0), &local) && local >= 1;
    }
    freeReplyObject(reply);
    return reply != NULL;
}

/* What only passes is waited out. */
static enum weir_disk find_out(struct weir_client *client, struct weir_patience *patience,
                               struct weir_error *error)
{
    enum weir_disk disk;
    do {
        *error = (struct weir_error){0};
        weir_patience_bind(patience, client);
        disk = weir_disk_ask(client, error);
    } while (disk == WEIR_DISK_UNASKED && weir_client_connected(client) &&
             weir_patience_pause(patience));
    return disk;
}

static bool is_reached(const struct confirming *one)
{
    return one->copies >= (int64_t)one->need.replicas && (!one->need.disk || one->on_disk);
}

static enum weir_status say_not_reached(const struct confirming *one)
{
    char need[WEIR_DURABILITY_TEXT_MAX];
    weir_durability_describe(one->need, need);
    if (one->copies < (int64_t)one->need.replicas)
        return weir_error_set(one->error, WEIR_NOT_FOUND,
                              "it is done, but has not reached %s in time: %lld replica%s it", need,
                              (long long)one->copies, one->copies == 1 ? " has" : "s have");
    return weir_error_set(one->error, WEIR_NOT_FOUND, "it is done, but has not reached %s in time",
                          need);
}

enum weir_status weir_confirm(struct weir_client *client, const char *prefix, const char *service,
                              struct weir_durability need, struct weir_patience *patience,
                              struct weir_error *error)
{
    struct weir_error first = {0};
    struct confirming one = {.client = client, .need = need, .patience = patience, .error = &first};
    enum weir_disk disk = WEIR_DISK_UNASKED;
    bool going = true;
    weir_patience_bind(patience, client);
    if (need.disk) {
        disk = find_out(client, patience, &first);
        going = disk == WEIR_DISK_BY_WAITAOF || disk == WEIR_DISK_BY_SETTINGS;
    }
    going = going && write_once(&one, prefix, service);
    while (going && !is_reached(&one)) {
        going = (one.copies >= (int64_t)need.replicas || look_at_copies(&one)) &&
                (!need.disk || one.on_disk || look_at_disk(&one, disk));
        if (going && !is_reached(&one) && !weir_patience_pause(patience)) {
            (void)say_not_reached(&one);
            going = false;
        }
    }
    return first.status == WEIR_OK ? WEIR_OK
                                   : weir_error_set(error, first.status, "%s", first.text);
}
