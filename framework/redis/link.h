/* One connection to the server that comes back by itself.
 *
 *   closed ──open──> waiting ──> seeking ──> connecting ──> greeting ──> ready
 *                       ^           │            │             │           │
 *                       └──────────── lost (back-off with jitter) ─────────┘
 *
 * Seeking asks Sentinels for the master, or looks a host's name up, and is passed over where there
 * is nothing to seek. A server that is no master is not connected to; where it stops to be one,
 * which its refusals or the Sentinels tell (asked every second), the connection counts as lost.
 *
 * Every request is answered exactly once, never from inside the call that made it, and in order:
 * done, refused, or unknown, where the connection was lost after the request may have left, or the
 * server was no master any more. All
 * unknown answers are given before `lost` is called. A server that goes silent while answers are
 * owed counts as lost; one whose bytes keep coming, however slowly, does not. */
#ifndef WEIR_REDIS_LINK_H
#define WEIR_REDIS_LINK_H

#include <ev.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/status.h"
#include "redis/command_bytes.h"
#include "redis/endpoint.h"
#include "redis/lookup.h"
#include "redis/reply_arena.h"
#include "redis/sentinel_watch.h"

enum weir_link_state {
    WEIR_LINK_CLOSED,
    WEIR_LINK_SEEKING,
    WEIR_LINK_CONNECTING,
    WEIR_LINK_GREETING,
    WEIR_LINK_READY,
    WEIR_LINK_WAITING,
};

enum weir_answer {
    WEIR_ANSWER_DONE,    /* reply holds the answer */
    WEIR_ANSWER_REFUSED, /* reply is the error; nothing was written */
    WEIR_ANSWER_UNKNOWN, /* reply is NULL; it may have been carried out, or not */
};

/* `reply` is borrowed for the call. */
typedef void weir_link_answered(void *user, enum weir_answer answer, const redisReply *reply);

struct weir_link_request;

struct weir_link_settings {
    struct ev_loop *loop;
    const struct weir_endpoint *endpoint; /* borrowed */
    struct weir_log *log;                 /* borrowed */
    const char *role;                     /* "commands", "reader": for logs and CLIENT SETNAME */
    const char *client_name;              /* the service's; borrowed */
    int64_t silence_limit_ms;             /* how long an answer that is owed may take */
    int64_t connect_limit_ms;             /* how long connecting and greeting may take; 0: 5 s */
    void *user;
    void (*ready)(void *user); /* requests may be sent */
    /* The connection is gone, or could not be made; `error` says why. It is being made again. */
    void (*lost)(void *user, const struct weir_error *error);
};

struct weir_link {
    struct weir_link_settings settings;
    enum weir_link_state state;
    redisAsyncContext *connection;        /* NULL unless connecting, greeting or ready */
    struct weir_sentinel_watch sentinels; /* unused without Sentinels */
    struct weir_lookup lookup;            /* of the server's name */
    struct weir_address master;           /* that of the last connection, by Sentinel or URL */
    uint64_t masters;                     /* how often Sentinels have named another than before */
    ev_timer timer;      /* seeking, connecting, greeting: limit; ready: watchdog; waiting: pause */
    ev_prepare flushing; /* writes what was asked before the loop waits */
    ev_timer drop_timer; /* drops the connection from outside hiredis' callbacks */
    struct weir_error drop_reason;
    struct weir_random random;
    bool not_master, said_not_master; /* why it was lost, and what was logged last */
    unsigned failures;                /* connections failed in a row */
    uint64_t reconnections;           /* how often a lost link became ready again */
    size_t owed;                      /* requests without answer */
    size_t greetings_owed;
    int64_t progress_at;   /* monotonic ms of the last answer, or of the first request owed */
    int64_t heard_at;      /* monotonic ms of the last answer; 0: none yet */
    int64_t watched_at;    /* monotonic ms of the watchdog's last look */
    size_t unread, unsent; /* bytes in hiredis' buffers at that look */
    int64_t client_id;     /* the server's number of this connection; -1: not known */
    struct weir_link_request *spare; /* requests to be used again */
    struct weir_command_bytes laid;  /* the command that is being sent */
    struct weir_reply_arena answers; /* where the connection's answers lie */
};

void weir_link_init(struct weir_link *link, const struct weir_link_settings *settings);
/* Starts connecting; `ready` or `lost` follow from the loop. Only when closed. */
void weir_link_open(struct weir_link *link);
/* Ends the connection; what is owed is answered unknown first. `lost` is not called. A second call
 * does nothing. Not from inside an answer. */
void weir_link_close(struct weir_link *link);

/* Sends one command as an argument vector; everything is copied. WEIR_UNAVAILABLE unless ready,
 * WEIR_NO_MEMORY: in both cases nothing was sent and `answered` will not be called. */
WEIR_CHECKED enum weir_status weir_link_send(struct weir_link *link, int count,
                                             const char **arguments, const size_t *lengths,
                                             weir_link_answered *answered, void *user);
/* Whether both are connected, or were last, to a server at the same address. */
bool weir_link_same_master(const struct weir_link *one, const struct weir_link *other);
/* What was sent goes out now, as far as the kernel takes it. By itself it does before the loop
 * waits next. */
void weir_link_flush(struct weir_link *link);

#endif
