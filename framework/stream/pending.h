/* Messages that were given out and not finished: those of silent workers, and this worker's own
 * after a reconnection. */
#ifndef WEIR_STREAM_PENDING_H
#define WEIR_STREAM_PENDING_H

#include "redis/reply.h"
#include "stream/periodic.h"

struct weir_pending_settings {
    struct ev_loop *loop;
    struct weir_link *link;
    struct weir_log *log;
    const char *group, *consumer;
    const char *const *streams;
    size_t stream_count;
    const char *dead; /* where lost bodies are noted */
    int64_t claim_idle_ms;
    void *user;
    /* An entry that is this consumer's now. `taken` : from another worker. */
    void (*entry)(void *user, size_t stream, const struct weir_entry *entry, bool taken);
    /* How many may come now. */
    size_t (*room)(void *user);
    void (*recovered)(void *user); /* a recovery has come to its end */
    void (*group_missing)(void *user);
    void (*lost_bodies)(void *user, int64_t count);
    void (*library_missing)(void *user);
};

struct weir_pending {
    struct weir_pending_settings settings;
    struct weir_periodic claims, recoveries;
    size_t claim_stream, recover_stream;
    char cursor[48];     /* of XAUTOCLAIM in claim_stream */
    char from[48];       /* of the recovery in recover_stream; "" : nothing to recover */
    uint64_t claimed;    /* counter */
    bool none_pending;   /* as far as the round of claims that is under way has come */
    int64_t round_began; /* monotonic ms */
    int64_t quiet_until; /* monotonic ms before which there can be nothing to claim */
    bool recovering, restart;
};

void weir_pending_init(struct weir_pending *pending, const struct weir_pending_settings *settings);
void weir_pending_start(struct weir_pending *pending);
/* Looks through everything pending for this consumer, stream by stream. */
void weir_pending_recover(struct weir_pending *pending);
/* Goes on with a recovery that had no room. */
void weir_pending_go_on(struct weir_pending *pending);
void weir_pending_stop(struct weir_pending *pending);

#endif
