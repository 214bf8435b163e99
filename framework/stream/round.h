/* One round of asking how far writes have come, over two connections.
 *
 *   commits' connection   SET note          what was seen there lies before the note
 *   own connection        DEL note → 1      the same server and history: its place is behind the
 *                         WAIT, WAITAOF     note now, and so are these */
#ifndef WEIR_STREAM_ROUND_H
#define WEIR_STREAM_ROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "redis/key_names.h"
#include "redis/link.h"
#include "redis/reach.h"

struct weir_round_settings {
    struct weir_link *commits, *own; /* borrowed, as all of these */
    const char *prefix, *service;
    void *user;
    void (*progress)(void *user); /* `reach` has changed */
    void (*ended)(void *user);    /* once for each begin, perhaps from inside of it, and last */
};

#define WEIR_ROUND_LEVELS_MAX 8 /* different numbers of replicas */

struct weir_round {
    struct weir_round_settings settings;
    bool under_way;
    struct weir_reach reach;
    bool picked_up; /* the note */
    bool elsewhere; /* it was not there: the own connection is to another server or history */
    bool lost;      /* not all that was asked is known */
    enum weir_reach_disk disk_told;
    int64_t told;      /* copies that the last WAIT of any round has told of; -1: there was none */
    char refusal[128]; /* of one of its commands, or of the last one's until the note is answered;
                          "": none */
    int64_t begun_at;  /* monotonic ms */
    size_t owed;
    /* What it asks for. */
    enum weir_disk disk;
    bool wants_disk;
    unsigned levels[WEIR_ROUND_LEVELS_MAX];
    size_t level_count;
    char note[WEIR_KEY_MAX];
};

void weir_round_init(struct weir_round *round, const struct weir_round_settings *settings);
/* What the next one asks for, beside what was wanted since the last one ended; more different
 * numbers than there is room for have to be wanted again. */
void weir_round_want(struct weir_round *round, struct weir_durability need);
/* Only while none is under way. `disk`: how the server can tell of it. */
void weir_round_begin(struct weir_round *round, enum weir_disk disk);

#endif
