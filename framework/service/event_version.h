/* Versions of events: which one of a type this service publishes, which it understands, and how
 * data of an older one becomes data of the newest that it understands. Pure, but for the upcasters,
 * which are the program's own. */
#ifndef WEIR_SERVICE_EVENT_VERSION_H
#define WEIR_SERVICE_EVENT_VERSION_H

#include "message/envelope.h"
#include "weir.h"

/* From one version of a type that `source` publishes to the next. */
struct weir_event_step {
    const char *source, *type;
    int64_t from;
    weir_upcaster *upcaster; /* NULL: the data may stay as it is */
};

struct weir_event_published {
    const char *type;
    int64_t version;
};

/* What a service has declared; its texts are borrowed. */
struct weir_event_versions {
    struct weir_event_step *steps;
    size_t step_count;
    struct weir_event_published *published;
    size_t published_count;
};

enum weir_version_verdict {
    WEIR_VERSION_FITS,    /* the data is of the newest version that the service understands */
    WEIR_VERSION_TOO_NEW, /* only a newer program can understand it: it is to be kept */
    WEIR_VERSION_REFUSED, /* no program can: a step is missing, or an upcaster gave up */
};

void weir_event_versions_close(struct weir_event_versions *versions);

/* The version of the type that is published, 1 where none was declared. `versions` may be NULL. */
int64_t weir_event_published_version(const struct weir_event_versions *versions, const char *type);

/* The newest version that the service understands of what `source` publishes; 1 at least. */
int64_t weir_event_newest(const weir_service *service, const char *source, const char *type);

/* Brings the data of a decoded event of `source` to the newest version that the service
 * understands. A second call does nothing. Where it does not fit the data stays as it was, and the
 * error has a sentence that begins with "version: "; WEIR_NO_MEMORY there: nothing is decided, try
 * again. Commands (`source` NULL) have no versions and always fit. The fields stay as they came. */
WEIR_CHECKED enum weir_version_verdict weir_event_upcast(const weir_service *service,
                                                         const char *source, weir_message *message,
                                                         struct weir_error *error);

/* How long an event that is too new is put off: an eighth of the time that it has waited, but 5 s
 * to a minute. That time is the server's, out of the ids of its entries. */
int64_t weir_event_pause_ms(const weir_message *message);

#endif
