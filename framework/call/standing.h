/* How a saga stands, as an errand. */
#ifndef WEIR_CALL_STANDING_H
#define WEIR_CALL_STANDING_H

#include "call/errand.h"
#include "weir.h"

/* Copies what it needs; `ended` is set where it is no id. NULL: no memory. */
WEIR_CHECKED struct weir_errand *weir_standing_new(const char *saga, int64_t limit_ms,
                                                   weir_desk_started *answered, void *user);

#endif
