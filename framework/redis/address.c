/* A host and a port. */
#include "redis/address.h"

#include <stdio.h>
#include <string.h>

bool weir_address_equal(const struct weir_address *one, const struct weir_address *other)
{
    return one->port == other->port && strcmp(one->host, other->host) == 0;
}

const char *weir_address_show(const struct weir_address *address, char *text)
{
    bool bracketed = strchr(address->host, ':') != NULL;
    snprintf(text, WEIR_ADDRESS_SHOWN_MAX, bracketed ? "[%s]:%d" : "%s:%d", address->host,
             address->port);
    return text;
}
