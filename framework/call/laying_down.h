/* Laying down a text that the first one decides, as an errand. */
#ifndef WEIR_CALL_LAYING_DOWN_H
#define WEIR_CALL_LAYING_DOWN_H

#include "call/errand.h"
#include "weir.h"

struct weir_laying_down {
    const char *service, *key, *text;
    int64_t life_ms, limit_ms;
};

/* Copies the terms; `ended` is set where one is malformed. NULL: no memory. */
WEIR_CHECKED struct weir_errand *weir_laying_down_new(const struct weir_laying_down *terms,
                                                      weir_desk_laid_down *answered, void *user);

#endif
