/* Starting a saga, as an errand. */
#ifndef WEIR_CALL_STARTING_H
#define WEIR_CALL_STARTING_H

#include "call/errand.h"
#include "weir.h"

/* Copies what it needs; the answer comes at once where an argument is malformed: `ended` is set
 * then. NULL: no memory. */
WEIR_CHECKED struct weir_errand *weir_starting_new(const struct weir_start *start,
                                                   weir_desk_started *answered, void *user);

#endif
