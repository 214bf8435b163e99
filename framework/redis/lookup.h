/* Finds the number of a host's name without holding up the loop. The system's resolver blocks, for
 * many seconds where the name server is silent, and so it works in a thread. */
#ifndef WEIR_REDIS_LOOKUP_H
#define WEIR_REDIS_LOOKUP_H

#include <ev.h>
#include <stdbool.h>

#include "base/status.h"
#include "redis/address.h"

struct weir_lookup_work;

struct weir_lookup {
    struct ev_loop *loop;
    void *user;
    /* From the loop, once for each start: the name's first number and the port, or NULL and why. */
    void (*answered)(void *user, const struct weir_address *address,
                     const struct weir_error *error);
    ev_async wake;
    struct weir_lookup_work *work; /* shared with the thread; NULL: none is under way */
};

/* Whether the host is a number already, and no lookup is needed. */
bool weir_host_is_number(const char *host);

void weir_lookup_init(struct weir_lookup *lookup, struct ev_loop *loop, void *user,
                      void (*answered)(void *user, const struct weir_address *address,
                                       const struct weir_error *error));
/* Only while none is under way. Where it fails, `answered` will not be called. */
WEIR_CHECKED enum weir_status weir_lookup_start(struct weir_lookup *lookup,
                                                const struct weir_address *address,
                                                struct weir_error *error);
/* `answered` will not be called any more; a second call does nothing. */
void weir_lookup_cancel(struct weir_lookup *lookup);

#endif
