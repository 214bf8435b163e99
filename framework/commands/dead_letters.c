/* Reads dead letters and tells what they are. */
#include "commands/dead_letters.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/values.h"
#include "message/envelope.h"
#include "redis/entry_id.h"
#include "redis/key_names.h"

#define AT_ONCE 100
#define FIRST 20
#define BYTES_AT_ONCE (8 * 1024 * 1024)

/* ---- What a letter is -------------------------------------------------------------------- */

/* The fields that put_away writes behind those of the message. */
static const char *const own_names[] = {"reason", "deliveries", "stream", "entry"};
/* Those that weir alone gives a message, and what would stand in a replay's way: the letter is the
 * outcome that is to be replaced. */
static const char *const carried_names[] = {WEIR_FIELD_DELIVERIES, WEIR_FIELD_ORIGIN_STREAM,
                                            WEIR_FIELD_ORIGIN_ENTRY, WEIR_FIELD_ONCE, "delay"};

static bool is_one_of(struct weir_slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (weir_slice_equals(name, names[i]))
            return true;
    return false;
}

/* Whether the name is that of a field of ours: only its last one is. */
static bool is_own(const redisReply *fields, size_t place)
{
    struct weir_slice name = weir_value_element(fields, place);
    if (!is_one_of(name, own_names, sizeof(own_names) / sizeof(own_names[0])))
        return false;
    for (size_t i = place + 2; i + 1 < weir_value_count(fields); i += 2) {
        struct weir_slice later = weir_value_element(fields, i);
        if (later.length == name.length && memcmp(later.at, name.at, name.length) == 0)
            return false;
    }
    return true;
}

/* A projection writes its name behind all the others. */
static bool is_of_projection(const redisReply *fields)
{
    size_t count = weir_value_count(fields);
    return count >= 4 && weir_slice_equals(weir_value_element(fields, count - 2), "projection") &&
           weir_slice_equals(weir_value_element(fields, count - 4), "entry");
}

static bool has(const redisReply *fields, const char *name)
{
    return weir_value_field(fields, name).at != NULL;
}

/* Where messages of a service come from: its own inboxes, and events of any service. */
static bool is_stream_of_services(struct weir_slice stream, const char *prefix, const char *service)
{
    char own[WEIR_KEY_MAX], key[WEIR_KEY_MAX], owner[WEIR_KEY_MAX];
    if (!stream.at || stream.length >= sizeof(key) || memchr(stream.at, '\0', stream.length))
        return false;
    snprintf(key, sizeof(key), "%.*s", (int)stream.length, stream.at);
    weir_key_scheduled(own, prefix, service);
    if (strcmp(key, own) == 0)
        return false;
    weir_key_named(own, prefix, service, "");
    return strncmp(key, own, strlen(own)) == 0 ||
           weir_key_events_owner(key, prefix, owner, sizeof(owner)) != NULL;
}

enum weir_letter_kind weir_letter_kind_of(const redisReply *fields, const char *prefix,
                                          const char *service)
{
    size_t others = 0;
    for (size_t i = 0; i + 1 < weir_value_count(fields); i += 2)
        others += !is_own(fields, i);
    if (is_of_projection(fields))
        return WEIR_LETTER_PROJECTION;
    if (others == 0)
        return WEIR_LETTER_LOST;
    if (!is_stream_of_services(weir_value_field(fields, "stream"), prefix, service))
        return WEIR_LETTER_FOREIGN;
    if (!has(fields, "type"))
        return has(fields, "packed") ? WEIR_LETTER_PACKED : WEIR_LETTER_TYPELESS;
    if (strcmp(service, WEIR_SAGAS) != 0 && has(fields, "saga") && has(fields, "step") &&
        has(fields, "action"))
        return WEIR_LETTER_STEP;
    return WEIR_LETTER_MESSAGE;
}

