/* What a request asks for: the path and the arguments of its target, decoded. */
#ifndef WEIR_HTTP_TARGET_H
#define WEIR_HTTP_TARGET_H

#include <stddef.h>

#include "base/status.h"

#define WEIR_TARGET_ARGUMENTS_MAX 64

struct weir_target_argument {
    const char *name;
    const char *value; /* "" where none is given */
};

/* All texts lie in `bytes`. `{0}` is an empty one. */
struct weir_target {
    char *bytes;
    const char *path; /* begins with '/' */
    struct weir_target_argument arguments[WEIR_TARGET_ARGUMENTS_MAX];
    size_t count;
};

/* From "/path?name=value&name" as it stands in the request. Strict: WEIR_INVALID where it does not
 * begin with '/', where a '%' has not two hexadecimal digits behind it, where it holds a control
 * character, encoded or not, or is no UTF-8; WEIR_TOO_LARGE for too many arguments. A '+' in an
 * argument is a blank. Nothing is done about "..": a path is a name here, no file. */
WEIR_CHECKED enum weir_status weir_target_parse(struct weir_target *target, const char *text);
void weir_target_close(struct weir_target *target);

/* The first argument of that name; NULL: not given. */
const char *weir_target_argument(const struct weir_target *target, const char *name);

#endif
