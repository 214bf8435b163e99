/* The body of an action: a JSON object of options. */
#ifndef WEIR_DASHBOARD_BODY_H
#define WEIR_DASHBOARD_BODY_H

#include <jansson.h>

#include "base/text.h"
#include "dashboard/route.h"

#define WEIR_BODY_OPTIONS_MAX 16

struct weir_body {
    json_t *object;
    char *dumps[WEIR_BODY_OPTIONS_MAX]; /* owned: values that were no texts */
    struct weir_route_argument arguments[WEIR_BODY_OPTIONS_MAX];
    size_t count;
};

/* Values are texts, numbers, true or false, or, such as `data`, objects, which become JSON text. An
 * empty body is an empty object. WEIR_INVALID with a sentence. To be closed in any case. */
WEIR_CHECKED enum weir_status weir_body_read(struct weir_body *body, struct weir_slice bytes,
                                             struct weir_error *error);
/* Adds who acts, as the member `as` does, where the body does not say. */
WEIR_CHECKED enum weir_status weir_body_sign(struct weir_body *body, const char *who,
                                             struct weir_error *error);
void weir_body_close(struct weir_body *body);

#endif
