/* Goes on with all errands in turns: one exchange with the server for all that ask now. */
#ifndef WEIR_CALL_TURNS_H
#define WEIR_CALL_TURNS_H

#include <stdatomic.h>

#include "call/errand.h"
#include "call/tally.h"

/* For one thread. Client, endpoint and prefix are borrowed; the client may be closed. */
struct weir_turns {
    struct weir_client *client;
    const struct weir_endpoint *endpoint;
    const char *prefix;
    struct weir_errand *errands; /* owned */
    size_t count;                /* of the places that they take */
    void (*freed)(void *user);   /* places became free, and are answered for next; or NULL */
    void *user;
    struct weir_hearing hearing;
    int64_t hear_at, hear_pause;
    int64_t connect_at;   /* not before: the server was not there a moment ago */
    atomic_bool connects; /* just now; for any thread */
    struct weir_error unreachable;
    struct weir_tally tally;
};

void weir_turns_begin(struct weir_turns *turns, struct weir_client *client,
                      const struct weir_endpoint *endpoint, const char *prefix);
void weir_turns_add(struct weir_turns *turns, struct weir_errand *errand_take);
/* Takes one turn where anything is to be done now, and answers what has ended; returns when the
 * next one is due, in monotonic ms; INT64_MAX: nothing is in hand. Waits for the server for a
 * second at the most, but to be connected to it, which may take as long as a resolver or many
 * Sentinels do. */
int64_t weir_turns_take(struct weir_turns *turns);
/* Gives all errands up and answers them. */
void weir_turns_end(struct weir_turns *turns, const char *why);

/* Takes turns until all is answered. */
void weir_turns_finish(struct weir_turns *turns);

#endif
