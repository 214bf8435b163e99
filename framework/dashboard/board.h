/* What is asked of the server, each thing once however many want to know it, and told to all who
 * listen. */
#ifndef WEIR_DASHBOARD_BOARD_H
#define WEIR_DASHBOARD_BOARD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "dashboard/clerk.h"

struct weir_board;
struct weir_question;

/* Who wants to know something: embedded in the one who does. */
struct weir_listener {
    /* Once after each run, from the loop, and with the last answer that came from the server; it
     * may leave or free this listener, no other. A listener that wants it once has left already. */
    void (*heard)(struct weir_listener *listener, const struct weir_run *answer);
    bool once;
    /* The board's. */
    struct weir_question *question;
    struct weir_listener *next;
};

/* NULL and an error. `redis` and `prefix` are borrowed. */
struct weir_board *weir_board_open(struct ev_loop *loop, const char *redis, const char *prefix,
                                   struct weir_error *error);
/* Listeners are forgotten. False as weir_clerk_close, and then the process has to end. */
bool weir_board_close(struct weir_board *board, int64_t limit_ms);

/* Takes the words. Who wants it once joins a run that waits or goes on, or causes one; who watches
 * causes one a second at most, and fewer where it is dear: in time, in bytes, or by the route's
 * `every_ms`. What is dear cannot be watched (WEIR_INVALID), and is run beside the rest.
 * WEIR_TOO_LARGE: too much is asked already. */
WEIR_CHECKED enum weir_status weir_board_listen(struct weir_board *board,
                                                struct weir_words *words_take,
                                                struct weir_listener *listener,
                                                struct weir_error *error);
/* Does nothing where it has left. */
void weir_listener_leave(struct weir_listener *listener);
/* The last answer that is known of what a listener watches, or NULL. */
const struct weir_run *weir_listener_last(const struct weir_listener *listener);
/* Grows with each answer that differs from the one before. */
uint64_t weir_listener_version(const struct weir_listener *listener);

/* Whether the server does not answer now, as far as is known. `since_ms`: by its own clock, when it
 * last did; 0: it has not since we started. */
bool weir_board_in_trouble(const struct weir_board *board, int64_t *since_ms);
/* The sentence of the run that met the trouble; "" where none has. */
const char *weir_board_why(const struct weir_board *board);
/* For how long nothing has been heard of the server, by our own clock. */
int64_t weir_board_silent_ms(const struct weir_board *board);
/* The server's clock, as far as it can be told from its last answer; 0: not known. */
int64_t weir_board_now_ms(const struct weir_board *board);
/* Something has been changed: what is watched is asked again without a pause. */
void weir_board_hurry(struct weir_board *board);
/* An answer that came by another way shows that the server is there, or is not. */
void weir_board_note(struct weir_board *board, const struct weir_run *answer);
/* Whether the run ended without an answer of the server. */
bool weir_run_lost(const struct weir_run *answer);

#endif
