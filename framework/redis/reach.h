/* How far writes have come: the words in which a server is asked whether what a process has seen
 * has reached replicas and the disk, and what counts as reached.
 *
 * First a note is laid down on the connection on which it was seen, and picked up on the one that
 * asks; what is asked behind that covers all that lies before the note.
 *
 * Why not WAIT alone: it waits for the place in the replication stream that its own connection has
 * come to. Up to Redis 7.0 every command brings a connection to the newest place, since 7.2 (and in
 * Valkey) only one that was itself propagated, so there has to be a write on it. And a write that
 * finds something that another connection has left behind shows that both talk to one history: a
 * server that was restored or replaced in between does not have the note. A deletion that finds its
 * key is such a write, and leaves nothing behind. A server without memory does not take the note:
 * as long as it takes no writes nothing is concluded. */
#ifndef WEIR_REDIS_REACH_H
#define WEIR_REDIS_REACH_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message/durability.h"
#include "redis/disk.h"

struct weir_reach {
    int64_t copies; /* -1: the note is not picked up, and nothing is known */
    bool on_disk;
};

/* The key of a new note, as weir_key_named. */
char *weir_reach_note(char *key, const char *prefix, const char *service);

/* The questions, as argument vectors. A limit is in ms, and never 0, which would be for ever. */
#define WEIR_REACH_LAY_NOTE(note)                                                                  \
    5, (const char *[])                                                                            \
    {                                                                                              \
        "SET", (note), "", "PX", "60000"                                                           \
    }
#define WEIR_REACH_PICK_UP(note)                                                                   \
    2, (const char *[])                                                                            \
    {                                                                                              \
        "DEL", (note)                                                                              \
    }
#define WEIR_REACH_COPIES(replicas, limit_ms)                                                      \
    3, (const char *[])                                                                            \
    {                                                                                              \
        "WAIT", (replicas), (limit_ms)                                                             \
    }
#define WEIR_REACH_WORDS_MAX 8
/* The disk is asked for as the server can tell; writes the words and returns their number, 0 where
 * it cannot. */
int weir_reach_ask_disk(enum weir_disk disk, const char *limit_ms, const char **words);

enum weir_reach_disk {
    WEIR_REACH_DISK_UNTOLD, /* it does not say now, or there is no answer */
    WEIR_REACH_DISK_TOLD,
    WEIR_REACH_DISK_CANNOT, /* not in this way any more: the server has to be judged anew */
};

/* Each takes the answer to one of them: a reply, an error reply, or NULL where there is none.
 * `true` where the note was there, and where a number came. */
bool weir_reach_take_note(struct weir_reach *reach, const redisReply *reply);
bool weir_reach_take_copies(struct weir_reach *reach, const redisReply *reply);
enum weir_reach_disk weir_reach_take_disk(struct weir_reach *reach, enum weir_disk disk,
                                          const redisReply *reply);

bool weir_reach_suffices(const struct weir_reach *reach, struct weir_durability need);
/* ": 1 replica has it", where that is what it lacks, else "". Returns `text`. */
#define WEIR_REACH_TEXT_MAX 48
char *weir_reach_tell(int64_t copies, struct weir_durability need, char *text);

#endif
