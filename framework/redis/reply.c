/* Checked views of replies: what has not the expected shape is refused, never trusted. */
#include "redis/reply.h"

#include <string.h>

bool weir_reply_text(const redisReply *reply, struct weir_slice *out)
{
    if (reply == NULL || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS))
        return false;
    out->at = reply->str;
    out->length = (size_t)reply->len;
    return true;
}

bool weir_reply_integer(const redisReply *reply, int64_t *out)
{
    struct weir_slice text;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER) {
        *out = reply->integer;
        return true;
    }
    return weir_reply_text(reply, &text) && weir_parse_integer(text.at, text.length, out);
}

bool weir_reply_nil(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_NIL;
}

bool weir_reply_array(const redisReply *reply, size_t minimum)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements >= minimum;
}

bool weir_reply_time(const redisReply *reply, int64_t *ms)
{
    int64_t seconds, microseconds;
    if (!weir_reply_integer(weir_reply_at(reply, 0), &seconds) ||
        !weir_reply_integer(weir_reply_at(reply, 1), &microseconds))
        return false;
    *ms = seconds * 1000 + microseconds / 1000;
    return true;
}

const redisReply *weir_reply_at(const redisReply *reply, size_t index)
{
    return weir_reply_array(reply, index + 1) ? reply->element[index] : NULL;
}

const redisReply *weir_reply_named(const redisReply *pairs, const char *name)
{
    struct weir_slice text;
    for (size_t i = 0; weir_reply_array(pairs, i + 2); i += 2)
        if (weir_reply_text(pairs->element[i], &text) && weir_slice_equals(text, name))
            return pairs->element[i + 1];
    return NULL;
}

bool weir_reply_info(struct weir_slice info, const char *name, struct weir_slice *out)
{
    size_t length = strlen(name);
    const char *end = info.at + info.length;
    for (const char *line = info.at; line != NULL && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *stop = newline != NULL ? newline : end;
        if ((size_t)(stop - line) > length && memcmp(line, name, length) == 0 &&
            line[length] == ':') {
            out->at = line + length + 1;
            out->length = (size_t)(stop - out->at);
            if (out->length > 0 && out->at[out->length - 1] == '\r')
                out->length--;
            return true;
        }
        line = newline != NULL ? newline + 1 : NULL;
    }
    return false;
}

bool weir_reply_entry(const redisReply *reply, struct weir_entry *out)
{
    size_t body = weir_reply_array(reply, 3) ? 2 : 1;
    out->deliveries = 1;
    out->place = 0;
    if (!weir_reply_array(reply, 2) || !weir_reply_text(reply->element[0], &out->id))
        return false;
    if (body == 2 && !weir_reply_integer(reply->element[1], &out->deliveries))
        return false;
    out->body = weir_reply_array(reply->element[body], 0) ? reply->element[body] : NULL;
    return out->body != NULL || weir_reply_nil(reply->element[body]);
}

bool weir_reply_parts(const redisReply *body, struct weir_slice *parts)
{
    if (body->elements % 2 != 0)
        return false;
    for (size_t i = 0; i < body->elements; i++)
        if (!weir_reply_text(body->element[i], &parts[i]))
            return false;
    return true;
}
