/* Reads new entries of one or several streams for a consumer of a group, never more than there is
 * room for.
 *
 * It has a connection of its own, because a read that waits blocks it. Groups are made at the
 * start of the stream, and made again where they are missing, which is said loudly. Entries that an
 * earlier connection may have been given without their arriving are not its business: see
 * pending.h, which is to be asked after each `ready`. */
#ifndef WEIR_STREAM_GROUP_READER_H
#define WEIR_STREAM_GROUP_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "redis/link.h"
#include "redis/reply.h"

#define WEIR_READER_STREAMS_MAX 32

struct weir_group_reader_settings {
    struct ev_loop *loop;
    const struct weir_endpoint *endpoint; /* borrowed, as all texts here */
    struct weir_log *log;
    const char *service;
    const char *group, *consumer;
    const char *const *streams; /* those that come first are served first */
    size_t stream_count;
    size_t urgent_count; /* the first so many streams are read alone until they are empty */
    size_t batch_max; /* so many entries come at once, at the most; a few more with many streams */
    void *user;
    void (*entry)(void *user, size_t stream, const struct weir_entry *entry); /* has its place */
    void (*ready)(void *user); /* the groups exist; after each connection */
    void (*lost)(void *user, const struct weir_error *error);
    size_t (*room)(void *user); /* how many entries may come now; asked before each read */
    bool (*open)(void *user, size_t stream); /* whether a stream is to be read now; NULL: all */
};

struct weir_group_reader {
    struct weir_group_reader_settings settings;
    struct weir_link link;
    ev_timer pause;     /* after a refusal */
    size_t groups_owed; /* answers to XGROUP CREATE */
    size_t asked;       /* of each stream, by the last read */
    unsigned refusals;  /* in a row */
    bool groups_ready, reading, handing_over, stopped, urgent_only;
    bool were_ready;          /* the groups have been there before: a missing one is a loss */
    bool stream_there;        /* the stream whose group is asked for next */
    size_t gone, groups_gone; /* in this round: streams; groups whose stream is there */
    size_t first_gone;        /* one of them, to name it */
    uint64_t groups_made;     /* counter */
    int64_t read_at;          /* monotonic ms of the last successful read */
    uint64_t place;           /* of the last entry */
};

void weir_group_reader_init(struct weir_group_reader *reader,
                            const struct weir_group_reader_settings *settings);
void weir_group_reader_open(struct weir_group_reader *reader);
/* Somebody has found a group missing: makes it again, unless a read will find that out itself. */
void weir_group_reader_ensure(struct weir_group_reader *reader);
/* There is room again: reads unless a read is under way. */
void weir_group_reader_go_on(struct weir_group_reader *reader);
/* Reads nothing new from now on; a read under way may still bring entries. */
void weir_group_reader_stop(struct weir_group_reader *reader);
bool weir_group_reader_busy(const struct weir_group_reader *reader);
/* The server's number of the reading connection, for CLIENT UNBLOCK; -1: none. */
int64_t weir_group_reader_client(const struct weir_group_reader *reader);
void weir_group_reader_close(struct weir_group_reader *reader);

#endif
