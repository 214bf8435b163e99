/* Weir and the bare client in turn on the same work. */
#ifndef WEIR_TESTS_BENCH_TURNS_H
#define WEIR_TESTS_BENCH_TURNS_H

#include "meter.h"
#include "replay.h"
#include "workers.h"

/* One kind of work. The functions get `user`. */
struct bench_work {
    const char *name;
    const char *const *workers; /* ended by NULL */
    unsigned items, keys;
    unsigned limit_s;
    struct bench_condition begun, done; /* of all items */
    /* Puts `count` items from number `first` on, with the state that they need, on an empty
     * server. */
    void (*fill)(struct bench_server *server, const struct bench_work *work, unsigned first,
                 unsigned count);
    /* Ends the row where the outcome of `count` items is not on the server. */
    void (*check)(struct bench_server *server, const struct bench_work *work, unsigned count);
    const void *user;
    struct bench_target ratio_target, value_target;
};

/* Records what weir does, runs both in turn and writes the figures. */
void bench_turns(struct bench_server *server, const struct bench_work *work);

/* Records one item from its fill until nothing is left to be done. */
struct bench_script bench_record_item(struct bench_server *server, const struct bench_work *work);

#endif
