/* A saga as it is kept in its hash: reading the fields, writing those that have changed.
 *
 * What follows from other fields is not stored: a step's number while it is 1, and the time limit
 * of a command that is with its service (its sending and the definition's timeout tell it). */
#ifndef WEIR_SAGA_RECORD_H
#define WEIR_SAGA_RECORD_H

#include "message/effects.h"
#include "redis/snapshot.h"
#include "saga/transition.h"

/* Fills `saga` from the loaded hash; fields that are missing keep their zero. WEIR_INVALID with a
 * sentence that names the field where one cannot be read. */
WEIR_CHECKED enum weir_status weir_saga_record_read(const struct weir_saga_definition *definition,
                                                    const struct weir_loaded *hash,
                                                    struct weir_saga *saga,
                                                    struct weir_error *error);

/* Queues the writes of the head's fields and of the steps whose bits are set in `changed`. `key` is
 * the whole key, `stored` what its hash held (NULL: it was not there). */
void weir_saga_record_write(struct weir_effects *effects, const char *key,
                            const struct weir_loaded *stored,
                            const struct weir_saga_definition *definition,
                            const struct weir_saga *saga, uint64_t changed);

#endif
