/* A socket that listens at an address from a command line. */
#ifndef WEIR_HTTP_LISTEN_H
#define WEIR_HTTP_LISTEN_H

#include <stdbool.h>

#include "base/status.h"

#define WEIR_LISTEN_HOST_MAX 255

struct weir_listen_address {
    char host[WEIR_LISTEN_HOST_MAX + 1]; /* without brackets; "": every address of the machine */
    char port[6];                        /* "0": any free one */
};

/* "HOST:PORT", "[IPv6]:PORT" or ":PORT". WEIR_INVALID with a sentence that says what is wrong. */
WEIR_CHECKED enum weir_status
weir_listen_parse(const char *text, struct weir_listen_address *address, struct weir_error *error);

/* Whether it can be reached from this machine alone, judged by its text: localhost, 127.0.0.0/8
 * and ::1. */
bool weir_listen_loopback(const struct weir_listen_address *address);

/* A listening socket that does not block, or -1 with the error (WEIR_SYSTEM: taken, not permitted,
 * no address of this machine). */
int weir_listen_open(const struct weir_listen_address *address, struct weir_error *error);

/* Where a socket listens, as "127.0.0.1:9100" or "[::1]:9100"; "" where that cannot be told. */
#define WEIR_LISTEN_SHOWN_MAX 64
void weir_listen_show(int listening, char shown[WEIR_LISTEN_SHOWN_MAX]);

#endif
