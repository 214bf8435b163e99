/* Checked views of replies: what has not the expected shape is refused, never trusted. */
#ifndef WEIR_REDIS_REPLY_H
#define WEIR_REDIS_REPLY_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* All accept NULL and answer false for it. Texts are borrowed from the reply. */
bool weir_reply_text(const redisReply *reply, struct weir_slice *out); /* text or status */
bool weir_reply_integer(const redisReply *reply, int64_t *out);        /* or decimal text */
bool weir_reply_nil(const redisReply *reply);
bool weir_reply_array(const redisReply *reply, size_t minimum);
/* The answer to TIME, in ms. */
bool weir_reply_time(const redisReply *reply, int64_t *ms);
/* The element, or NULL. */
const redisReply *weir_reply_at(const redisReply *reply, size_t index);
/* What stands behind a name in an array of names and values in turn, or NULL. */
const redisReply *weir_reply_named(const redisReply *pairs, const char *name);
/* What stands behind "name:" in the answer to INFO; false where there is no such line. */
bool weir_reply_info(struct weir_slice info, const char *name, struct weir_slice *out);

/* One entry as weir_claim and weir_recover give it (with deliveries) or as XRANGE, XREADGROUP give
 * it (without, then 1). */
struct weir_entry {
    struct weir_slice id;
    int64_t deliveries;
    const redisReply *body; /* names and values in turn; NULL: the body was deleted */
    /* Two entries of one stream with places one apart were consecutive in it when they were read.
     * 0: nothing is known; weir_reply_entry gives that. */
    uint64_t place;
};
bool weir_reply_entry(const redisReply *reply, struct weir_entry *out);
/* The body's names and values as slices in `parts` (room for body->elements). False where one is
 * not a text or the number is odd. */
bool weir_reply_parts(const redisReply *body, struct weir_slice *parts);

#endif
