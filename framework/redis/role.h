/* Whether a server is a master, by its answer to ROLE. Pure. */
#ifndef WEIR_REDIS_ROLE_H
#define WEIR_REDIS_ROLE_H

#include <hiredis/hiredis.h>

#include "base/status.h"

enum weir_role {
    WEIR_ROLE_MASTER,
    WEIR_ROLE_OTHER,   /* a replica or a Sentinel: nothing can be written here */
    WEIR_ROLE_UNKNOWN, /* the server does not tell this user */
};

/* `error` is set for all but a master, and says what the server is and what to do. */
enum weir_role weir_role_read(const redisReply *reply, struct weir_error *error);

#endif
