/* The namespace that a caller hands over. */
#ifndef WEIR_CALL_PREFIX_H
#define WEIR_CALL_PREFIX_H

#include "base/status.h"

#define WEIR_PREFIX_MAX 64

/* Copies it into `room` (WEIR_PREFIX_MAX + 1 bytes); NULL: none. */
WEIR_CHECKED enum weir_status weir_prefix_take(const char *prefix, char *room,
                                               struct weir_error *error);

#endif
