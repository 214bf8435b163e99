/* One blocking connection for programs that are no services: connect, ask, wait with a limit. */
#ifndef WEIR_REDIS_CLIENT_H
#define WEIR_REDIS_CLIENT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "redis/endpoint.h"

struct weir_client {
    redisContext *connection;
    const char *server; /* for errors: the endpoint's shown form; borrowed */
    bool not_master;    /* it was not opened because of that */
    bool heard;         /* a server has answered since it was to be opened */
    bool reading;       /* of several commands sent together none changes anything */
};

/* Connects, authenticates, selects the database; each wait at most timeout_ms. A server that is no
 * master counts as unavailable. Where Sentinels are asked for the master, and the server that they
 * name is not reached or is none, that is repeated until timeout_ms are over. The endpoint is
 * borrowed and has to outlive the client. WEIR_UNAVAILABLE or WEIR_DENIED with a sentence that
 * names the server and says what to do. */
WEIR_CHECKED enum weir_status weir_client_open(struct weir_client *client,
                                               const struct weir_endpoint *endpoint,
                                               int64_t timeout_ms, struct weir_error *error);
void weir_client_close(struct weir_client *client);
/* Whether the server is a master still: one that has become a replica goes on answering what only
 * reads. Where it is none the connection is better closed: the next one that is opened finds the
 * master, or tells. */
WEIR_CHECKED enum weir_status weir_client_check_master(struct weir_client *client,
                                                       struct weir_error *error);
/* From now on each answer is waited for so long. Without a connection it does nothing. */
void weir_client_set_timeout(struct weir_client *client, int64_t timeout_ms);
/* Whether there is a connection that can be used, as far as is known here. */
bool weir_client_connected(const struct weir_client *client);
/* Between two commands: whether the connection is as it should be then. The server has not closed
 * it, and nothing lies on it that would be taken for the next command's answer. */
bool weir_client_quiet(const struct weir_client *client);

/* Sends one command as an argument vector and waits for the answer. NULL and an error where the
 * answer is an error (WEIR_REFUSED, WEIR_DENIED, WEIR_UNAVAILABLE by its prefix) or was lost
 * (WEIR_UNKNOWN). Where the server is no master any more, the connection is closed, too. The reply
 * is the caller's, by freeReplyObject. `lengths` NULL: texts. */
WEIR_CHECKED redisReply *weir_client_call(struct weir_client *client, struct weir_error *error,
                                          size_t count, const char *const *arguments,
                                          const size_t *lengths);
/* The same, but an error that the server answers is a reply like any other. */
WEIR_CHECKED redisReply *weir_client_exchange(struct weir_client *client, struct weir_error *error,
                                              size_t count, const char *const *arguments,
                                              const size_t *lengths);
/* Commands as they go over the wire, to be sent with the first answer that is waited for; and the
 * next answer, whatever it is. For pipeline.c: each command's answer has to be received before
 * anything else is asked. */
WEIR_CHECKED enum weir_status weir_client_send_bytes(struct weir_client *client, const char *bytes,
                                                     size_t length, struct weir_error *error);
WEIR_CHECKED redisReply *weir_client_receive(struct weir_client *client, struct weir_error *error);
/* The error that such an answer stands for, as weir_client_call sets it; WEIR_OK where it is none.
 */
WEIR_CHECKED enum weir_status weir_client_error_of(const struct weir_client *client,
                                                   const char *command, const redisReply *reply,
                                                   struct weir_error *error);
/* As weir_client_call for texts, ended by NULL. */
WEIR_CHECKED redisReply *weir_client_ask(struct weir_client *client, struct weir_error *error,
                                         const char *command, ...) __attribute__((sentinel));

#endif
