/* The row's own redis-server, with the project's settings, and questions to it. */
#ifndef WEIR_TESTS_BENCH_SERVER_H
#define WEIR_TESTS_BENCH_SERVER_H

#include <hiredis/hiredis.h>

#include "process.h"

struct bench_server {
    const struct bench *bench;
    struct bench_process process;
    redisContext *connection;
    char socket[BENCH_PATH_MAX + 16];
    char url[BENCH_PATH_MAX + 32];
    unsigned port; /* on 127.0.0.1; 0: none */
};

/* Starts it in the row's folder with redis.conf. The file's rewriting is asked for by
 * bench_server_clean and does not fall into a measurement. `with_port`: on a free port, too. */
void bench_server_start(struct bench_server *server, const struct bench *bench, bool with_port);
void bench_server_stop(struct bench_server *server);

/* Removes all keys, keeps functions. */
void bench_server_empty(struct bench_server *server);
/* Rewrites the append-only file to what is there, so that a measurement begins with a short one. */
void bench_server_rewrite(struct bench_server *server);

/* A further connection, with a limit of 20 s on answers. The row's, to be closed by redisFree. */
redisContext *bench_connect(const struct bench_server *server);
/* Asks on the server's own connection, as redisCommand; an error ends the row. */
redisReply *bench_ask(struct bench_server *server, const char *format, ...);
void bench_do(struct bench_server *server, const char *format, ...);
/* A number, or the number that a text holds; 0 for nothing. */
long long bench_ask_integer(struct bench_server *server, const char *format, ...);
/* The same on any connection, for answers of commands that were appended before. */
redisReply *bench_answer(redisContext *connection);
/* A value of INFO, such as "memory", "used_memory", as a number. */
double bench_info(struct bench_server *server, const char *section, const char *name);
/* The same as a text, to be freed; NULL where it is not there. */
char *bench_info_text(struct bench_server *server, const char *section, const char *name);

#endif
