/* Waits until what a client has seen has reached replicas or the disk. */
#include "call/confirm.h"

#include <stdio.h>

#include "base/clock.h"
#include "redis/key_names.h"
#include "redis/reach.h"

#define SLICE_MS 1000 /* of one WAIT: less than an answer may take */

struct confirming {
    struct weir_client *client;
    struct weir_durability need;
    struct weir_patience *patience;
    struct weir_error *error;
    enum weir_disk disk;
    struct weir_reach reach;
};

static redisReply *ask(struct confirming *one, int count, const char **arguments)
{
    weir_patience_bind(one->patience, one->client);
    return weir_client_call(one->client, one->error, (size_t)count, arguments, NULL);
}

static bool write_once(struct confirming *one, const char *prefix, const char *service)
{
    char note[WEIR_KEY_MAX];
    redisReply *reply;
    weir_reach_note(note, prefix, service);
    reply = ask(one, WEIR_REACH_LAY_NOTE(note));
    freeReplyObject(reply);
    if (reply == NULL)
        return false;
    reply = ask(one, WEIR_REACH_PICK_UP(note));
    if (!weir_reach_take_note(&one->reach, reply))
        weir_error_set(one->error, WEIR_UNKNOWN,
                       "%s was emptied since; what was done before may be gone",
                       one->client->server);
    freeReplyObject(reply);
    return one->reach.copies >= 0;
}

/* How long the server may hold the answer back: the client waits for it longer than that. */
static const char *slice(const struct confirming *one, char *text, size_t room)
{
    int64_t left = one->patience->deadline - weir_clock_monotonic_ms() - 100;
    int64_t ms = left > SLICE_MS ? SLICE_MS : left;
    snprintf(text, room, "%lld", (long long)(ms < 1 ? 1 : ms));
    return text;
}

static bool look_at_copies(struct confirming *one)
{
    char count[16], limit[24];
    redisReply *reply;
    snprintf(count, sizeof count, "%u", one->need.replicas);
    reply = ask(one, WEIR_REACH_COPIES(count, slice(one, limit, sizeof limit)));
    (void)weir_reach_take_copies(&one->reach, reply);
    freeReplyObject(reply);
    return reply != NULL;
}

/* What only passes is waited out. */
static bool find_out(struct confirming *one)
{
    do {
        *one->error = (struct weir_error){0};
        weir_patience_bind(one->patience, one->client);
        one->disk = weir_disk_ask(one->client, one->error);
    } while (one->disk == WEIR_DISK_UNASKED && weir_client_connected(one->client) &&
             weir_patience_pause(one->patience));
    return one->disk == WEIR_DISK_BY_WAITAOF || one->disk == WEIR_DISK_BY_SETTINGS;
}

static bool look_at_disk(struct confirming *one)
{
    const char *words[WEIR_REACH_WORDS_MAX];
    char limit[24];
    int count = weir_reach_ask_disk(one->disk, slice(one, limit, sizeof limit), words);
    redisReply *reply;
    enum weir_reach_disk told;
    weir_patience_bind(one->patience, one->client);
    reply = weir_client_exchange(one->client, one->error, (size_t)count, words, NULL);
    told = weir_reach_take_disk(&one->reach, one->disk, reply);
    freeReplyObject(reply);
    return told == WEIR_REACH_DISK_CANNOT ? find_out(one) : reply != NULL;
}

static void say_not_reached(const struct confirming *one)
{
    char need[WEIR_DURABILITY_TEXT_MAX], told[WEIR_REACH_TEXT_MAX];
    weir_error_set(one->error, WEIR_NOT_FOUND, "it is done, but has not reached %s in time%s",
                   weir_durability_describe(one->need, need),
                   weir_reach_tell(one->reach.copies, one->need, told));
}

/* One look at what is still missing; false with an error. */
static bool look(struct confirming *one)
{
    return (one->reach.copies >= (int64_t)one->need.replicas || look_at_copies(one)) &&
           (!one->need.disk || one->reach.on_disk || look_at_disk(one));
}

enum weir_status weir_confirm(struct weir_client *client, const char *prefix, const char *service,
                              struct weir_durability need, struct weir_patience *patience,
                              struct weir_error *error)
{
    struct weir_error first = {0};
    struct confirming one = {.client = client,
                             .need = need,
                             .patience = patience,
                             .error = &first,
                             .reach = {.copies = -1}};
    bool going;
    weir_patience_bind(patience, client);
    going = (!need.disk || find_out(&one)) && write_once(&one, prefix, service);
    while (going && !weir_reach_suffices(&one.reach, need)) {
        going = look(&one);
        if (going && !weir_reach_suffices(&one.reach, need) && !weir_patience_pause(patience)) {
            say_not_reached(&one);
            going = false;
        }
    }
    return first.status == WEIR_OK ? WEIR_OK
                                   : weir_error_set(error, first.status, "%s", first.text);
}
