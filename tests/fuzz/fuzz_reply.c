/* What a server, or somebody in its place, may send: any bytes, read by hiredis, then looked at by
 * all views of answers; as a message, as a loaded hash, and as the hash of a saga. */
#include <hiredis/hiredis.h>

#include "fuzz/bytes.h"
#include "message/envelope.h"
#include "redis/refusal.h"
#include "redis/reply.h"
#include "saga/record.h"
#include "redis/snapshot.h"

static const char definition_text[] =
    "{\"name\":\"s\",\"version\":1,\"steps\":[{\"name\":\"a\",\"service\":\"x\",\"command\":\"Do\","
    "\"compensation\":\"Undo\"},{\"name\":\"b\",\"signal\":\"go\"}]}";

static void check_message(const struct weir_entry *entry)
{
    size_t count = entry->body->elements;
    struct weir_slice *parts = malloc((count + 1) * sizeof *parts);
    struct weir_error error = {0};
    HOLDS(parts != NULL);
    if (weir_reply_parts(entry->body, parts)) {
        weir_message *message = weir_message_new("{s}:commands", "1-1", parts, count);
        HOLDS(message != NULL);
        if (weir_message_decode(message, 4096, 1, &error) != WEIR_OK)
            check_sentence(&error);
        weir_message_free(message);
    }
    free(parts);
}

/* A saga that could be read is moved like any other; nothing in it may break the engine. */
static void check_saga(const struct weir_saga_definition *definition,
                       const struct weir_loaded *hash)
{
    struct weir_saga saga;
    struct weir_error error = {0};
    HOLDS(weir_saga_init(&saga, definition) == WEIR_OK);
    if (weir_saga_record_read(definition, hash, &saga, &error) == WEIR_OK) {
        struct weir_random random = {1};
        struct weir_saga_effects effects;
        for (int kind = WEIR_SAGA_START; kind <= WEIR_SAGA_SIGNAL; kind++) {
            struct weir_saga_input input = {.kind = (enum weir_saga_input_kind)kind, .name = "a"};
            int verdict = weir_saga_advance(definition, &saga, &input, 1000, &random, &effects);
            if (verdict < 0)
                break;
        }
    } else {
        check_sentence(&error);
    }
    weir_saga_close(&saga);
}

static void check_hash(const redisReply *reply)
{
    static struct weir_saga_definition *definition;
    struct weir_snapshot snapshot = {0};
    if (definition == NULL)
        definition = weir_saga_definition_parse(definition_text, strlen(definition_text), NULL);
    HOLDS(definition != NULL && weir_snapshot_add(&snapshot, "{s}:x:1") == 0);
    if (weir_snapshot_fill(&snapshot.hashes[0], reply) == WEIR_OK) {
        weir_loaded_value(&snapshot.hashes[0], "state");
        check_saga(definition, &snapshot.hashes[0]);
    }
    weir_snapshot_close(&snapshot);
}

static void look_at(const redisReply *reply, unsigned depth)
{
    struct weir_slice text;
    struct weir_entry entry;
    int64_t number;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        HOLDS(weir_refusal_of(reply->str) <= WEIR_REFUSAL_PLACE);
    weir_reply_text(reply, &text);
    weir_reply_integer(reply, &number);
    weir_reply_nil(reply);
    if (weir_reply_entry(reply, &entry) && entry.body != NULL)
        check_message(&entry);
    if (reply != NULL)
        check_hash(reply);
    for (size_t i = 0; depth > 0 && weir_reply_at(reply, i) != NULL; i++)
        look_at(weir_reply_at(reply, i), depth - 1);
}

/* hiredis makes room for as many elements as an array is said to have, before any has come. */
static bool announces_too_much(const uint8_t *data, size_t size)
{
    size_t digits = 0;
    for (size_t i = 0; i < size; i++) {
        digits = data[i] >= '0' && data[i] <= '9' ? digits + 1 : 0;
        if (digits > 5)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (announces_too_much(data, size))
        return 0;
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    HOLDS(reader != NULL);
    redisReaderFeed(reader, (const char *)data, size);
    for (unsigned i = 0; i < 16; i++) {
        if (redisReaderGetReply(reader, &reply) != REDIS_OK || reply == NULL)
            break;
        look_at(reply, 8);
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
    return 0;
}
