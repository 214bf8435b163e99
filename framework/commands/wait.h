/* Waiting for what becomes of a start or an order, and for a saga's end. */
#ifndef WEIR_COMMANDS_WAIT_H
#define WEIR_COMMANDS_WAIT_H

#include "commands/command.h"

#define WEIR_WAIT_MAX_S 31536000 /* a year */

#define WEIR_WAIT_OPTION                                                                           \
    {                                                                                              \
        .name = "wait", .kind = WEIR_OPTION_INTEGER, WEIR_SETTING(wait_s), .minimum = 1,           \
        .maximum = WEIR_WAIT_MAX_S, .optional_value = true, .bare = "60", .value_name = "SECONDS", \
        .help = "wait for the saga's end, 60 seconds if not said"                                  \
    }

struct weir_awaited {
    const char *saga; /* borrowed */
    char entry[48];   /* of the start or the order, in the saga service's commands; "": none, only
                         the saga's end is waited for */
    bool order;       /* else it is a start */
    bool needless;    /* there was no need of the order, and nothing was sent */
    bool unbegun;     /* the saga's start was still on its way */
    bool named;       /* several sagas are told of: each with its id */
    int64_t revision; /* the saga's, before the order */
    json_t *tokens;   /* of a start that has ended: an array of texts, borrowed; or NULL */
};

/* Prints where the saga stands, on one line. `error`: why an order was not carried out, or NULL;
 * without --json it is not printed. The values are borrowed, NULL: not known. */
void weir_saga_print(const struct weir_session *session, const struct weir_awaited *awaited,
                     const json_t *state, const json_t *reason, const char *error);

/* How long is waited in all: settings.wait_s, or without --wait the few seconds in which an order
 * is usually carried out. */
int64_t weir_wait_limit_ms(const struct weir_session *session);

/* Waits until a start or an order has become a dead letter, until an order has been carried out
 * where --wait was not given, else until the saga has ended or is suspended; at most until
 * `deadline` of the monotonic clock. Survives a server that goes away for a while. Prints the state
 * and its reason and returns the exit code that says so. */
int weir_wait(struct weir_session *session, const struct weir_awaited *awaited, int64_t deadline);

#endif
