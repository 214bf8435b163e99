/* Waits until what this process has seen has reached replicas or the disk.
 *
 * The commits' connection never waits: the barrier has a connection of its own, opened when it is
 * first asked. Waits come in rounds (stream/round.h), at most one under way; all that were handed
 * in before a round began are answered by it. Until its note is picked up nothing is concluded
 * (redis/reach.h says why). Where the commits' connection was made anew after something had been
 * seen on it, that may be gone: the outcome is unknown. */
#ifndef WEIR_STREAM_BARRIER_H
#define WEIR_STREAM_BARRIER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "message/durability.h"
#include "redis/link.h"
#include "stream/ability.h"
#include "stream/round.h"

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
     * disk. Again when that has changed, and after each new connection. May be NULL. */
    void (*known)(void *user, const char *why);
};

struct weir_barrier {
    struct weir_barrier_settings settings;
    struct weir_link link;
    struct weir_ability ability;
    struct weir_round round;
    ev_timer kick;  /* begins a round, from the loop */
    ev_timer limit; /* the first deadline */
    bool open, closed;
    struct weir_barrier_wait *first, *last; /* in the order of handing in */
    bool waiting_said, elsewhere_said;
};

void weir_barrier_init(struct weir_barrier *barrier, const struct weir_barrier_settings *settings);
/* Connects now instead of with the first wait, so that `known` is called. */
void weir_barrier_open(struct weir_barrier *barrier);
/* Hands in a wait. False where the barrier is closed: nothing will be called. */
WEIR_CHECKED bool weir_barrier_submit(struct weir_barrier *barrier, struct weir_barrier_wait *wait);
/* Takes back a wait that has not been answered. */
void weir_barrier_cancel(struct weir_barrier *barrier, struct weir_barrier_wait *wait);
/* What the server was found to be able to do not longer than a second ago; WEIR_DISK_UNASKED
 * where a wait has to find that out. Any wait does that needs nothing; one for the disk asks in
 * passing, and again where it was refused. */
enum weir_disk weir_barrier_disk(const struct weir_barrier *barrier, const char **why);
/* All that wait are answered WEIR_BARRIER_UNKNOWN; from then on nothing is taken. */
void weir_barrier_close(struct weir_barrier *barrier);

#endif
