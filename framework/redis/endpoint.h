/* Where the server is and who we are there, read from a URL. */
#ifndef WEIR_REDIS_ENDPOINT_H
#define WEIR_REDIS_ENDPOINT_H

#include <stdint.h>

#include "base/status.h"

#define WEIR_DEFAULT_URL "redis://127.0.0.1:6379"

struct weir_endpoint {
    char *host; /* TCP; NULL with a socket */
    int port;
    char *socket_path; /* Unix socket; NULL with TCP */
    char *user;        /* NULL: none */
    char *password;    /* NULL: none */
    int database;
    char *shown; /* for logs and errors: without the password */
};

/* redis://[[user]:password@]host[:port][/database], host may be [::1];
 * unix://[[user]:password@]/path[?db=N]. Percent escapes are decoded in user, password and path.
 * "rediss://" and "redis-sentinel://" are refused with a sentence that says so. NULL or "" is the
 * default. Errors never show the password. */
WEIR_CHECKED enum weir_status weir_endpoint_parse(const char *url, struct weir_endpoint *endpoint,
                                                  struct weir_error *error);
void weir_endpoint_close(struct weir_endpoint *endpoint); /* wipes the password */

#endif
