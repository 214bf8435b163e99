/* The HTTP server: connections, requests as they come in, answers as they go out. */
#ifndef GATEWAY_DOOR_H
#define GATEWAY_DOOR_H

#include <stddef.h>

#include "request.h"

struct door;

/* Begins to listen. NULL and one sentence in `why`. */
struct door *door_open(struct gateway *gateway, char *why, size_t room);
/* Where it listens: "127.0.0.1:8080". Borrowed. */
const char *door_address(const struct door *door);
/* Cuts off clients that have taken too long; to be called about every second. */
void door_sweep(struct door *door);
/* Takes no new connections. */
void door_stop_listening(struct door *door);
/* Closes all connections; nothing may be in hand any more. */
void door_close(struct door *door);

#endif
