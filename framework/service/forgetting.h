/* Removes the records of sagas' steps when they can no longer matter: when the saga has ended, or
 * is gone, and the time is over in which a copy of the step's last command could have an effect.
 *
 * Why that is safe: a record bars and repeats. A commit of a step's command carries the command's
 * end (`expires`) and is refused by the server's clock from then on; commands of one step are sent
 * in time's order, so none has a later end than the last one that was recorded. And a saga that has
 * ended sends none any more. Age alone would not do: a saga may be suspended for weeks, and then
 * compensate what the record says has happened. */
#ifndef WEIR_SERVICE_FORGETTING_H
#define WEIR_SERVICE_FORGETTING_H

#include "service/service.h"
#include "stream/periodic.h"

#define WEIR_FORGET_BATCH 64

struct weir_forgetting {
    const struct weir_runtime *runtime;
    struct weir_periodic looks;
    char index[512];
    /* The batch in hand: steps whose time is over. */
    char *steps[WEIR_FORGET_BATCH];
    bool over[WEIR_FORGET_BATCH]; /* the saga has ended or is gone */
    size_t count, answered;
    struct weir_forgetting_look {
        struct weir_forgetting *forgetting;
        size_t step;
    } looked[WEIR_FORGET_BATCH];
};

void weir_forgetting_init(struct weir_forgetting *forgetting, const struct weir_runtime *runtime);
void weir_forgetting_start(struct weir_forgetting *forgetting);
void weir_forgetting_close(struct weir_forgetting *forgetting);

#endif
