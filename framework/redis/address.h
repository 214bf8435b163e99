/* A host and a port. */
#ifndef WEIR_REDIS_ADDRESS_H
#define WEIR_REDIS_ADDRESS_H

#include <stdbool.h>

#define WEIR_HOST_MAX 255
#define WEIR_ADDRESS_SHOWN_MAX (WEIR_HOST_MAX + 16)

struct weir_address {
    char host[WEIR_HOST_MAX + 1]; /* a name or a number of IPv4 or IPv6, without brackets */
    int port;
};

bool weir_address_equal(const struct weir_address *one, const struct weir_address *other);
/* "host:port" or "[::1]:port"; `text` has WEIR_ADDRESS_SHOWN_MAX bytes and is returned. */
const char *weir_address_show(const struct weir_address *address, char *text);

#endif
