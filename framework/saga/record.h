/* A saga as it is kept in its hash: reading the fields, writing those that have changed. */
#ifndef WEIR_SAGA_RECORD_H
#define WEIR_SAGA_RECORD_H

#include "saga/transition.h"
#include "service/context.h"

/* Fills `saga` from the loaded hash; fields that are missing keep their zero. WEIR_INVALID with a
 * sentence that names the field where one cannot be read. */
WEIR_CHECKED enum weir_status weir_saga_record_read(const struct weir_saga_definition *definition,
                                                    const struct weir_loaded *hash,
                                                    struct weir_saga *saga,
                                                    struct weir_error *error);

/* Queues the writes of the head's fields and of the steps whose bits are set in `changed`. */
void weir_saga_record_write(weir_context *context, const char *key,
                            const struct weir_saga_definition *definition,
                            const struct weir_saga *saga, uint64_t changed);

#endif
