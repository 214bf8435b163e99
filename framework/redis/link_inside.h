/* What the greeting needs of the link, and the link of it. But for the link's tests nobody else
 * includes this. */
#ifndef WEIR_REDIS_LINK_INSIDE_H
#define WEIR_REDIS_LINK_INSIDE_H

#include "redis/link.h"

/* Says who we are, asks whether this is a master that serves, all at once. The link becomes ready
 * or is dropped soon, when all has been answered. WEIR_NO_MEMORY, WEIR_UNAVAILABLE: it was not sent
 * as a whole. */
WEIR_CHECKED enum weir_status weir_link_greet(struct weir_link *link);

/* Sends in any state that has a connection. */
WEIR_CHECKED enum weir_status weir_link_send_now(struct weir_link *link, int count,
                                                 const char **arguments, const size_t *lengths,
                                                 weir_link_answered *answered, void *user);
void weir_link_become_ready(struct weir_link *link);
/* Drops the connection from inside a callback of hiredis: as the next thing in the loop. */
void weir_link_drop_soon(struct weir_link *link, enum weir_status status, const char *reason);

#endif
