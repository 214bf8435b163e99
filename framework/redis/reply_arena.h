/* Answers of one connection, laid one piece behind the other in memory that the next answer uses
 * again. hiredis allocates each text and each number of an answer by itself, twice for a text: a
 * read of a hundred messages came to two thousand allocations. */
#ifndef WEIR_REDIS_REPLY_ARENA_H
#define WEIR_REDIS_REPLY_ARENA_H

#include <hiredis/hiredis.h>

struct weir_reply_chunk;

/* `{0}` is an empty one. It belongs to one reader at a time, holds one answer at a time, and
 * outlives the reader. */
struct weir_reply_arena {
    struct weir_reply_chunk *chunk; /* the one that is being filled; those before it behind it */
};

/* From now on the reader's answers lie in the arena, each until it is freed by the reader's own
 * function, as hiredis does after each callback. Not for who calls freeReplyObject. */
void weir_reply_arena_attach(struct weir_reply_arena *arena, redisReader *reader);
void weir_reply_arena_close(struct weir_reply_arena *arena);

#endif
