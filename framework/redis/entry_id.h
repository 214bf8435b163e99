/* Ids of stream entries, "<ms>-<sequence>", compared as numbers. */
#ifndef WEIR_REDIS_ENTRY_ID_H
#define WEIR_REDIS_ENTRY_ID_H

#include "base/text.h"

#define WEIR_ENTRY_ID_MAX 48 /* bytes of its text with the final NUL */

struct weir_entry_id {
    uint64_t ms, sequence;
};

/* False where it is not two decimal numbers within 64 bits, without leading zeros, with a '-'
 * between them. */
WEIR_CHECKED bool weir_entry_id_read(struct weir_slice text, struct weir_entry_id *id);
bool weir_entry_id_less(const struct weir_entry_id *one, const struct weir_entry_id *other);

#endif
