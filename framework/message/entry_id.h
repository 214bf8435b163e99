/* Ids of stream entries, "ms-sequence", as numbers. Pure. */
#ifndef WEIR_MESSAGE_ENTRY_ID_H
#define WEIR_MESSAGE_ENTRY_ID_H

#include <stdbool.h>
#include <stdint.h>

#define WEIR_ENTRY_ID_MAX 44 /* bytes of its text with the final NUL */

struct weir_entry_id {
    uint64_t ms, sequence;
};

/* False where the text is not "ms-sequence" or does not fit; `id` is then 0-0. */
bool weir_entry_id_parse(const char *text, struct weir_entry_id *id);
/* Below, equal, above: negative, 0, positive. Texts that are no ids, "" above all, come first. */
int weir_entry_id_compare(const char *one, const char *other);

#endif
