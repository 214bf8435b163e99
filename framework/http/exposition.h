/* What Prometheus and a supervisor ask of a process, at an address of its own:
 *
 *   GET /metrics  what the process counts and measures
 *   GET /healthz  200 while it is alive; 503 and a sentence: it should be started again
 *   GET /readyz   200 while it can do its work; 503 and the sentence why not
 *
 * It holds nothing that a message says, so that it may be reached from other machines. */
#ifndef WEIR_HTTP_EXPOSITION_H
#define WEIR_HTTP_EXPOSITION_H

#include "base/metrics.h"
#include "http/server.h"

struct weir_exposition;

struct weir_exposition_settings {
    struct ev_loop *loop;
    struct weir_log *log;         /* borrowed, as all here */
    const char *address;          /* as weir_listen_parse has it */
    struct weir_metrics *metrics; /* weir_build_info is added to them */
    const char *service;          /* the process's; in weir_build_info and the log */
    const char *version;
    void *user;
    /* Fills in what is not known all the time, before the metrics are told; calls
     * weir_exposition_collected once, in the end, from inside or later. Not called while it is at
     * it, nor again within a second. What takes longer than a second is not waited for. NULL:
     * there is nothing to be filled in. */
    void (*collect)(void *user, struct weir_exposition *exposition);
    /* Whether it is so; if not, writes why, one sentence. NULL: it is. */
    bool (*healthy)(void *user, char *why, size_t room);
    bool (*ready)(void *user, char *why, size_t room);
};

/* Listens, and says in the log where ("metrics.listening"). NULL with the error, as
 * weir_http_open. */
struct weir_exposition *weir_exposition_open(const struct weir_exposition_settings *settings,
                                             struct weir_error *error);
/* The counting goes on. Not from a callback of its own; NULL is fine. */
void weir_exposition_close(struct weir_exposition *exposition);
const char *weir_exposition_where(const struct weir_exposition *exposition);
void weir_exposition_collected(struct weir_exposition *exposition);

/* For programs' tables of options: the member of their settings at `place` is the address, NULL
 * where none is given. */
#define WEIR_EXPOSITION_OPTION(place)                                                              \
    {                                                                                              \
        .name = "metrics", .environment = "WEIR_METRICS", .kind = WEIR_OPTION_TEXT,                \
        .offset = (place), .value_name = "ADDR:PORT",                                              \
        .help = "serve /metrics, /healthz and /readyz there; port 0: any free one"                 \
    }

#endif
