/* Whether a server can tell that its writes have reached its disk, and how it is asked.
 *
 * WAITAOF (Redis 7.2, Valkey) waits for it. An older server says it by its settings alone: with
 * `appendonly yes`, `appendfsync always` and `no-appendfsync-on-rewrite no` it writes to the disk
 * before it sends an answer, any answer of that turn of its loop, so that whatever has been seen is
 * there. Otherwise it cannot be known. */
#ifndef WEIR_REDIS_DISK_H
#define WEIR_REDIS_DISK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "redis/client.h"

enum weir_disk {
    WEIR_DISK_UNASKED,
    WEIR_DISK_BY_WAITAOF,
    WEIR_DISK_BY_SETTINGS, /* which are looked at for each wait: they can be changed */
    WEIR_DISK_NOT,
};

/* What a server has answered. Zeroed before use. */
struct weir_disk_signs {
    char server[48];       /* "Redis 7.0.15"; "": not known */
    bool waitaof;          /* it has carried out WAITAOF */
    char refusal[160];     /* why it has not */
    char passing[160];     /* why it answers not now: nothing follows from that; "": it does */
    bool settings_known;   /* CONFIG GET was answered */
    bool appendonly;       /* keeps an append-only file */
    bool always, may_skip; /* of appendfsync; of no-appendfsync-on-rewrite */
};

/* The three questions, as argument vectors. */
#define WEIR_DISK_ASK_SERVER                                                                       \
    2, (const char *[])                                                                            \
    {                                                                                              \
        "INFO", "server"                                                                           \
    }
#define WEIR_DISK_ASK_WAITAOF                                                                      \
    4, (const char *[])                                                                            \
    {                                                                                              \
        "WAITAOF", "1", "0", "1"                                                                   \
    }
#define WEIR_DISK_ASK_SETTINGS                                                                     \
    5, (const char *[])                                                                            \
    {                                                                                              \
        "CONFIG", "GET", "appendonly", "appendfsync", "no-appendfsync-on-rewrite"                  \
    }

/* Each takes the answer to one of them: a reply, an error reply, or NULL where there is none. */
void weir_disk_take_server(struct weir_disk_signs *signs, const redisReply *reply);
void weir_disk_take_waitaof(struct weir_disk_signs *signs, const redisReply *reply);
void weir_disk_take_settings(struct weir_disk_signs *signs, const redisReply *reply);
/* Whether the settings promise it. */
bool weir_disk_settings_promise(const struct weir_disk_signs *signs);

/* What follows from the answers. With WEIR_DISK_NOT `why` is a sentence that names the server and
 * says what to do. WEIR_DISK_UNASKED and WEIR_UNAVAILABLE where nothing does, because the server
 * does not serve now: it is to be asked again. */
enum weir_disk weir_disk_judge(const struct weir_disk_signs *signs, struct weir_error *why);

/* Asks all three over a client, one after the other, and judges. WEIR_DISK_UNASKED with an error
 * also where the connection was lost. */
enum weir_disk weir_disk_ask(struct weir_client *client, struct weir_error *why);

#endif
