/* One item in flight: how long from its command until its effect is seen. */
#ifndef WEIR_TESTS_BENCH_TRIPS_H
#define WEIR_TESTS_BENCH_TRIPS_H

#include "server.h"

/* A client that asks and waits. */
struct bench_trips {
    redisContext *connection;
    char last_event[64]; /* of the stream that is waited on */
    unsigned number;     /* of the next item */
};

/* Items are numbered from `first` on; events of the stream that are there already count for
 * nothing.
 */
struct bench_trips bench_trips_open(struct bench_server *server, const char *stream,
                                    unsigned first);
void bench_trips_close(struct bench_trips *trips);

/* One trip each; they return microseconds. */
double bench_trip_ping(struct bench_trips *trips);
/* A command to the service "bench", until its event is there. */
double bench_trip_command(struct bench_trips *trips);
/* A saga of three steps from its start until SagaCompleted. */
double bench_trip_saga(struct bench_trips *trips);
/* A command, until the read model that follows its event shows it. */
double bench_trip_view(struct bench_trips *trips);

#endif
