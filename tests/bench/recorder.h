/* Hears what others send to the server (MONITOR). */
#ifndef WEIR_TESTS_BENCH_RECORDER_H
#define WEIR_TESTS_BENCH_RECORDER_H

#include "server.h"

struct bench_command {
    size_t count;
    char **words;
    size_t *lengths; /* words may hold any bytes, and end by a NUL besides */
    bool by_script;  /* called by a function, not by a client */
};

struct bench_recording {
    struct bench_command *commands;
    size_t count;
};

/* Begins to hear; ends with all that the server has carried out until the call. */
redisContext *bench_record_begin(struct bench_server *server);
struct bench_recording bench_record_end(struct bench_server *server, redisContext *connection_take);
void bench_recording_close(struct bench_recording *recording);

/* Reads one line of MONITOR; false: it is none. */
bool bench_command_parse(const char *line, size_t length, struct bench_command *command);
void bench_command_close(struct bench_command *command);

#endif
