/* Follows a failover to another master, which is another history: the old one may go on for others,
 * and both may give the same id to different messages. So what was read of the one is dropped
 * without effect before anything of it is told to the other; what is pending there comes back, and
 * its handler runs again. The reader's connection and the commands' move one after the other: until
 * they are with the same master nothing new is taken in hand.
 *
 * Masters are told apart by the addresses that Sentinels name. A server that restarts, or one that
 * takes over another's address, is the same. */
#ifndef WEIR_SERVICE_FOLLOWING_H
#define WEIR_SERVICE_FOLLOWING_H

#include "service/worker_state.h"

/* To be called first when the commands' connection is ready: nothing has been sent on it yet. */
void weir_following_commands(struct weir_worker *worker);
/* To be called first when the reader's is, before it reads. */
void weir_following_reader(struct weir_worker *worker);

#endif
