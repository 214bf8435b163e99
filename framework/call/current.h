/* Waiting until read models tell all that has been published, as an errand. */
#ifndef WEIR_CALL_CURRENT_H
#define WEIR_CALL_CURRENT_H

#include "call/errand.h"
#include "weir.h"

/* Copies what it needs; `ended` is set where a name is malformed. NULL: no memory. */
WEIR_CHECKED struct weir_errand *weir_current_new(const char *view, const char *projection,
                                                  int64_t limit_ms, weir_desk_is_current *answered,
                                                  void *user);

#endif
