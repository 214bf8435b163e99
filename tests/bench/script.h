/* What weir has sent to the server for one item (a message, a saga), as templates: for each entry
 * that was handled the commands that put it away, with places for the entry's id and the item's
 * number. Made of a recording, so that it is what weir does now and not what it once did.
 *
 * Item numbers have nine digits, so that all items have the same lengths; BENCH_RECORDED is the
 * number of the item that was recorded. A second number, the key, goes with it: several items
 * share one aggregate. */
#ifndef WEIR_TESTS_BENCH_SCRIPT_H
#define WEIR_TESTS_BENCH_SCRIPT_H

#include "recorder.h"

#define BENCH_DIGITS 9
#define BENCH_RECORDED 987654321u
#define BENCH_FIRST 100000001u /* the number of the first item */
#define BENCH_KEY_FIRST 200000000u

/* The key of an item, one of `keys`. */
unsigned bench_key_of(unsigned number, unsigned keys);

enum bench_piece_kind {
    BENCH_LITERAL,
    BENCH_NUMBER,
    BENCH_KEY,
    BENCH_ENTRY,        /* the entry's id */
    BENCH_ENTRY_LENGTH, /* "$<length>\r\n" of a word that holds it; `length`: the rest of the word
                         */
    BENCH_PREVIOUS,     /* a word, with its length: the id of the entry before it */
};

struct bench_piece {
    enum bench_piece_kind kind;
    char *bytes; /* BENCH_LITERAL */
    size_t length;
};

/* A stream that is read by a group. */
struct bench_source {
    char stream[160], group[160];
    bool begins; /* what stands there before anything has been handled */
};

/* What is sent for one entry; the server gives `answers` answers. */
struct bench_part {
    size_t source;
    char type[128], step[128], action[32]; /* of the entry; "" where it has no such field */
    size_t answers;
    struct bench_piece *pieces;
    size_t piece_count;
};

struct bench_script {
    struct bench_source *sources;
    size_t source_count;
    struct bench_part *parts; /* in the order in which they were carried out */
    size_t part_count;
    unsigned keys;
};

/* Of the recording of one item, BENCH_RECORDED. Times in it are moved by as much as has passed
 * since. `keys` 0: the item has no key besides. */
struct bench_script bench_script_make(struct bench_server *server,
                                      const struct bench_recording *recording, unsigned keys);

void bench_script_close(struct bench_script *script);

/* The part made of the last command of the recording that holds both ids of a stream's entries, of
 * which `entry` is that of item BENCH_RECORDED: how a projection moves on. */
struct bench_script bench_script_of_move(struct bench_server *server,
                                         const struct bench_recording *recording,
                                         const char *previous, const char *entry, unsigned keys);

struct bench_filling { /* what stands in the places of a template */
    unsigned number;
    const char *entry, *previous; /* `previous` only where a template has a place for it */
    size_t entry_length, previous_length;
};

/* Lays out what is to be sent for a part; returns the length. `room` grows as needed. */
size_t bench_part_fill(const struct bench_script *script, const struct bench_part *part,
                       const struct bench_filling *filling, char **room, size_t *capacity);

#endif
