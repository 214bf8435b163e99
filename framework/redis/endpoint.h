/* Where the server is and who we are there, read from a URL. */
#ifndef WEIR_REDIS_ENDPOINT_H
#define WEIR_REDIS_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "redis/address.h"

#define WEIR_DEFAULT_URL "redis://127.0.0.1:6379"
/* For the help on options. */
#define WEIR_URL_FORMS                                                                             \
    "redis://[user:password@]host[:port][/db], unix:///path[?db=N], or, to follow the master, "    \
    "redis-sentinel://[user:password@]sentinel[:port],…/master[?db=N]"

/* For programs' tables of options: the member of their settings at `place` is the URL. */
#define WEIR_REDIS_OPTION(place)                                                                   \
    {                                                                                              \
        .name = "redis", .environment = "REDIS_URL", .kind = WEIR_OPTION_TEXT, .offset = (place),  \
        .initial = WEIR_DEFAULT_URL, .value_name = "URL", .help = "the server: " WEIR_URL_FORMS    \
    }

/* Of host, socket_path and master, one is set. */
struct weir_endpoint {
    char *host; /* TCP */
    int port;
    char *socket_path; /* Unix socket */
    char *master;      /* the name by which Sentinels know the server */
    struct weir_address *sentinels;
    size_t sentinel_count;
    char *sentinel_user;     /* NULL: none */
    char *sentinel_password; /* NULL: none */
    char *user;              /* NULL: none */
    char *password;          /* NULL: none */
    int database;
    char *shown; /* for logs and errors: without the password */
};

/* redis://[[user]:password@]host[:port][/database], host may be [::1];
 * unix://[[user]:password@]/path[?db=N];
 * redis-sentinel://[[user]:password@]host[:port][,host[:port]…]/master[?setting[&setting…]], where
 * hosts and ports (26379 if left out) are those of Sentinels, `master` is the name that they have
 * for the server, and a setting is db=N, sentinelUser=U or sentinelPassword=P, each once. User and
 * password before the '@' are for the server; the Sentinels are asked without, unless the settings
 * say otherwise.
 * Percent escapes are decoded in users, passwords and path. "rediss://" is refused with a sentence
 * that says so. NULL is the default. Errors never show a password. */
WEIR_CHECKED enum weir_status weir_endpoint_parse(const char *url, struct weir_endpoint *endpoint,
                                                  struct weir_error *error);
void weir_endpoint_close(struct weir_endpoint *endpoint); /* wipes the passwords */

#endif
