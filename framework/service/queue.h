/* Whose turn it is: messages for the same key one after the other, suspects one at a time.
 *
 * Calls worker->begin for a delivery whose turn has come. */
#ifndef WEIR_SERVICE_QUEUE_H
#define WEIR_SERVICE_QUEUE_H

#include "service/worker_state.h"

/* Takes a delivery that has just arrived; it begins at once where nothing is before it. */
void weir_queue_enter(struct weir_delivery *delivery);
/* It has waited for something outside and wants its turn once more, behind those for its key. */
void weir_queue_reenter(struct weir_delivery *delivery);
/* It has ended, or gives way: returns the delivery for the same key whose turn it is now, or NULL.
 */
struct weir_delivery *weir_queue_leave(struct weir_delivery *delivery);
/* The delivery has ended or is waiting for something outside: if it was the suspect under way, the
 * next may begin. */
void weir_queue_suspect_survived(struct weir_worker *worker, const struct weir_delivery *delivery);
/* Begins the next suspect where it is its turn. */
void weir_queue_begin_suspect(struct weir_worker *worker);
/* Suspects that have not begun are left to others. */
void weir_queue_drop_suspects(struct weir_worker *worker);
/* A suspect wants to be the only one in hand: nothing new may come. */
bool weir_queue_closed(const struct weir_worker *worker);

#endif
