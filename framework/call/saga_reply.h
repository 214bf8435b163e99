/* A saga as its hash tells it to those who only want to know how it stands. */
#ifndef WEIR_CALL_SAGA_REPLY_H
#define WEIR_CALL_SAGA_REPLY_H

#include "redis/pipeline.h"
#include "weir.h"

/* One question. */
void weir_saga_reply_ask(const char *prefix, const char *saga, struct weir_pipeline *pipeline);
/* COMPLETED, COMPENSATED, SUSPENDED, RUNNING or ABSENT; state and reason are filled. */
enum weir_start_result weir_saga_reply_read(const redisReply *reply,
                                            struct weir_start_answer *answer);
/* Borrowed from the reply. */
struct weir_slice weir_saga_reply_definition(const redisReply *reply);
struct weir_slice weir_saga_reply_data(const redisReply *reply);

/* One line of it. */
void weir_start_reason(struct weir_start_answer *answer, struct weir_slice reason);
/* WEIR_INVALID with a sentence where it is no id of a saga. */
WEIR_CHECKED enum weir_status weir_start_check_saga(const char *saga, struct weir_error *error);

#endif
