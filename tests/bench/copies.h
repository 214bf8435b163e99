/* Many sagas like one that weir has made itself: what it has left on the server, again under other
 * numbers. */
#ifndef WEIR_TESTS_BENCH_COPIES_H
#define WEIR_TESTS_BENCH_COPIES_H

#include "server.h"

/* What it takes to write the saga anew. */
struct bench_model {
    const char **words;
    size_t *lengths;
    size_t count;
};

/* Looks at all that names the saga: keys, members, fields, entries. The server holds a few sagas
 * and no others yet, and no worker runs. */
struct bench_model bench_model_of(struct bench_server *server, unsigned number);
/* Writes it so many times, with numbers from `first` on. */
void bench_model_copy(struct bench_server *server, struct bench_model *model, unsigned first,
                      unsigned count);
void bench_model_close(struct bench_model *model);

#endif
