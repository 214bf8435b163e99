/* Entries as the bare clients read them. */
#ifndef WEIR_TESTS_BENCH_ENTRY_H
#define WEIR_TESTS_BENCH_ENTRY_H

#include "script.h"

/* Whether an entry with these fields is of the kind that the part puts away. */
bool bench_entry_is_for(const redisReply *fields, const struct bench_part *part);
/* The number of the item that the entry belongs to; 0: it tells none. */
unsigned bench_entry_number(const redisReply *fields);

#endif
