/* A message's turn: load, handler, commit, release. */
#ifndef WEIR_SERVICE_HANDLING_H
#define WEIR_SERVICE_HANDLING_H

#include "service/worker_state.h"

/* Its turn has come, or state has to be loaded anew because an answer was lost. */
void weir_handling_begin(struct weir_delivery *delivery);
/* The handler has said what is to become of the message. */
void weir_handling_finish(struct weir_delivery *delivery, enum weir_outcome outcome);
/* Lets go of a message without acknowledging it: it comes back when its claim has run out. It is
 * released from the loop, not from inside this call. */
void weir_handling_give_up(struct weir_delivery *delivery, const char *reason);
/* A deferred handler has had its time. */
void weir_handling_time_out(struct weir_delivery *delivery);
/* Frees it; the next for its key begins. */
void weir_handling_release(struct weir_delivery *delivery);

#endif
