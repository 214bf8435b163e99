/* A saga as the server has it: its hash, its definition, and what the decisions make of them. */
#ifndef WEIR_COMMANDS_STORED_SAGA_H
#define WEIR_COMMANDS_STORED_SAGA_H

#include <hiredis/hiredis.h>

#include "commands/command.h"
#include "saga/transition.h"

struct weir_stored_saga {
    redisReply *hash;                        /* names and values in turn; never empty */
    struct weir_saga_definition *definition; /* NULL: it is not there, or malformed */
    struct weir_saga saga;                   /* to be used where `unreadable` is not set */
    struct weir_error unreadable;            /* why definition or saga could not be read */
};

/* Whether it is an id of a saga: WEIR_EXIT_FINE, or WEIR_EXIT_USAGE after the sentence has been
 * printed. */
WEIR_CHECKED int weir_saga_id_check(const char *id);

/* Asks the server. WEIR_NOT_FOUND where there is no such saga; a saga that is there and cannot be
 * understood is WEIR_OK. To be closed in any case. */
WEIR_CHECKED enum weir_status weir_stored_saga_read(struct weir_session *session, const char *id,
                                                    struct weir_stored_saga *stored,
                                                    struct weir_error *error);
void weir_stored_saga_close(struct weir_stored_saga *stored);

#endif
