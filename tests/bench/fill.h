/* What waits for the workers: put there by pipelined commands. */
#ifndef WEIR_TESTS_BENCH_FILL_H
#define WEIR_TESTS_BENCH_FILL_H

#include "script.h"

/* Sends commands without waiting for each answer; none may be an error. */
struct bench_pipe {
    struct bench_server *server;
    redisContext *connection;
    unsigned open; /* answers that are still to come */
};

struct bench_pipe bench_pipe_open(struct bench_server *server);
void bench_pipe_send(struct bench_pipe *pipe, const char *format, ...);
/* Waits for all answers. */
void bench_pipe_close(struct bench_pipe *pipe);

#define BENCH_PAYLOAD 256 /* bytes of a message's data */

/* The data of message `number`: {"n":…,"customerId":"c…","text":"…"}, BENCH_PAYLOAD bytes. */
const char *bench_payload(unsigned number, unsigned keys, char out[BENCH_PAYLOAD + 1]);

/* Commands of a type to the service "bench", with numbers from `first` on. */
void bench_fill_messages(struct bench_server *server, const char *type, unsigned first,
                         unsigned count, unsigned keys);
/* The accounts that "Decide" wants to find. */
void bench_fill_accounts(struct bench_server *server, unsigned keys);
/* Events of the service "bench". */
void bench_fill_events(struct bench_server *server, unsigned first, unsigned count, unsigned keys);

#endif
