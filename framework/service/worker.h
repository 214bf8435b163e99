/* A running service: wires reader, take-over, handlers, commits and schedule together; starts,
 * drains, stops. */
#ifndef WEIR_SERVICE_WORKER_H
#define WEIR_SERVICE_WORKER_H

#include "base/backoff.h"
#include "redis/library_loader.h"
#include "service/delivery.h"
#include "stream/group_reader.h"
#include "stream/pending.h"
#include "stream/periodic.h"

#define WEIR_REASON_MAX 512

struct weir_worker {
    struct weir_service *service;
    struct weir_runtime runtime;
    struct weir_retry_policy retry_policy;
    struct weir_random random;
    struct weir_link link;
    struct weir_library_loader library;
    struct weir_committer committer;
    struct weir_group_reader reader;
    struct weir_pending pending;
    struct weir_periodic promotion, presence, trimming;
    ev_timer housekeeping;
    ev_timer grace, unblocking;
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
    size_t waiting_suspects, deferred;
    bool reader_was_ready, one_alone, recovered_once, library_ready, library_said, stopping;
    size_t next_to_forget;
    int64_t started_ms; /* server's time of the first sign of life; 0: none yet */
    char host[64];
    int exit_code;
    char keys[5][512]; /* commands, events, dead, scheduled, workers, in the order of the enum */
    char readers_key[512];
    uint64_t endings[WEIR_ENDINGS];
    uint64_t received, fenced, conflicts, lost_bodies;
};

/* Runs the service until it is told to stop. `service`, `settings`, `endpoint` and `log` are
 * borrowed. Returns the exit code. */
int weir_worker_run(struct weir_service *service, const struct weir_worker_settings *settings,
                    const struct weir_endpoint *endpoint, struct weir_log *log,
                    struct weir_error *error);

/* ---- arrival.c: from an entry to a delivery, its place in the lanes, its end ---------------- */

void weir_worker_entry(void *worker, size_t stream, const struct weir_entry *entry);
void weir_worker_pending_entry(void *worker, size_t stream, const struct weir_entry *entry,
                               bool taken);
/* Ends a delivery; the next of its lane begins. */
void weir_delivery_release(struct weir_delivery *delivery);
/* Begins the next suspect where it is its turn. */
void weir_worker_begin_suspect(struct weir_worker *worker);
/* The delivery has ended or is waiting for something outside: if it was the suspect under way, the
 * next may begin. */
void weir_worker_suspect_survived(struct weir_worker *worker, const struct weir_delivery *delivery);
/* How many more deliveries may come. */
size_t weir_worker_room(const struct weir_worker *worker);
void weir_worker_free_deliveries(struct weir_worker *worker);

/* ---- handling.c: the handler's turn, and what becomes of the commit ------------------------- */

void weir_delivery_committed(void *delivery, enum weir_commit_outcome outcome, const char *detail);
/* Lets go of a message without acknowledging it: it comes back when its claim has run out. It is
 * released from the loop, not from inside this call. */
void weir_delivery_give_up(struct weir_delivery *delivery, const char *reason);
/* A deferred handler has had its time. */
void weir_delivery_time_out(struct weir_delivery *delivery);

/* ---- upkeep.c: schedule, signs of life, claims, trimming ------------------------------------ */

void weir_worker_upkeep_init(struct weir_worker *worker);
void weir_worker_upkeep_start(struct weir_worker *worker);
void weir_worker_upkeep_stop(struct weir_worker *worker);
/* Takes this consumer out of groups and register where nothing is pending for it. `answered` is
 * called once it is done, or at once where it cannot be sent. */
void weir_worker_leave(struct weir_worker *worker);

void weir_worker_room_changed(struct weir_worker *worker);
void weir_worker_library_missing(void *worker);
/* Ends the loop when it is stopping and nothing is under way. */
void weir_worker_check_drained(struct weir_worker *worker);

enum { WEIR_KEY_COMMANDS, WEIR_KEY_EVENTS, WEIR_KEY_DEAD, WEIR_KEY_SCHEDULED, WEIR_KEY_WORKERS };

#endif