const char *weir_letter_objection(enum weir_letter_kind kind, const redisReply *fields,
                                  const char *service, char *room, size_t size)
{
    struct weir_slice saga = weir_value_field(fields, "saga");
    struct weir_slice projection = weir_value_field(fields, "projection");
    switch (kind) {
    case WEIR_LETTER_MESSAGE:
        return NULL;
    case WEIR_LETTER_STEP:
        snprintf(room, size,
                 "it is a step of saga %.*s, which has had its answer and would take no other; "
                 "look at it: weir saga %.*s; where it is suspended: weir resume %.*s --retry",
                 (int)saga.length, saga.at, (int)saga.length, saga.at, (int)saga.length, saga.at);
        return room;
    case WEIR_LETTER_PROJECTION:
        snprintf(room, size,
                 "the projection %.*s has passed over it and folds events in their order only; "
                 "when the cause is mended: weir projection rebuild %s/%.*s",
                 (int)projection.length, projection.at, service, (int)projection.length,
                 projection.at);
        return room;
    case WEIR_LETTER_LOST:
        return "its body was deleted before it was handled: nothing is left to replay";
    case WEIR_LETTER_PACKED:
        return "it has too many fields to be put back; send it anew";
    case WEIR_LETTER_FOREIGN:
        return "it does not say which inbox it came from; send it anew: weir send";
    case WEIR_LETTER_TYPELESS:
        return "it has no type, so nobody would understand it; send it anew: weir send";
    }
    return "it is of no known kind";
}

static size_t add(struct weir_slice *parts, size_t count, struct weir_slice name,
                  struct weir_slice value)
{
    parts[count] = name;
    parts[count + 1] = value;
    return count + 2;
}

struct weir_slice *weir_letter_parts(const redisReply *fields, const struct weir_slice *data,
                                     size_t *count)
{
    size_t place = 0, of_letter = weir_value_count(fields);
    bool has_data = false;
    struct weir_slice *parts = malloc((of_letter + 6) * sizeof(*parts));
    for (size_t i = 0; parts && i + 1 < of_letter; i += 2) {
        struct weir_slice name = weir_value_element(fields, i);
        struct weir_slice value = weir_value_element(fields, i + 1);
        bool is_data = weir_slice_equals(name, "data");
        if (is_own(fields, i) ||
            is_one_of(name, carried_names, sizeof(carried_names) / sizeof(carried_names[0])))
            continue;
        has_data = has_data || is_data;
        place = add(parts, place, name, is_data && data ? *data : value);
    }
    if (parts && data && !has_data)
        place = add(parts, place, weir_slice_of("data"), *data);
    if (parts)
        place = add(parts, place, weir_slice_of(WEIR_FIELD_ORIGIN_STREAM),
                    weir_value_field(fields, "stream"));
    if (parts && weir_value_field(fields, "entry").at)
        place = add(parts, place, weir_slice_of(WEIR_FIELD_ORIGIN_ENTRY),
                    weir_value_field(fields, "entry"));
    *count = place;
    return parts;
}

json_t *weir_letter_json(const redisReply *entry)
{
    struct weir_slice id = weir_value_element(entry, 0);
    const redisReply *pairs = weir_value_count(entry) == 2 ? entry->element[1] : NULL;
    json_t *letter = json_object();
    json_object_set_new(letter, "letter", weir_slice_json(id));
    json_object_set_new(letter, "at", json_integer(id.at ? strtoll(id.at, NULL, 10) : -1));
    json_object_set_new(letter, "fields", weir_fields_json(pairs));
    return letter;
}

/* ---- Choosing ---------------------------------------------------------------------------- */

static bool is_of_word(char byte)
{
    return isalnum((unsigned char)byte) || byte == '-' || byte == '_' || (byte & 0x80) != 0;
}

void weir_reason_group(struct weir_text *out, struct weir_slice reason)
{
    size_t end;
    for (size_t at = 0; at < reason.length; at = end) {
        bool digits = false;
        for (end = at; end < reason.length && is_of_word(reason.at[end]); end++)
            digits = digits || isdigit((unsigned char)reason.at[end]);
        if (digits)
            weir_text_append_string(out, "#");
        else
            weir_text_append(out, reason.at + at, end - at);
        if (end == at)
            weir_text_append(out, reason.at + end++, 1);
    }
}

static bool holds(struct weir_slice text, const char *part)
{
    size_t length = strlen(part);
    for (size_t i = 0; text.at && i + length <= text.length; i++)
        if (memcmp(text.at + i, part, length) == 0)
            return true;
    return false;
}

