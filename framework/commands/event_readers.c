/* Asks who reads a service's events, and how far they are. */
#include "commands/event_readers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "commands/values.h"
#include "redis/key_names.h"
#include "redis/reply.h"

#define BEHIND_AFTER_MS 60000
#define NONE (-1)
#define LAST_ID "18446744073709551615-18446744073709551615"

struct reading {
    struct weir_session *session;
    struct weir_error *error;
    char events[WEIR_KEY_MAX], readers[WEIR_KEY_MAX];
    int64_t now_ms, silent_for_ms;
    int64_t length; /* of the stream */
};

/* What there is to say of one reader; times in ms, NONE where there is none. */
struct reader {
    const char *kind;
    struct weir_slice name, position;
    int64_t consumers, pending, behind, oldest_unfinished;
    int64_t read_at;   /* when somebody read for it, as far as the server knows */
    int64_t last_sign; /* that, or a sign of life of its service */
    bool at_least;
};

/* A name of a group is any bytes. */
static redisReply *ask_about(const struct reading *reading, const char *command, const char *word,
                             struct weir_slice group)
{
    const char *arguments[] = {command, word, reading->events, group.at};
    size_t lengths[] = {strlen(command), strlen(word), strlen(reading->events), group.length};
    return weir_client_call(&reading->session->client, reading->error, 4, arguments, lengths);
}

/* "<ms>-<number>"; the first part, or NONE where it is no such id. */
static int64_t entry_ms(struct weir_slice id)
{
    int64_t ms, number;
    const char *dash = id.at ? memchr(id.at, '-', id.length) : NULL;
    if (!dash)
        return NONE;
    struct weir_slice head = {id.at, (size_t)(dash - id.at)};
    struct weir_slice tail = {dash + 1, id.length - head.length - 1};
    bool numbers = weir_slice_integer(head, &ms) && weir_slice_integer(tail, &number);
    return numbers && ms >= 0 && number >= 0 ? ms : NONE;
}

/* The number behind a name; `otherwise` where there is none. */
static int64_t number_of(const redisReply *pairs, const char *name, int64_t otherwise)
{
    int64_t number;
    return weir_reply_integer(weir_reply_named(pairs, name), &number) ? number : otherwise;
}

static int64_t earlier(int64_t one, int64_t other)
{
    return one == NONE || (other != NONE && other < one) ? other : one;
}

