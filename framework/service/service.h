/* What a service is made of, for the rooms that build on it: its routes, inboxes, components. */
#ifndef WEIR_SERVICE_SERVICE_H
#define WEIR_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "base/status.h"
#include "message/durability.h"
#include "message/envelope.h"
#include "message/message_log.h"
#include "service/event_version.h"
#include "stream/barrier.h"
#include "stream/committer.h"
#include "weir.h"

/* Names the keys to load for a message where a pattern cannot: writes the `index`th key, without
 * tag; returns as weir_load_pattern_key does. */
typedef int weir_key_maker(const weir_message *message, size_t index, char *rest, size_t room);

/* What weir_context_stranded is asked for. */
enum weir_stranded {
    WEIR_STRANDED_UNASKED,
    WEIR_STRANDED_FIRST,  /* all of the first inbox */
    WEIR_STRANDED_BEFORE, /* of the message's own inbox what was sent before it */
};

/* Which messages a handler gets, and what is done around it. */
struct weir_route {
    const char *source; /* events of that service; NULL: the service's own inboxes */
    const char *type;
    weir_handler *handler;
    const char *load;     /* pattern, or NULL */
    weir_key_maker *keys; /* instead of a pattern */
    bool plain;           /* no deduplication by id: the handler sees to repetitions */
    bool wants_time;      /* weir_context_now is needed */
    enum weir_stranded wants_stranded;
    bool essential;   /* never buried: something would wait for it for ever */
    bool shares_last; /* the last of its keys is the same for many messages */
    bool unchecked;   /* reading loaded state sets up no expectation */
};

struct weir_worker_settings {
    const char *redis_url, *group, *consumer, *prefix;
    const char *metrics; /* where they are served; NULL: nowhere */
    int64_t concurrency;
    int log_level, log_format;
    int64_t claim_idle_ms, handler_timeout_ms, max_deliveries;
    int64_t retry_base_ms, retry_cap_ms;
    int64_t data_max, seen_life_ms, event_keep_ms;
    int64_t projection_batch;
    int64_t event_limit;  /* 0: none */
    int64_t retention_ms; /* of ended sagas; the coordinator's alone */
    int64_t sagas_max;    /* in flight at once; the coordinator's alone */
    int64_t replicas;     /* what commits have to reach before they count */
    bool durable_disk;
    bool help, version;
};

/* What a running worker lends to handlers' contexts and to components. */
struct weir_runtime {
    struct ev_loop *loop;
    struct weir_log *log;
    const struct weir_endpoint *endpoint;
    const struct weir_worker_settings *settings;
    const char *service, *prefix, *consumer;
    const struct weir_event_versions *versions; /* of the service */
    struct weir_link *link;                     /* for commands */
    struct weir_committer *committer;           /* on that link */
    struct weir_barrier *barrier;               /* behind that link */
    struct weir_durability need;                /* before what this service commits counts */
    void *user;                                 /* of the service */
    void *worker;
    void (*hasten)(void *worker, int64_t delay_ms); /* something was scheduled for then */
    /* A commit of this message, or of events up to this entry, has been answered; `saga` or NULL.
     * `stream` outlives the worker. */
    void (*committed)(void *worker, const char *stream, const char *entry, const char *saga);
    void (*library_missing)(void *worker);
    void (*denied)(void *worker, const char *why); /* this user lacks a right: ends the process */
    void (*idle)(void *worker); /* a component has become idle; the worker may be waiting for it */
};

struct weir_metrics;
struct weir_collection;

/* A part of a service beside its handlers, such as a projection. */
struct weir_component {
    void *self;
    enum weir_status (*start)(void *self, struct weir_runtime *runtime, struct weir_error *error);
    void (*stop)(void *self);  /* begin nothing new */
    bool (*busy)(void *self);  /* something is under way */
    void (*close)(void *self); /* the loop runs no more; frees it */
    /* Asks the server for what its gauges tell, and forgets what they told. NULL: it has none. */
    void (*measure)(void *self, struct weir_metrics *metrics, struct weir_collection *collection);
    struct weir_component *next;
};

#define WEIR_INBOXES_MAX 4

struct weir_service {
    char *name;
    struct weir_error error; /* the first mistake in setting it up */
    struct weir_route *routes;
    size_t route_count;
    struct weir_event_versions versions;
    const char *inboxes[WEIR_INBOXES_MAX]; /* keys' last parts: urgent ones, "commands", others */
    size_t inbox_count, urgent_inboxes;
    /* Whether an inbox is to be read now; NULL: all are, always. `user` is the service's. */
    bool (*inbox_open)(void *user, const char *inbox);
    bool no_participant;         /* takes no part in sagas: it runs them */
    struct weir_durability need; /* before a commit counts; the options may ask for more */
    struct weir_component *components;
    /* Options beside those of every worker, for members of struct weir_worker_settings; or NULL. */
    const struct weir_option *options;
    void *user;
};

/* The general form of weir_on_command and weir_on_event; the route is copied. */
void weir_service_add_route(weir_service *service, const struct weir_route *route);
/* A further stream of commands of the service's own, "{service}:<name>"; an urgent one is served
 * before all else. */
void weir_service_add_inbox(weir_service *service, const char *name, bool urgent);
/* The component belongs to the service afterwards. */
void weir_service_add_component(weir_service *service, struct weir_component *component);
/* The route for a message, or NULL. `source` as in the route. */
const struct weir_route *weir_service_route(const weir_service *service, const char *source,
                                            const char *type);

#endif
