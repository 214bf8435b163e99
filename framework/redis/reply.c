/* Checked views of replies: what has not the expected shape is refused, never trusted. */
#include "redis/reply.h"

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

const redisReply *weir_reply_at(const redisReply *reply, size_t index)
{
    return weir_reply_array(reply, index + 1) ? reply->element[index] : NULL;
}

bool weir_reply_entry(const redisReply *reply, struct weir_entry *out)
{
    size_t body = weir_reply_array(reply, 3) ? 2 : 1;
    out->deliveries = 1;
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
