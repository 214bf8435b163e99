/* Several commands over a blocking connection, sent together and waited for once. */
#ifndef WEIR_REDIS_PIPELINE_H
#define WEIR_REDIS_PIPELINE_H

#include "redis/client.h"
#include "redis/command_bytes.h"

/* `{0}` is an empty one. Nothing is sent before weir_pipeline_run. */
struct weir_pipeline {
    char *bytes; /* the commands as they go over the wire */
    size_t length, capacity;
    struct weir_command_bytes one;
    redisReply **answers; /* NULL before it has run */
    size_t count;
    bool changes; /* one of them may change something */
    bool failed;  /* memory ran out; running it says so */
};

/* Adds a command of texts, ended by NULL. Returns its place among the answers. */
size_t weir_pipeline_add(struct weir_pipeline *pipeline, const char *command, ...)
    __attribute__((sentinel));
/* The same of any bytes; `lengths` NULL: texts. */
size_t weir_pipeline_add_words(struct weir_pipeline *pipeline, size_t count,
                               const char *const *words, const size_t *lengths);
/* Sends all and waits for all answers, each at most as long as the client's limit; once. An answer
 * that is an error is one like any other. WEIR_OK, or that the connection cannot be used any more:
 * then there are no answers, and which commands were carried out is not known. */
WEIR_CHECKED enum weir_status weir_pipeline_run(struct weir_pipeline *pipeline,
                                                struct weir_client *client,
                                                struct weir_error *error);
/* Borrowed; NULL where there is none. */
const redisReply *weir_pipeline_answer(const struct weir_pipeline *pipeline, size_t place);
/* Leaves an empty one. */
void weir_pipeline_close(struct weir_pipeline *pipeline);

#endif
