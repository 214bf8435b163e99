/* Answers of one connection, laid one piece behind the other in memory that is used again. */
#include "redis/reply_arena.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 32768
#if defined(__SANITIZE_ADDRESS__)
#define CHUNKS_KEPT 0 /* who looks at an answer too late shall be caught */
#else
#define CHUNKS_KEPT 1
#endif

struct weir_reply_chunk {
    struct weir_reply_chunk *before;
    size_t used, size;
    max_align_t bytes[];
};

/* hiredis frees an answer without saying of which reader. */
struct piece {
    struct weir_reply_arena *arena;
    redisReply reply;
};

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static struct weir_reply_chunk *add_chunk(struct weir_reply_arena *arena, size_t size)
{
    struct weir_reply_chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct weir_reply_chunk){.before = arena->chunk, .size = size};
    arena->chunk = chunk;
    return chunk;
}

static void *allocate(struct weir_reply_arena *arena, size_t size)
{
    struct weir_reply_chunk *chunk = arena->chunk;
    void *at;
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (chunk == NULL || chunk->size - chunk->used < size)
        chunk = add_chunk(arena, size > CHUNK_SIZE ? size : CHUNK_SIZE);
    if (chunk == NULL)
        return NULL;
    at = (char *)chunk->bytes + chunk->used;
    chunk->used += size;
    return at;
}

/* The oldest chunk is the one that small answers need. */
static void empty(struct weir_reply_arena *arena, size_t kept)
{
    struct weir_reply_chunk *chunk = arena->chunk;
    while (chunk != NULL && (chunk->before != NULL || kept == 0 || chunk->size > CHUNK_SIZE)) {
        struct weir_reply_chunk *before = chunk->before;
        free(chunk);
        chunk = before;
    }
    if (chunk != NULL)
        chunk->used = 0;
    arena->chunk = chunk;
}

/* ---- What hiredis calls ------------------------------------------------------------------- */

static redisReply *create(const redisReadTask *task, int type)
{
    struct weir_reply_arena *arena = task->privdata;
    struct piece *piece = allocate(arena, sizeof *piece);
    if (piece == NULL)
        return NULL;
    *piece = (struct piece){.arena = arena, .reply = {.type = type}};
    if (task->parent != NULL)
        ((redisReply *)task->parent->obj)->element[task->idx] = &piece->reply;
    return &piece->reply;
}

static void *create_text(const redisReadTask *task, char *text, size_t length)
{
    redisReply *reply = create(task, task->type);
    if (reply == NULL || (reply->str = allocate(task->privdata, length + 1)) == NULL)
        return NULL;
    memcpy(reply->str, text, length);
    reply->str[length] = '\0';
    reply->len = length;
    return reply;
}

static void *create_array(const redisReadTask *task, element_count count)
{
    redisReply *reply = create(task, task->type);
    size_t size = (size_t)count * sizeof(redisReply *);
    if (reply == NULL || (size_t)count > SIZE_MAX / sizeof(redisReply *) ||
        (reply->element = allocate(task->privdata, size)) == NULL)
        return NULL;
    memset(reply->element, 0, size);
    reply->elements = (size_t)count;
    return reply;
}

static void *create_integer(const redisReadTask *task, long long number)
{
    redisReply *reply = create(task, REDIS_REPLY_INTEGER);
    if (reply != NULL)
        reply->integer = number;
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    return create(task, REDIS_REPLY_NIL);
}

#if HIREDIS_MAJOR >= 1
/* Of the protocol's third version, which is not asked for. What a server says all the same is
 * refused by those who look at its type. */
static void *create_double(const redisReadTask *task, double number, char *text, size_t length)
{
    (void)number;
    return create_text(task, text, length);
}

static void *create_bool(const redisReadTask *task, int truth)
{
    redisReply *reply = create(task, REDIS_REPLY_BOOL);
    if (reply != NULL)
        reply->integer = truth;
    return reply;
}
#endif

static void free_answer(void *answer)
{
    if (answer != NULL)
        empty(((struct piece *)((char *)answer - offsetof(struct piece, reply)))->arena,
              CHUNKS_KEPT);
}

static redisReplyObjectFunctions functions = {
    .createString = create_text,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = free_answer,
};

void weir_reply_arena_attach(struct weir_reply_arena *arena, redisReader *reader)
{
    reader->fn = &functions;
    reader->privdata = arena;
}

void weir_reply_arena_close(struct weir_reply_arena *arena)
{
    empty(arena, 0);
}