static int64_t later(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* ---- What it has not finished ------------------------------------------------------------ */

/* Finds the first entry behind its position, and counts them where `counts`. Returns how many it
 * has found, or NONE and an error. */
static int64_t look_ahead(const struct reading *reading, struct reader *reader, bool counts)
{
    char from[64], limit[24];
    snprintf(limit, sizeof(limit), "%d", counts ? WEIR_READERS_COUNTED + 1 : 1);
    if (entry_ms(reader->position) == NONE) /* no position: it keeps all */
        snprintf(from, sizeof(from), "-");
    else
        snprintf(from, sizeof(from), "(%.*s", (int)reader->position.length, reader->position.at);
    redisReply *entries = weir_client_ask(&reading->session->client, reading->error, "XRANGE",
                                          reading->events, from, "+", "COUNT", limit, NULL);
    if (!entries)
        return NONE;
    int64_t found = (int64_t)weir_value_count(entries);
    if (found > 0)
        reader->oldest_unfinished = earlier(reader->oldest_unfinished,
                                            entry_ms(weir_value_element(entries->element[0], 0)));
    if (counts) {
        reader->at_least = found > WEIR_READERS_COUNTED;
        reader->behind = reader->at_least ? WEIR_READERS_COUNTED : found;
    }
    freeReplyObject(entries);
    return found;
}

/* The server's own count is wrong where entries were deleted, in some versions: what contradicts
 * the entries does not count. */
static bool is_wrong(const struct reading *reading, const struct reader *reader, int64_t found)
{
    return (reader->behind == 0) != (found == 0) || reader->behind > reading->length;
}

static enum weir_status count_unread(const struct reading *reading, struct reader *reader)
{
    bool counted = reader->behind == NONE;
    int64_t found = look_ahead(reading, reader, counted);
    if (found != NONE && !counted && is_wrong(reading, reader, found))
        found = look_ahead(reading, reader, true);
    return found == NONE ? reading->error->status : WEIR_OK;
}

/* A group that has been set to the greatest id has nothing to read for ever. */
static enum weir_status look_behind(const struct reading *reading, struct reader *reader)
{
    if (!weir_slice_equals(reader->position, LAST_ID))
        return count_unread(reading, reader);
    reader->behind = 0;
    return WEIR_OK;
}

static enum weir_status look_at_pending(const struct reading *reading, struct reader *reader)
{
    const char *command = "XPENDING";
    const char *arguments[] = {command, reading->events, reader->name.at};
    size_t lengths[] = {strlen(command), strlen(reading->events), reader->name.length};
    if (reader->pending <= 0)
        return WEIR_OK;
    redisReply *summary =
        weir_client_call(&reading->session->client, reading->error, 3, arguments, lengths);
    if (!summary)
        return reading->error->status;
    reader->oldest_unfinished = entry_ms(weir_value_element(summary, 1));
    freeReplyObject(summary);
    return WEIR_OK;
}

/* ---- Signs of life ----------------------------------------------------------------------- */

static enum weir_status look_at_consumers(const struct reading *reading, struct reader *reader)
{
    redisReply *consumers = ask_about(reading, "XINFO", "CONSUMERS", reader->name);
    if (!consumers)
        return reading->error->status;
    for (size_t i = 0; i < weir_value_count(consumers); i++) {
        int64_t idle_ms = number_of(consumers->element[i], "idle", reading->now_ms);
        reader->read_at = later(reader->read_at, reading->now_ms - idle_ms);
    }
    freeReplyObject(consumers);
    return WEIR_OK;
}

static int64_t heartbeat_of(struct weir_slice worker)
{
    json_t *about = worker.at ? json_loadb(worker.at, worker.length, 0, NULL) : NULL;
    const json_t *heartbeat = json_object_get(about, "heartbeat");
    int64_t at = json_is_integer(heartbeat) ? json_integer_value(heartbeat) : NONE;
    json_decref(about);
    return at;
}

/* A group is named after its service, if not told otherwise; a projection has it before the '/'. */
static enum weir_status look_at_workers(const struct reading *reading, struct reader *reader)
{
    char service[128], key[WEIR_KEY_MAX];
    const char *slash = memchr(reader->name.at, '/', reader->name.length);
    size_t length = slash ? (size_t)(slash - reader->name.at) : reader->name.length;
    if (!weir_name_valid(reader->name.at, length))
        return WEIR_OK;
    snprintf(service, sizeof(service), "%.*s", (int)length, reader->name.at);
    weir_key_workers(key, reading->session->settings.prefix, service);
    redisReply *workers =
        weir_client_ask(&reading->session->client, reading->error, "HVALS", key, NULL);
    if (!workers)
        return reading->error->status;
    for (size_t i = 0; i < weir_value_count(workers); i++)
        reader->last_sign = later(reader->last_sign, heartbeat_of(weir_value_element(workers, i)));
    freeReplyObject(workers);
    return WEIR_OK;
}

/* ---- One reader -------------------------------------------------------------------------- */

static const char *state_of(const struct reading *reading, const struct reader *reader)
{
    int64_t unfinished_for = reading->now_ms - reader->oldest_unfinished;
    if (reader->oldest_unfinished == NONE)
        return "reading";
    if (unfinished_for >= reading->silent_for_ms &&
        reading->now_ms - reader->read_at >= reading->silent_for_ms)
        return "forgotten";
    return unfinished_for >= BEHIND_AFTER_MS ? "behind" : "reading";
}

static json_t *number_or_null(int64_t number)
{
    return number == NONE ? json_null() : json_integer(number);
}

static json_t *make_row(const struct reading *reading, const struct reader *reader)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:I, s:b, s:o, s:o, s:s}", "name",
                     weir_slice_json(reader->name), "kind", reader->kind, "position",
                     weir_slice_json(reader->position), "consumers",
                     number_or_null(reader->consumers), "pending", number_or_null(reader->pending),
                     "behind", (json_int_t)reader->behind, "behindAtLeast", reader->at_least,
                     "oldestUnfinished", number_or_null(reader->oldest_unfinished), "lastSign",
                     number_or_null(reader->last_sign), "state", state_of(reading, reader));
}

static enum weir_status add_group(const struct reading *reading, const redisReply *about,
                                  json_t *rows)
{
    struct reader reader = {.kind = "group",
                            .name = weir_value_field(about, "name"),
                            .position = weir_value_field(about, "last-delivered-id"),
                            .consumers = number_of(about, "consumers", 0),
                            .pending = number_of(about, "pending", 0),
                            .behind = later(NONE, number_of(about, "lag", NONE)),
                            .oldest_unfinished = NONE,
                            .read_at = NONE,
                            .last_sign = NONE};
    if (!reader.name.at)
        return WEIR_OK;
    if (look_at_pending(reading, &reader) != WEIR_OK || look_behind(reading, &reader) != WEIR_OK ||
        look_at_consumers(reading, &reader) != WEIR_OK ||
        look_at_workers(reading, &reader) != WEIR_OK)
        return reading->error->status;
    reader.last_sign = later(reader.last_sign, reader.read_at);
    json_array_append_new(rows, make_row(reading, &reader));
    return WEIR_OK;
}

/* Where it is by its checkpoint, which moves with every batch; what it has entered here, so that
 * events are kept for it, follows after some seconds. NULL where it has none for these events: a
 * rebuild, which is entered as one, too. */
