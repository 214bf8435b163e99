/* One round of questions to the server whose answers fill gauges, on the worker's own link. */
#ifndef WEIR_SERVICE_COLLECTION_H
#define WEIR_SERVICE_COLLECTION_H

#include "redis/link.h"

struct weir_collection {
    struct weir_link *link; /* borrowed */
    size_t owed;            /* answers to come, and one while questions are being asked */
    int64_t now_ms;         /* the server's time, as its first answer told; 0: not known */
    void *user;
    void (*done)(void *user); /* all is answered; called once for each round */
};

/* `reply` is NULL where there is no answer, or the server has refused. It may ask further ones. */
typedef void weir_collected(void *user, const redisReply *reply);

/* A round begins with a question for the time. */
void weir_collection_begin(struct weir_collection *collection);
/* False: it could not be asked, and `answered` will not be called. */
bool weir_collection_ask(struct weir_collection *collection, int count, const char **arguments,
                         weir_collected *answered, void *user);
/* All first questions have been asked. */
void weir_collection_end(struct weir_collection *collection);

/* How long ago, by the server's clock, that an entry with this id was written, in seconds; not
 * negative. False: that cannot be told. */
WEIR_CHECKED bool weir_collection_age(const struct weir_collection *collection,
                                      const redisReply *id, double *seconds);

#endif
