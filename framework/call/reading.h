/* Reading a hash or a part of a sorted set, as an errand. */
#ifndef WEIR_CALL_READING_H
#define WEIR_CALL_READING_H

#include "call/errand.h"
#include "weir.h"

struct weir_reading {
    const char *view, *key;
    bool ranked; /* a sorted set; else a hash */
    int64_t from, count;
    bool reverse;
    int64_t limit_ms;
};

/* Copies the terms; `ended` is set where one is malformed. NULL: no memory. */
WEIR_CHECKED struct weir_errand *weir_reading_new(const struct weir_reading *terms,
                                                  weir_desk_read *answered, void *user);

#endif
