/* What the server's files share and nobody else sees. */
#ifndef WEIR_HTTP_INSIDE_H
#define WEIR_HTTP_INSIDE_H

#include "http/library.h"
#include "http/server.h"

/* What a connection does, and so how long it may. */
enum weir_http_phase {
    WEIR_HTTP_IDLE,      /* no request line yet */
    WEIR_HTTP_READING,   /* a request is on its way */
    WEIR_HTTP_DEFERRED,  /* the handler has it */
    WEIR_HTTP_ANSWERING, /* the client takes the answer */
    WEIR_HTTP_STREAMING,
};

/* One connection; libmicrohttpd keeps the pointer as its socket's context. */
struct weir_http_place {
    struct weir_http_server *server;
    struct weir_http_place *next, *previous;
    struct weir_http_request *request; /* NULL while idle */
    int socket;
    enum weir_http_phase phase;
    int64_t since_ms; /* monotonic; when the phase began */
    bool cut;         /* by us; it goes as soon as libmicrohttpd notices */
};

struct weir_http_server {
    struct weir_http_settings settings;
    struct weir_http_library mhd;
    struct MHD_Daemon *daemon;
    char where[WEIR_LISTEN_SHOWN_MAX];
    struct weir_http_place *places; /* the newest first */
    int place_count;
    ev_io io;       /* libmicrohttpd's epoll descriptor */
    ev_timer timer; /* what it asks to be woken for */
    ev_timer sweep; /* while there are connections */
    bool quiesced;
};

struct weir_http_request {
    struct weir_http_server *server;
    struct MHD_Connection *connection;
    struct weir_http_place *place;
    struct weir_target target;
    enum weir_http_method method;
    unsigned refusal; /* what it is answered before it is whole; 0: nothing is wrong */
    bool begun;       /* its headers have been looked at */
    bool decided;     /* answered, begun as a stream, or given up */
    bool suspended;
    struct weir_text body;
    size_t discarded;
    unsigned status;
    struct MHD_Response *response; /* to be queued; NULL though decided: the connection goes */
    void (*gone)(void *user);      /* NULL: not owed */
    void *user;
    struct weir_text waiting; /* a stream's bytes, from `taken` on */
    size_t taken;
    bool ended, broken;
};

void weir_http_enter(struct weir_http_place *place, enum weir_http_phase phase);
/* Ends a connection from our side; libmicrohttpd notices and closes it. */
void weir_http_cut(struct weir_http_place *place, const char *reason);
/* Has libmicrohttpd go on with a request that it was told to let be. */
void weir_http_resume(struct weir_http_request *request);
/* Tells the owner that the request is no more, where that is owed. */
void weir_http_tell_gone(struct weir_http_request *request);
/* No answer in time. */
void weir_http_give_up(struct weir_http_request *request);
enum MHD_Result weir_http_add_headers(struct weir_http_request *request,
                                      struct MHD_Response *response, const char *content_type,
                                      const struct weir_http_header *headers);

/* libmicrohttpd's callbacks. */
void *weir_http_on_line(void *user, const char *target, struct MHD_Connection *connection);
enum MHD_Result weir_http_on_access(void *user, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version,
                                    const char *upload_data, size_t *upload_data_size,
                                    void **request);
void weir_http_on_completed(void *user, struct MHD_Connection *connection, void **request,
                            enum MHD_RequestTerminationCode code);

#endif
