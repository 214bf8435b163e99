/* What went wrong, as HTTP tells it: application/problem+json (RFC 9457). Pure. */
#ifndef GATEWAY_PROBLEM_H
#define GATEWAY_PROBLEM_H

#include <jansson.h>

enum problem {
    PROBLEM_MALFORMED,
    PROBLEM_NO_SUCH_PATH,
    PROBLEM_ABSENT,
    PROBLEM_METHOD,
    PROBLEM_REFUSED,
    PROBLEM_OTHER_ORDER,
    PROBLEM_TOO_LARGE,
    PROBLEM_NO_JSON,
    PROBLEM_OTHER_BODY,
    PROBLEM_INSIDE,
    PROBLEM_BUSY,
    PROBLEM_NO_SERVER,
    PROBLEM_BROKEN_VIEW,
    PROBLEM_UNKNOWN,
    PROBLEM_BEHIND,
    PROBLEM_STOPPING,
    PROBLEM_COUNT
};

struct problem_kind {
    const char *name; /* its type is "/problems/<name>" */
    const char *title;
    unsigned status;
    unsigned retry_after_s; /* 0: to repeat it will not help, or nobody knows when */
    const char *about;      /* a sentence or two for those who look the type up */
    const char *told;       /* to clients as `detail` in place of the case's own, which names
                               things of the inside and is for the log; NULL: that is told */
};

const struct problem_kind *problem_kind(enum problem problem);
/* By its name; NULL: there is none. */
const struct problem_kind *problem_named(const char *name);

/* A JSON text of bytes that may have been cut within a character: what is no UTF-8 is told without
 * its strange bytes. NULL for NULL, or no memory. */
json_t *problem_json(const char *text);

/* The JSON text, for free(). `detail` is about this very case; `field` the member of the body or
 * the header at fault; `order` the id to repeat with; each NULL: left out. NULL: no memory. */
char *problem_text(enum problem problem, const char *detail, const char *field, const char *order);

#endif
