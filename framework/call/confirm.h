/* Waiting, over a blocking client, until what it has seen has reached replicas or the disk. */
#ifndef WEIR_CALL_CONFIRM_H
#define WEIR_CALL_CONFIRM_H

#include "call/patience.h"
#include "message/durability.h"

/* Everything that this client has seen on this connection is covered; `service` lends its keys' tag
 * for a note that is laid down and taken away again, for a connection waits for the place of its
 * own last write (stream/barrier.h says more). WEIR_OK; WEIR_NOT_FOUND where it was not reached
 * before the deadline, with figures; else as weir_client_call, or WEIR_REFUSED where the server
 * cannot tell of its disk. */
WEIR_CHECKED enum weir_status weir_confirm(struct weir_client *client, const char *prefix,
                                           const char *service, struct weir_durability need,
                                           struct weir_patience *patience,
                                           struct weir_error *error);

#endif
