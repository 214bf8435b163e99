/* The parts that URLs of servers are made of. No sentence about an error quotes any of it. */
#ifndef WEIR_REDIS_URL_PARTS_H
#define WEIR_REDIS_URL_PARTS_H

#include "base/status.h"
#include "base/text.h"
#include "redis/address.h"

/* Decodes percent escapes into a new text, to be freed; `what` names the part for errors. */
WEIR_CHECKED enum weir_status weir_url_decode(struct weir_slice part, const char *what, char **out,
                                              struct weir_error *error);

/* Where user and password go, as new texts; what the URL does not have is left as it is. */
struct weir_url_login {
    char **user, **password;
};
/* Takes "[user]:password@" off the front; the last '@' before the first '/' ends it. */
WEIR_CHECKED enum weir_status
weir_url_take_login(struct weir_slice *rest, struct weir_url_login out, struct weir_error *error);

/* "host", "host:port" or "[address]:port". */
WEIR_CHECKED enum weir_status weir_url_address(struct weir_slice text, int default_port,
                                               struct weir_address *out, struct weir_error *error);

/* The number of a database. */
WEIR_CHECKED enum weir_status weir_url_database(struct weir_slice number, int *out,
                                                struct weir_error *error);

#endif
