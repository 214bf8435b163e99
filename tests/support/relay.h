/* Connections between clients and a server, and a bad line between them: bytes are late, slow, cut
 * off, swallowed or held up as the fields say. One thread, no waits of its own: the caller polls.
 *
 * A reset is a close at once, with what is still on its way lost. */
#ifndef WEIR_TESTS_SUPPORT_RELAY_H
#define WEIR_TESTS_SUPPORT_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_WORD_MAX 128
#define RELAY_TEXT_MAX 256

enum relay_mode { RELAY_PASS, RELAY_STALL, RELAY_BLACK_HOLE };
enum relay_direction { RELAY_REQUESTS, RELAY_ANSWERS };

/* Resets a connection once `left` more bytes have passed in that direction. Without a word the
 * bytes of all connections count. With one, those count from the beginning of the first command
 * that holds the word to the end of what comes in one piece (or of the first answer to that piece);
 * where there are fewer, the trap has been passed. */
struct relay_trap {
    bool armed;
    enum relay_direction direction;
    unsigned long long left;
    char word[RELAY_WORD_MAX];
    char instead[RELAY_TEXT_MAX]; /* not empty: stands in for that one answer; nothing is cut */
};

struct relay_counts {
    unsigned long long accepted, refused, resets, lost, passed, replaced, swallowed, requests,
        answers;
};

struct relay_connection;

struct relay {
    const char *server; /* path of its socket; borrowed */
    /* The weather, for the caller to set. */
    enum relay_mode mode;
    unsigned long long rate;  /* bytes a second for each direction of a connection; 0: any */
    unsigned long long slice; /* bytes for each write; 0: any */
    unsigned long long delay, jitter; /* ms */
    unsigned long long losing;        /* that many answers are lost, and their connections reset */
    struct relay_trap trap;
    /* What has happened: connections, traps passed, bytes. */
    struct relay_counts counts;
    size_t present;
    /* Its own. */
    struct relay_connection *first;
    uint64_t random;
};

/* Takes the client's descriptor over and connects it to the server. */
void relay_take(struct relay *relay, int client);
void relay_reset_all(struct relay *relay);
/* From now on those present are cut off from one another without a word, whatever the mode. */
void relay_forsake(struct relay *relay);
/* Takes all bad weather back. A connection that has lost bytes is of no use and is reset. */
void relay_heal(struct relay *relay);

/* How many places for poll it needs; fills them, and says how long to wait at the most (-1: for
 * ever); serves them. No connection may come or go in between. */
size_t relay_place_count(const struct relay *relay);
int relay_fill(struct relay *relay, struct pollfd *places);
void relay_serve(struct relay *relay, const struct pollfd *places);

#endif
