/* Reads one page of a hash, a set, a sorted set, or a whole text, as JSON. */
#include "call/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/envelope.h"
#include "redis/reply.h"

#define ROUNDS_MAX 100 /* of a scan that finds little, for one page */

struct page {
    struct weir_client *client;
    const char *key;
    const struct weir_cursor *from;
    int64_t size;
    bool reverse;
    struct weir_query_answer *answer;
    struct weir_error *error;
    const struct kind *kind;
};

struct kind {
    const char *type;
    char letter, reversed; /* of its cursors; 0: it has no pages */
    bool (*read)(struct page *page);
    const char *count, *all, *scan; /* commands of what is scanned */
};

/* ---- Cursors ----------------------------------------------------------------------------- */

bool weir_cursor_read(const char *text, struct weir_cursor *cursor)
{
    size_t digits;
    *cursor = (struct weir_cursor){0, "0"};
    if (text == NULL || text[0] == '\0')
        return true;
    digits = strspn(text + 1, "0123456789");
    if (strchr("hszr", text[0]) == NULL || digits == 0 || digits > 20 || text[1 + digits] != '\0')
        return false;
    /* ranks are added to */
    if ((text[0] == 'z' || text[0] == 'r') && digits > 17)
        return false;
    cursor->kind = text[0];
    memcpy(cursor->number, text + 1, digits + 1);
    return true;
}

static void set_cursor(struct page *page, char letter, const char *number)
{
    snprintf(page->answer->cursor, sizeof page->answer->cursor, "%c%s", letter, number);
}

/* ---- Values ------------------------------------------------------------------------------ */

static struct weir_slice text_at(const redisReply *reply, size_t place)
{
    struct weir_slice text = {"", 0};
    return weir_reply_text(weir_reply_at(reply, place), &text) ? text : (struct weir_slice){"", 0};
}

/* Names of members end at a NUL byte, which is replaced like other bytes that are no text. */
static json_t *make_name(struct weir_slice bytes)
{
    struct weir_text name = {0};
    json_t *made = NULL;
    for (size_t i = 0; i < bytes.length; i++)
        weir_text_append(&name, bytes.at[i] ? &bytes.at[i] : "\xff", 1);
    if (!name.failed)
        made = weir_text_json((struct weir_slice){name.at ? name.at : "", name.length});
    weir_text_close(&name);
    return made;
}

static bool add_field(json_t *object, struct weir_slice name, struct weir_slice value)
{
    json_t *key = make_name(name);
    bool added = key != NULL &&
                 json_object_set_new(object, json_string_value(key), weir_text_json(value)) == 0;
    json_decref(key);
    return added;
}

/* A number, by a reader that does not ask for the program's locale; "inf" stays a text. */
static json_t *make_score(struct weir_slice text)
{
    json_t *score = json_loadb(text.at, text.length, JSON_DECODE_ANY, NULL);
    return score != NULL ? score : weir_text_json(text);
}

static bool add_scored(json_t *array, struct weir_slice member, struct weir_slice score)
{
    return json_array_append_new(array, json_pack("{s:o, s:o}", "member", weir_text_json(member),
                                                  "score", make_score(score))) == 0;
}

/* Fields and values in turn where `value` is an object. */
static bool add_all(json_t *value, const redisReply *elements)
{
    size_t count = weir_reply_array(elements, 0) ? elements->elements : 0;
    bool added = true;
    for (size_t i = 0; added && json_is_array(value) && i < count; i++)
        added = json_array_append_new(value, weir_text_json(text_at(elements, i))) == 0;
    for (size_t i = 0; added && json_is_object(value) && i + 1 < count; i += 2)
        added = add_field(value, text_at(elements, i), text_at(elements, i + 1));
    return added;
}

static bool add_elements(struct page *page, const redisReply *elements)
{
    bool added = add_all(page->answer->value, elements);
    if (!added)
        weir_error_set(page->error, WEIR_NO_MEMORY, "memory ran out");
    return added;
}

/* Members and scores in turn, `most` members at the most. */
static bool add_ranked(json_t *array, const redisReply *elements, size_t most)
{
    bool added = true;
    for (size_t i = 0; added && i + 1 < elements->elements && i < 2 * most; i += 2)
        added = add_scored(array, text_at(elements, i), text_at(elements, i + 1));
    return added;
}

json_t *weir_page_elements(const redisReply *elements, bool ranked)
{
    json_t *value = ranked ? json_array() : json_object();
    if (value != NULL &&
        (ranked ? add_ranked(value, elements, elements->elements) : add_all(value, elements)))
        return value;
    json_decref(value);
    return NULL;
}

/* ---- Types ------------------------------------------------------------------------------- */

static bool read_text(struct page *page)
{
    struct weir_slice text;
    redisReply *reply = weir_client_ask(page->client, page->error, "GET", page->key, NULL);
    if (reply != NULL && weir_reply_text(reply, &text)) {
        page->answer->value = weir_text_json(text);
        if (page->answer->value == NULL)
            weir_error_set(page->error, WEIR_NO_MEMORY, "memory ran out");
    }
    freeReplyObject(reply);
    return page->error->status == WEIR_OK;
}

static bool count_of(struct page *page, int64_t *count)
{
    redisReply *reply =
        weir_client_ask(page->client, page->error, page->kind->count, page->key, NULL);
    bool read = weir_reply_integer(reply, count);
    freeReplyObject(reply);
    return read;
}

static bool read_whole(struct page *page)
{
    redisReply *reply =
        weir_client_ask(page->client, page->error, page->kind->all, page->key, NULL);
    bool read = reply != NULL && add_elements(page, reply);
    freeReplyObject(reply);
    return read;
}

