/* A small HTTP/1.1 server on libmicrohttpd, driven by the caller's event loop: no threads, no call
 * that blocks. Sizes, times and connections are bounded; who is slow loses his own connection and
 * holds up nobody else. It does no TLS: what leaves the machine goes through a proxy that does.
 *
 * It answers by itself: 400 (malformed target), 405 (another method than GET, HEAD and POST), 408
 * (a request that did not come in time), 413 (body), 431 or 414 (headers, target), 500 (the
 * handler did nothing), 503 (no connection left), 504 (no answer in time). */
#ifndef WEIR_HTTP_SERVER_H
#define WEIR_HTTP_SERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "http/listen.h"
#include "http/target.h"

struct weir_http_server;
struct weir_http_request;

enum weir_http_method { WEIR_HTTP_GET, WEIR_HTTP_HEAD, WEIR_HTTP_POST };

/* 0 in a number or length stands for the value behind it. */
struct weir_http_settings {
    struct ev_loop *loop;
    struct weir_log *log;
    const char *address;    /* as weir_listen_parse has it */
    int connections_max;    /* 64; beyond, who has waited longest for a request makes room */
    size_t headers_max;     /* 16384 bytes of request line and headers, about */
    size_t body_max;        /* 65536 */
    size_t stream_max;      /* 262144 bytes that wait for the reader of one stream */
    int64_t request_max_ms; /* 10,000: from a request's line to its last byte */
    int64_t idle_max_ms;    /* 60,000: between requests, and before the first line */
    int64_t answer_max_ms;  /* 30,000: for the handler, and again for the client to take it */
    void *user;
    /* Called for each whole request. Before it returns it has done exactly one of
     * weir_http_answer, weir_http_stream_begin and weir_http_defer. It must not close the server.
     */
    void (*handle)(void *user, struct weir_http_request *request);
    /* Answers, by weir_http_answer, what is refused before it reaches the handler: 400, 405 (with
     * Allow), 413, 503. NULL: with the sentence as a text. */
    void (*refuse)(void *user, struct weir_http_request *request, unsigned status,
                   const char *sentence);
};

/* NULL with the error: WEIR_INVALID for a malformed address, WEIR_SYSTEM for one that cannot be
 * listened at. The settings are copied; what they point to is borrowed. */
struct weir_http_server *weir_http_open(const struct weir_http_settings *settings,
                                        struct weir_error *error);
/* Where it listens, with the port that was chosen for port 0: "127.0.0.1:41234". */
const char *weir_http_where(const struct weir_http_server *server);
/* Takes no further connections and closes those that have no request in hand; answers from now on
 * close theirs. For an orderly end: go on turning the loop until weir_http_in_hand is 0. */
void weir_http_quiesce(struct weir_http_server *server);
/* Requests that are not answered to the last byte, streams included. */
size_t weir_http_in_hand(const struct weir_http_server *server);
/* Closes every connection, and calls `gone` for the requests that are still in hand. Not from a
 * callback of the server. NULL is fine. */
void weir_http_close(struct weir_http_server *server);

/* ---- A request: all that these return is lent until it is answered or gone --------------------
 */

enum weir_http_method weir_http_method(const struct weir_http_request *request);
const struct weir_target *weir_http_target(const struct weir_http_request *request);
const char *weir_http_path(const struct weir_http_request *request);
/* NULL: not given. */
const char *weir_http_argument(const struct weir_http_request *request, const char *name);
/* Of any case; the first of that name. NULL: not given. */
const char *weir_http_header(const struct weir_http_request *request, const char *name);
/* Terminated by a NUL behind its length; may hold others. Never NULL. */
struct weir_slice weir_http_body(const struct weir_http_request *request);

/* ---- Its answer -------------------------------------------------------------------------------
 */

struct weir_http_header {
    const char *name;
    const char *value; /* a line break in it makes the answer a 500 */
};

/* Answers with a copy of the bytes. `headers` ends with a NULL name; NULL: none. `content_type` may
 * be NULL. For HEAD the bytes are counted and not sent. Afterwards the request must not be used. */
void weir_http_answer(struct weir_http_request *request, unsigned status, const char *content_type,
                      const struct weir_http_header *headers, const char *bytes, size_t length);
/* The same with a short text, "text/plain; charset=utf-8" and Cache-Control: no-store. */
void weir_http_answer_text(struct weir_http_request *request, unsigned status, const char *text);

/* From the handler: the answer comes later, from the loop. Either weir_http_answer (or
 * weir_http_stream_begin) is called once, or `gone` is: no answer in time, or the server closes.
 * After `gone` the request must not be used. That a client has hung up shows when it is answered.
 */
void weir_http_defer(struct weir_http_request *request, void (*gone)(void *user), void *user);

/* Begins an answer without end (server-sent events, or a long text in pieces), status 200. `gone`
 * is called once, when the client is no longer there, was too slow or the server closes; never from
 * inside a call of this header except weir_http_close. False: the client was gone at once, or
 * memory has run out; then `gone` is not called, and the request must not be used. */
WEIR_CHECKED bool weir_http_stream_begin(struct weir_http_request *request,
                                         const char *content_type,
                                         const struct weir_http_header *headers,
                                         void (*gone)(void *user), void *user);
/* Copies the bytes behind those that wait. False: the reader is too slow, and is cut off; `gone`
 * follows from the loop. */
bool weir_http_stream_send(struct weir_http_request *request, const char *bytes, size_t length);
/* Ends it after the bytes that wait. `gone` is not called; the request must not be used. */
void weir_http_stream_end(struct weir_http_request *request);

#endif
