/* What we ask of a TCP connection. */
#include "redis/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

bool weir_tcp_tune(redisContext *connection, int64_t unacknowledged_ms)
{
    unsigned limit = (unsigned)unacknowledged_ms;
    return redisEnableKeepAlive(connection) == REDIS_OK &&
           setsockopt(connection->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit) == 0;
}
