/* Bare clients with one item in flight: each waits for entries as a worker does, and answers with
 * what was recorded. They run until they are killed, each in a process of its own. */
#ifndef WEIR_TESTS_BENCH_RESPONDER_H
#define WEIR_TESTS_BENCH_RESPONDER_H

#include "script.h"
#include "workers.h"

struct bench_responder {
    const struct bench_script *script;
    const char *socket;
    const char *group; /* the one that it reads for; NULL: a projection of {bench}:events */
};

/* Starts one for each group of the script, as a worker has one process for each service; `workers`
 * takes them. The groups are made before. */
void bench_responders_start(struct bench_workers *workers, struct bench_server *server,
                            const struct bench_script *script);
/* Starts one that moves a projection on, from the events' beginning. */
void bench_projector_start(struct bench_workers *workers, struct bench_server *server,
                           const struct bench_script *script);
/* Ends what was started so. */
void bench_responders_stop(struct bench_workers *workers);

#endif