static size_t size_of(const json_t *value)
{
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

/* One step of a scan; `number` is where it goes on, "0" at the end. */
static bool scan(struct page *page, char *number, size_t room)
{
    char count[24];
    int64_t wanted = page->size - (int64_t)size_of(page->answer->value);
    redisReply *reply;
    bool read;
    snprintf(count, sizeof count, "%lld", (long long)(wanted > 10 ? wanted : 10));
    reply = weir_client_ask(page->client, page->error, page->kind->scan, page->key, number, "COUNT",
                            count, NULL);
    read = reply != NULL && add_elements(page, weir_reply_at(reply, 1));
    if (read)
        snprintf(number, room, "%s", text_at(reply, 0).at);
    freeReplyObject(reply);
    return read;
}

static bool read_scanned(struct page *page)
{
    char number[24];
    int64_t count = 0;
    page->answer->value = strcmp(page->kind->type, "hash") == 0 ? json_object() : json_array();
    if (page->answer->value == NULL) {
        weir_error_set(page->error, WEIR_NO_MEMORY, "memory ran out");
        return false;
    }
    if (page->from->kind == 0 && !count_of(page, &count))
        return false;
    if (page->from->kind == 0 && count <= page->size)
        return read_whole(page);
    snprintf(number, sizeof number, "%s", page->from->number);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!scan(page, number, sizeof number))
            return false;
        if (strcmp(number, "0") == 0)
            return true;
        if ((int64_t)size_of(page->answer->value) >= page->size)
            break;
    }
    set_cursor(page, page->kind->letter, number);
    return true;
}

/* One more than the page is asked for, to know whether there is another page. */
static bool read_sorted(struct page *page)
{
    char first[24], last[24], next[24];
    int64_t from = strtoll(page->from->number, NULL, 10);
    redisReply *reply;
    bool added = true;
    snprintf(first, sizeof first, "%lld", (long long)from);
    snprintf(last, sizeof last, "%lld", (long long)(from + page->size));
    snprintf(next, sizeof next, "%lld", (long long)(from + page->size));
    reply = weir_client_ask(page->client, page->error, page->reverse ? "ZREVRANGE" : "ZRANGE",
                            page->key, first, last, "WITHSCORES", NULL);
    if (reply == NULL)
        return false;
    page->answer->value = json_array();
    added =
        page->answer->value != NULL && add_ranked(page->answer->value, reply, (size_t)page->size);
    if (reply->elements > 2 * (size_t)page->size)
        set_cursor(page, page->reverse ? page->kind->reversed : page->kind->letter, next);
    freeReplyObject(reply);
    if (!added)
        weir_error_set(page->error, WEIR_NO_MEMORY, "memory ran out");
    return added;
}

static const struct kind kinds[] = {
    {"string", 0, 0, read_text, NULL, NULL, NULL},
    {"hash", 'h', 0, read_scanned, "HLEN", "HGETALL", "HSCAN"},
    {"set", 's', 0, read_scanned, "SCARD", "SMEMBERS", "SSCAN"},
    {"zset", 'z', 'r', read_sorted, NULL, NULL, NULL},
};

/* ---- Reading ----------------------------------------------------------------------------- */

static const struct kind *find_kind(struct weir_slice type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (weir_slice_equals(type, kinds[i].type))
            return &kinds[i];
    return NULL;
}

static bool cursor_fits(const struct page *page)
{
    char letter = page->reverse ? page->kind->reversed : page->kind->letter;
    return page->from->kind == 0 || page->from->kind == letter;
}

/* Whether there is anything to be read; what can be is in page->kind. */
static bool look_up(struct page *page)
{
    struct weir_slice type = {"", 0};
    redisReply *reply = weir_client_ask(page->client, page->error, "TYPE", page->key, NULL);
    bool there = weir_reply_text(reply, &type) && !weir_slice_equals(type, "none");
    if (there && (page->kind = find_kind(type)) == NULL)
        weir_error_set(page->error, WEIR_INVALID,
                       "%s is a %.*s; a read model is a hash, a string, a set or a sorted set",
                       page->key, (int)type.length, type.at);
    else if (there && page->reverse && page->kind->reversed == 0)
        weir_error_set(page->error, WEIR_INVALID, "%s is a %s; only a sorted set has an order",
                       page->key, page->kind->type);
    else if (there && !cursor_fits(page))
        weir_error_set(page->error, WEIR_INVALID,
                       "the cursor is of another key, type or order than %s", page->key);
    freeReplyObject(reply);
    return there;
}

enum weir_query_result weir_page_read(struct weir_client *client, const char *key,
                                      const struct weir_cursor *cursor, int64_t size, bool reverse,
                                      struct weir_query_answer *answer, struct weir_error *error)
{
    struct page page = {client, key, cursor, size, reverse, answer, error, NULL};
    bool there = look_up(&page);
    if (error->status == WEIR_OK && there) {
        answer->type = page.kind->type;
        there = page.kind->read(&page) && answer->value != NULL;
    }
    if (error->status != WEIR_OK) {
        json_decref(answer->value);
        answer->value = NULL;
        answer->cursor[0] = '\0';
        return WEIR_QUERY_FAILED;
    }
    /* it may have gone since its type was asked for */
    if (there && size_of(answer->value) == 0 && !json_is_string(answer->value) &&
        cursor->kind == 0 && answer->cursor[0] == '\0')
        there = false;
    if (!there) {
        json_decref(answer->value);
        answer->value = NULL;
    }
    return there ? WEIR_QUERY_FOUND : WEIR_QUERY_ABSENT;
}