static bool reason_fits(const struct weir_settings *settings, struct weir_slice text)
{
    if (!settings->exactly)
        return holds(text, settings->reason);
    return text.at && weir_slice_equals(text, settings->reason);
}

bool weir_letter_fits(const struct weir_settings *settings, const redisReply *fields)
{
    struct weir_slice reason = weir_value_field(fields, "reason");
    struct weir_slice type = weir_value_field(fields, "type");
    if (settings->type && !(type.at && weir_slice_equals(type, settings->type)))
        return false;
    if (!settings->reason || reason_fits(settings, reason))
        return true;
    struct weir_text group = {0};
    weir_reason_group(&group, reason);
    bool fits = reason_fits(settings, (struct weir_slice){group.at, group.length});
    weir_text_close(&group);
    return fits;
}

/* ---- Walking ----------------------------------------------------------------------------- */

static size_t size_of(const redisReply *fields)
{
    size_t bytes = 0;
    for (size_t i = 0; i < weir_value_count(fields); i++)
        bytes += weir_value_element(fields, i).length;
    return bytes;
}

/* False: enough. */
static bool take(struct weir_session *session, struct weir_letter_walk *walk,
                 const redisReply *entry)
{
    const redisReply *fields = weir_value_count(entry) == 2 ? entry->element[1] : NULL;
    if (!fields)
        return true;
    if (walk->looked_at >= walk->looked_at_most || walk->bytes >= walk->bytes_at_most) {
        walk->stopped = true;
        return false;
    }
    walk->looked_at++;
    walk->bytes += size_of(fields);
    return !weir_letter_fits(&session->settings, fields) || walk->found(walk->user, entry);
}

/* The newest id that --up-to and --older-than let through. */
static enum weir_status bound(struct weir_session *session, char *newest, size_t size,
                              struct weir_error *error)
{
    const struct weir_settings *settings = &session->settings;
    struct weir_entry_id last = {.ms = UINT64_MAX};
    int64_t now_ms = 0;
    if (settings->up_to)
        (void)!weir_entry_id_read(weir_slice_of(settings->up_to), &last);
    snprintf(newest, size, "%s", settings->up_to ? settings->up_to : "+");
    if (settings->older_ms == 0)
        return WEIR_OK;
    if (weir_session_now(session, &now_ms, error) != WEIR_OK)
        return error->status;
    if (now_ms < settings->older_ms || last.ms > (uint64_t)(now_ms - settings->older_ms))
        snprintf(newest, size, "%" PRId64, now_ms - settings->older_ms);
    return WEIR_OK;
}

/* Few at first, and then as many as have so many bytes, going by those before. */
static size_t next_batch(const struct weir_letter_walk *walk)
{
    size_t most = walk->at_once > 0 && walk->at_once < AT_ONCE ? walk->at_once : AT_ONCE;
    size_t batch =
        walk->looked_at == 0 ? FIRST : BYTES_AT_ONCE / (walk->bytes / walk->looked_at + 1) + 1;
    return batch < most ? batch : most;
}

enum weir_status weir_letters_walk(struct weir_session *session, struct weir_letter_walk *walk,
                                   struct weir_error *error)
{
    char newest[64], oldest[64] = "-", count[16];
    bool more = true;
    if (bound(session, newest, sizeof(newest), error) != WEIR_OK)
        return error->status;
    while (more) {
        size_t at_once = next_batch(walk);
        snprintf(count, sizeof(count), "%zu", at_once);
        const char *from = walk->newest_first ? newest : oldest;
        const char *to = walk->newest_first ? oldest : newest;
        redisReply *reply =
            weir_client_ask(&session->client, error, walk->newest_first ? "XREVRANGE" : "XRANGE",
                            walk->key, from, to, "COUNT", count, NULL);
        if (!reply)
            return error->status;
        size_t read = weir_value_count(reply);
        more = read == at_once;
        for (size_t i = 0; i < read; i++) {
            if (!take(session, walk, reply->element[i])) {
                more = false;
                break;
            }
            struct weir_slice id = weir_value_element(reply->element[i], 0);
            snprintf(walk->newest_first ? newest : oldest, sizeof(newest), "(%.*s", (int)id.length,
                     id.at ? id.at : "");
        }
        freeReplyObject(reply);
    }
    return WEIR_OK;
}
