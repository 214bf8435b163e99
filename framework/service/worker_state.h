/* What the parts of a running worker share. */
#ifndef WEIR_SERVICE_WORKER_STATE_H
#define WEIR_SERVICE_WORKER_STATE_H

#include "base/backoff.h"
#include "redis/library_loader.h"
#include "service/definitions.h"
#include "service/delivery.h"
#include "service/forgetting.h"
#include "service/recent.h"
#include "service/registering.h"
#include "service/reporting.h"
#include "service/shared_loads.h"
#include "service/trimming.h"
#include "service/watching.h"
#include "service/witness.h"
#include "stream/group_reader.h"
#include "stream/pending.h"
#include "stream/periodic.h"

#define WEIR_REASON_MAX 512

/* What this user may do with sagas: all, until something has been denied. It only gets less. */
enum weir_saga_right {
    WEIR_SAGAS_MOVE,
    WEIR_SAGAS_EXPECT, /* it may not write all that a move writes */
    WEIR_SAGAS_READ,   /* nor the sagas' own hashes, so that no commit can name them */
    WEIR_SAGAS_NONE,
};

struct weir_worker {
    struct weir_service *service;
    struct weir_runtime runtime;
    struct weir_retry_policy retry_policy;
    struct weir_random random;
    struct weir_link link;
    struct weir_library_loader library;
    struct weir_committer committer;
    struct weir_barrier barrier;
    bool disk_known; /* the server can do what the service asks of its disk, or nothing is asked */
    struct weir_group_reader reader;
    struct weir_pending pending;
    struct weir_periodic promotion, presence;
    struct weir_trimming trimming;
    struct weir_forgetting forgetting;
    struct weir_definitions definitions; /* of the sagas whose commands come here */
    struct weir_shared_loads shared;
    enum weir_saga_right saga_right;
    struct weir_watching watching;
    struct weir_witness witness;
    struct weir_reporting reporting;
    ev_timer housekeeping;
    ev_timer grace, unblocking;
    struct weir_stopping {
        ev_signal terminate, interrupt, hangup;
        ev_prepare drained;
    } watchers;
    ev_timer releasing; /* of what was given up */
    struct weir_delivery *given_up;
    /* streams: inboxes first, then the events subscribed to */
    size_t stream_count, inbox_count;
    char *streams[WEIR_READER_STREAMS_MAX];
    const char *sources[WEIR_READER_STREAMS_MAX]; /* NULL for inboxes */
    struct weir_delivery *deliveries;             /* by stream and entry */
    struct weir_delivery *spare;
    size_t spare_count;
    struct weir_lane *lanes;
    struct weir_delivery *suspects, *last_suspect; /* waiting to begin */
    struct weir_delivery *suspect;                 /* the one under way; borrowed */
    size_t in_state[WEIR_DELIVERY_STATES];         /* how many deliveries are in each */
    uint64_t recovered_on; /* `reconnections` of the commands' link when what it held was last asked
                              for: entries of a read under way would be taken for such */
    uint64_t masters; /* of the commands' link when it was ready last: how many it had heard of */
    bool apart;       /* its connections are with different masters: nothing new is taken in hand */
    bool reader_was_ready, recovered_once, library_ready, library_said, stopping;
    size_t next_to_forget;
    struct weir_recent recent;
    struct weir_registering registering;
    int64_t started_ms; /* server's time of the first sign of life; 0: none yet */
    char host[64];
    bool name_shared; /* another process has given signs of life under this name; said once */
    int exit_code;
    char keys[5][512]; /* commands, events, dead, scheduled, workers, in the order of the enum */
    uint64_t endings[WEIR_ENDINGS];
    struct weir_measures *measures;     /* NULL: nobody wants to know */
    struct weir_monitoring *monitoring; /* the same */
    char lost_why[256];       /* why a connection was last lost, or could not be made; "": never */
    int64_t begun_at;         /* monotonic ms of the worker's start */
    int64_t *too_new_said_at; /* monotonic ms of the last warning, by route; 0: never */
    uint64_t received, fenced, conflicts, lost_bodies;
    /* What lower parts call upward. */
    void (*prepare)(struct weir_delivery *delivery); /* it may take its place in the queue */
    void (*begin)(struct weir_delivery *delivery);   /* its turn has come */
    void (*release)(struct weir_delivery *delivery); /* it is out of hand; frees it */
    void (*give_up)(struct weir_delivery *delivery, const char *reason); /* it stays pending */
    void (*room_changed)(struct weir_worker *worker); /* more may come, or all is done */
};

enum { WEIR_KEY_COMMANDS, WEIR_KEY_EVENTS, WEIR_KEY_DEAD, WEIR_KEY_SCHEDULED, WEIR_KEY_WORKERS };

#endif
