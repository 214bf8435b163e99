/* Looking whether the server is there, as an errand. */
#ifndef WEIR_CALL_LOOKING_H
#define WEIR_CALL_LOOKING_H

#include "call/errand.h"

enum weir_look {
    WEIR_LOOK_SILENT, /* nothing was heard of it */
    WEIR_LOOK_OTHER,  /* it answers, but cannot be used now: it is a replica, or loads its data */
    WEIR_LOOK_DENIED, /* it wants another user or password */
    WEIR_LOOK_THERE,  /* it answers, and is a master as far as it tells */
};

/* `why` is one line, borrowed; "" where it is there. */
typedef void weir_looked(void *user, enum weir_look look, const char *why);

/* It takes no place from users. May be freed by free() while nobody has it. NULL: no memory. */
WEIR_CHECKED struct weir_errand *weir_looking_new(int64_t limit_ms, weir_looked *answered,
                                                  void *user);

#endif