static redisReply *ask_checkpoint(const struct reading *reading, struct weir_slice name)
{
    char view[128], projection[128], key[WEIR_KEY_MAX];
    struct weir_error unimportant = {0}; /* a view's keys may be closed to this user */
    const char *slash = memchr(name.at, '/', name.length);
    size_t length = slash ? (size_t)(slash - name.at) : 0;
    if (!slash || !weir_name_valid(name.at, length) ||
        !weir_name_valid(slash + 1, name.length - length - 1))
        return NULL;
    snprintf(view, sizeof(view), "%.*s", (int)length, name.at);
    snprintf(projection, sizeof(projection), "%.*s", (int)(name.length - length - 1), slash + 1);
    weir_key_checkpoint(key, reading->session->settings.prefix, view, projection);
    return weir_client_ask(&reading->session->client, &unimportant, "HGET", key, reading->events,
                           NULL);
}

static enum weir_status add_projection_at(const struct reading *reading, struct weir_slice name,
                                          struct weir_slice position, json_t *rows)
{
    struct reader reader = {.kind = "projection",
                            .name = name,
                            .position = position,
                            .consumers = NONE,
                            .pending = NONE,
                            .behind = NONE,
                            .oldest_unfinished = NONE,
                            .last_sign = NONE};
    if (look_behind(reading, &reader) != WEIR_OK || look_at_workers(reading, &reader) != WEIR_OK)
        return reading->error->status;
    reader.read_at = reader.last_sign;
    json_array_append_new(rows, make_row(reading, &reader));
    return WEIR_OK;
}

static enum weir_status add_projection(const struct reading *reading, struct weir_slice name,
                                       struct weir_slice entered, json_t *rows)
{
    if (!name.at || !entered.at)
        return WEIR_OK;
    redisReply *checkpoint = ask_checkpoint(reading, name);
    struct weir_slice position = weir_value_text(checkpoint);
    enum weir_status status =
        add_projection_at(reading, name, entry_ms(position) == NONE ? entered : position, rows);
    if (checkpoint)
        freeReplyObject(checkpoint);
    return status;
}

/* ---- All of them ------------------------------------------------------------------------- */

static enum weir_status add_groups(const struct reading *reading, json_t *rows)
{
    enum weir_status status = WEIR_OK;
    redisReply *groups = weir_client_ask(&reading->session->client, reading->error, "XINFO",
                                         "GROUPS", reading->events, NULL);
    if (!groups)
        return reading->error->status;
    for (size_t i = 0; i < weir_value_count(groups) && status == WEIR_OK; i++)
        status = add_group(reading, groups->element[i], rows);
    freeReplyObject(groups);
    return status;
}

static enum weir_status add_projections(const struct reading *reading, json_t *rows)
{
    enum weir_status status = WEIR_OK;
    redisReply *pairs = weir_client_ask(&reading->session->client, reading->error, "HGETALL",
                                        reading->readers, NULL);
    if (!pairs)
        return reading->error->status;
    for (size_t i = 0; i + 1 < weir_value_count(pairs) && status == WEIR_OK; i += 2)
        status = add_projection(reading, weir_value_element(pairs, i),
                                weir_value_element(pairs, i + 1), rows);
    freeReplyObject(pairs);
    return status;
}

static enum weir_status read_all(const struct reading *reading, bool stream, json_t *rows)
{
    enum weir_status status = stream ? add_groups(reading, rows) : WEIR_OK;
    return status == WEIR_OK ? add_projections(reading, rows) : status;
}

/* How many events there are, and how far back they reach. */
static enum weir_status read_stream(struct reading *reading, json_t *result, bool *there)
{
    struct weir_error gone = {0};
    redisReply *about =
        weir_client_ask(&reading->session->client, &gone, "XINFO", "STREAM", reading->events, NULL);
    *there = about != NULL;
    if (!about && !strstr(gone.text, "no such key"))
        return weir_error_set(reading->error, gone.status, "%s: %s", reading->events, gone.text);
    const redisReply *first = weir_reply_named(about, "first-entry"),
                     *last = weir_reply_named(about, "last-entry");
    reading->length = number_of(about, "length", 0);
    json_object_set_new(result, "events", json_integer(reading->length));
    json_object_set_new(result, "oldest", number_or_null(entry_ms(weir_value_element(first, 0))));
    json_object_set_new(result, "newest", number_or_null(entry_ms(weir_value_element(last, 0))));
    if (about)
        freeReplyObject(about);
    return WEIR_OK;
}

json_t *weir_event_readers_read(struct weir_session *session, const char *service,
                                int64_t silent_for_ms, int64_t now_ms, struct weir_error *error)
{
    struct reading reading = {
        .session = session, .error = error, .now_ms = now_ms, .silent_for_ms = silent_for_ms};
    json_t *result = json_pack("{s:s}", "service", service), *rows = json_array();
    bool stream = false;
    weir_key_events(reading.events, session->settings.prefix, service);
    weir_key_readers(reading.readers, session->settings.prefix, service);
    enum weir_status status = read_stream(&reading, result, &stream);
    if (status == WEIR_OK)
        status = read_all(&reading, stream, rows);
    if (status == WEIR_OK && !stream && json_array_size(rows) == 0)
        status =
            weir_error_set(error, WEIR_NOT_FOUND, "no events of %s: there is no %s on this server",
                           service, reading.events);
    json_object_set_new(result, "readers", rows);
    if (status == WEIR_OK && result)
        return result;
    weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    json_decref(result);
    return NULL;
}
