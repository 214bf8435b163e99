/* A small HTTP client on one connection: one request after the other, each with a limit. */
#ifndef TESTS_GATEWAY_HTTP_H
#define TESTS_GATEWAY_HTTP_H

#include <stdbool.h>

struct http {
    char host[64];
    int port;
    int socket; /* -1: not connected */
};

struct http_answer {
    int status; /* 0: the answer was lost */
    char location[512];
    char body[8192];
};

/* "127.0.0.1:8080"; false: it is none. */
bool http_init(struct http *http, const char *address);
/* Sends the request and reads the answer, within limit_ms; connects anew where that is needed.
 * `key` NULL: none; `body` NULL: none. */
void http_ask(struct http *http, const char *method, const char *path, const char *key,
              const char *body, int limit_ms, struct http_answer *answer);
/* Sends it and goes away: the answer is lost, whatever becomes of the request. */
void http_tell(struct http *http, const char *method, const char *path, const char *key,
               const char *body);
void http_close(struct http *http);

#endif
