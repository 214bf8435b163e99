/* What happens to sagas, heard as it is published: so that those who wait for many sagas ask for
 * each only when it has moved. */
#ifndef WEIR_CALL_HEARING_H
#define WEIR_CALL_HEARING_H

#include "redis/entry_id.h"
#include "redis/key_names.h"
#include "redis/pipeline.h"

struct weir_heard {
    struct weir_slice saga;   /* it has ended or is suspended; empty where it is a letter */
    struct weir_slice letter; /* the entry of a start that has become a dead letter */
    struct weir_slice reason; /* of the letter */
};

/* Where it has come to, in the sagas' events and dead letters. `{0}`: it does not listen. */
struct weir_hearing {
    char events[WEIR_ENTRY_ID_MAX], letters[WEIR_ENTRY_ID_MAX];
    bool listens;
    bool more; /* there was as much as is taken at once */
};

/* Begins to listen where it does not yet: lays down the questions for the place that both streams
 * are at, in front of what is to be waited for. Returns their number. */
size_t weir_hearing_begin(struct weir_hearing *hearing, const char *prefix,
                          struct weir_pipeline *pipeline);
void weir_hearing_take_place(struct weir_hearing *hearing, redisReply *const *replies);

/* Lays down one question for what has come since. */
void weir_hearing_ask(const struct weir_hearing *hearing, const char *prefix,
                      struct weir_pipeline *pipeline);
/* Tells each thing heard to `tell`; returns their number. */
size_t weir_hearing_take(struct weir_hearing *hearing, const char *prefix, const redisReply *reply,
                         void (*tell)(void *user, const struct weir_heard *heard), void *user);

#endif
