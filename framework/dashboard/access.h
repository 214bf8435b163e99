/* Who may ask what of the dashboard: rules without sockets, over the texts of a request. */
#ifndef WEIR_DASHBOARD_ACCESS_H
#define WEIR_DASHBOARD_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/options.h"
#include "dashboard/secret.h"

struct weir_access {
    bool loopback;            /* only this machine can reach us: reading needs no token */
    bool actions;             /* --allow-actions */
    struct weir_secret token; /* "": none */
    const char *listen_host;  /* of --listen, without port and brackets */
    struct weir_texts hosts;  /* further names that we are reached by */
};

/* What the rules look at; NULL: the header is not there. */
struct weir_access_request {
    bool post;
    bool api; /* the path is below /api/ */
    const char *host, *origin, *fetch_site, *authorization, *content_type;
};

enum weir_access_verdict {
    WEIR_ACCESS_GRANTED,
    WEIR_ACCESS_WRONG_HOST,   /* 421: a name that is not ours, as a rebound DNS name would be */
    WEIR_ACCESS_CROSS_SITE,   /* 403: another site's page asks */
    WEIR_ACCESS_READ_ONLY,    /* 403: started without --allow-actions */
    WEIR_ACCESS_NO_TOKEN,     /* 401: one is needed and none was sent */
    WEIR_ACCESS_WRONG_TOKEN,  /* 401 */
    WEIR_ACCESS_CONTENT_TYPE, /* 415 */
};

/* Checks in this order: the host; the site; whether there are actions at all; the token; the
 * content type. A token that is sent has to be right, even where none is needed. */
enum weir_access_verdict weir_access_judge(const struct weir_access *access,
                                           const struct weir_access_request *request);

/* Whether a right token was sent. */
bool weir_access_authorized(const struct weir_access *access, const char *authorization);

struct weir_access_refusal {
    unsigned status;
    const char *word;   /* for the log */
    const char *detail; /* a sentence */
};
const struct weir_access_refusal *weir_access_refusal_of(enum weir_access_verdict verdict);

#endif
