/* What we ask of a TCP connection: that a peer that vanished without a word is noticed. */
#ifndef WEIR_REDIS_TCP_H
#define WEIR_REDIS_TCP_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

/* Probes an idle connection, and ends it where what was sent is not acknowledged for so long. False
 * where the system will not; the connection works all the same. */
bool weir_tcp_tune(redisContext *connection, int64_t unacknowledged_ms);

#endif
