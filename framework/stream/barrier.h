/* Waits until what this process has seen has reached replicas or the disk.
 *
 * The commits' connection never waits: the barrier has a connection of its own, opened when it is
 * first asked. Waits come in rounds, at most one under way; all that were handed in before a round
 * began are answered by it. A round is
 *
 *   commits' connection   SET note          what was seen there lies before the note
 *   own connection        DEL note → 1      the same server and history: its place is behind the
 *                         WAIT, WAITAOF     note now, and so are these
 *
 * Why not WAIT alone: it waits for the place in the replication stream that its own connection has
 * come to. Up to Redis 7.0 every command brings a connection to the newest place, since 7.2 (and in
 * Valkey) only one that was itself propagated, so there has to be a write on it. And a write that
 * finds something that the other connection has left behind shows that both talk to one history: a
 * server that was restored or replaced in between does not have the note. A deletion that finds its
 * key is such a write, leaves nothing behind, and is taken by a server without memory, too.
 *
 * Until a note is picked up nothing is concluded. Where the commits' connection was made anew after
 * something had been seen on it, that may be gone: the outcome is unknown. */
#ifndef WEIR_STREAM_BARRIER_H
#define WEIR_STREAM_BARRIER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "message/durability.h"
#include "redis/disk.h"
#include "redis/key_names.h"
#include "redis/link.h"

enum weir_barrier_outcome {
    WEIR_BARRIER_REACHED,
    WEIR_BARRIER_NOT_REACHED, /* within the limit; `why` tells how far it has come */
    WEIR_BARRIER_UNKNOWN,     /* it could not be asked, or what was seen may be gone: see anew */
    WEIR_BARRIER_REFUSED,     /* this server cannot tell; `why` says what to do */
};

/* One wait; it belongs to whoever hands it in and has to stay until it is answered or cancelled. */
struct weir_barrier_wait {
    struct weir_durability need; /* nothing: answered when a note was picked up */
    int64_t limit_ms;
    /* `reconnections` of the commits' link when the first of what is to be covered was seen. */
    uint64_t seen_on;
    void *user;
    /* Called once, from the loop. `why` is one line, "" where it is reached. */
    void (*answered)(void *user, enum weir_barrier_outcome outcome, const char *why);
    /* The barrier's own. */
    struct weir_barrier_wait *previous, *next;
    int64_t deadline;
    bool in_round, asked;
};

struct weir_barrier_settings {
    struct ev_loop *loop;
    const struct weir_endpoint *endpoint; /* borrowed, as all of these */
    struct weir_log *log;
    struct weir_link *commits;
    const char *prefix, *service;
    void *user;
    /* It is known what the server can do: `why` is NULL, or says that it has no way to tell of its
     * disk. Again after each new connection. May be NULL. */
    void (*known)(void *user, const char *why);
};

#define WEIR_BARRIER_LEVELS_MAX 8 /* different numbers of replicas in one round */

struct weir_barrier {
    struct weir_barrier_settings settings;
    struct weir_link link;
    ev_timer kick;  /* begins a round, from the loop */
    ev_timer limit; /* the first deadline */
    bool open, closed;
    struct weir_barrier_wait *first, *last; /* in the order of handing in */
    /* What the server can do. */
    struct weir_disk_signs signs;
    enum weir_disk disk;
    struct weir_error disk_why;
    int64_t asked_at; /* monotonic ms */
    size_t signs_owed;
    bool signs_missing;
    /* The round under way. */
    bool round, lost, picked_up, on_disk;
    bool elsewhere; /* the note was not there */
    size_t owed;
    unsigned levels[WEIR_BARRIER_LEVELS_MAX];
    size_t level_count;
    int64_t copies;    /* that the round knows of; -1: the note is not picked up */
    int64_t told;      /* that the last WAIT has told of; -1: there was none */
    char refusal[128]; /* of a command of the round; "": none */
    char note[WEIR_KEY_MAX];
    char numbers[WEIR_BARRIER_LEVELS_MAX][16];
    bool waiting_said, elsewhere_said, unknown_said;
    uint64_t rounds; /* counter: notes picked up */
};

void weir_barrier_init(struct weir_barrier *barrier, const struct weir_barrier_settings *settings);
/* Connects now instead of with the first wait, so that `known` is called. */
void weir_barrier_open(struct weir_barrier *barrier);
/* Hands in a wait. False where the barrier is closed: nothing will be called. */
WEIR_CHECKED bool weir_barrier_submit(struct weir_barrier *barrier, struct weir_barrier_wait *wait);
/* Takes back a wait that has not been answered. */
void weir_barrier_cancel(struct weir_barrier *barrier, struct weir_barrier_wait *wait);
/* What is known of the server's disk; WEIR_DISK_UNASKED where a wait has to find that out. What was
 * refused is asked again after a while: settings can be changed. */
enum weir_disk weir_barrier_disk(const struct weir_barrier *barrier, const char **why);
/* All that wait are answered WEIR_BARRIER_UNKNOWN; from then on nothing is taken. */
void weir_barrier_close(struct weir_barrier *barrier);

#endif
