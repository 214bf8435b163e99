/* Reads the register of projections: "<view>/<projection>" → the services that it reads. */
#ifndef WEIR_CALL_REGISTERED_H
#define WEIR_CALL_REGISTERED_H

#include "base/text.h"

#define WEIR_REGISTERED_MAX 72 /* bytes of a projection's name with the final NUL */

/* Whether the register's field is of the view; then the projection's name is copied. */
bool weir_registered_projection(struct weir_slice field, const char *view, char *name);
/* Takes the next service off the front of the register's value; false: there is none. */
bool weir_registered_source(struct weir_slice *sources, struct weir_slice *source);

#endif
