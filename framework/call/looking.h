/* Looking whether the server is there, as an errand. */
#ifndef WEIR_CALL_LOOKING_H
#define WEIR_CALL_LOOKING_H

#include "call/errand.h"

/* `there`: it answers, and is a master as far as it tells. Else `why` is one line, borrowed. */
typedef void weir_looked(void *user, bool there, const char *why);

/* NULL: no memory. */
WEIR_CHECKED struct weir_errand *weir_looking_new(int64_t limit_ms, weir_looked *answered,
                                                  void *user);

#endif
