/* Carries out commits: one server function each, pipelined, repeated until the answer is known.
 * Acknowledgements that write nothing else are collected until the loop has nothing more to do and
 * go in one call.
 *
 * A commit may be repeated because the server acknowledges the message in it: a repetition of one
 * that was carried out finds nothing pending and changes nothing. So an answer that was lost, or
 * that the server could not give now (loading, out of memory, function library missing), only puts
 * the commit off. */
#ifndef WEIR_STREAM_COMMITTER_H
#define WEIR_STREAM_COMMITTER_H

#include <stdbool.h>

#include "base/log.h"
#include "message/effects.h"
#include "redis/link.h"

/* Takes a plan and operands (weir_effects_plan_call); all others take operations. */
#define WEIR_COMMIT_PLAN "weir_commit_plan"

enum weir_commit_outcome {
    WEIR_COMMIT_DONE,     /* all effects and the acknowledgement are in */
    WEIR_COMMIT_FENCED,   /* somebody has finished this message before; nothing was written now */
    WEIR_COMMIT_CONFLICT, /* something that was read has changed; nothing was written */
    WEIR_COMMIT_HELD,     /* not now (weir_project); nothing was written */
    WEIR_COMMIT_REFUSED,  /* a write would fail, for good; nothing was written */
    WEIR_COMMIT_DENIED,   /* this user lacks a right, and the commit hears of it; nothing was
                             written */
};

struct weir_commit {
    struct weir_effects *effects; /* borrowed until answered */
    const char *function;         /* WEIR_COMMIT_PLAN, "weir_settle", "weir_project", … */
    const char *const *head_keys; /* KEYS[1…]; borrowed until answered */
    uint32_t head_key_count, head_count;
    const char *const *head; /* ARGV[1…]; borrowed until answered */
    uint64_t place;          /* of the entry (struct weir_entry); 0: not known */
    /* Not to be repeated: no acknowledgement in it tells whether it still fits the server, which
     * may have gone back in time. Whatever keeps it from its answer makes it a CONFLICT. */
    bool once;
    bool hears_denial; /* a right that this user lacks is its answer; else it waits for that */
    bool doubtful;     /* an answer was lost: FENCED may mean that it was carried out then */
    bool sent;         /* the committer's own */
    void *user;
    /* Called once, from the loop. `detail` says which key and why for CONFLICT and REFUSED,
     * why for DENIED, and for weir_project's CONFLICT "" where another runner has moved on. */
    void (*answered)(void *user, enum weir_commit_outcome outcome, const char *detail);
    /* The committer's own. */
    struct weir_committer *committer;
    struct weir_commit *previous, *next;
    struct weir_commit *with; /* the next one in the same call */
};

/* Acknowledgements that write nothing else, of one stream, for the next call. */
struct weir_settlement {
    struct weir_commit *first, *last;
    size_t count;
    bool is_run; /* to be deleted, and each was read right behind the one before it */
};

struct weir_committer {
    struct weir_link *link; /* borrowed */
    struct weir_log *log;   /* borrowed */
    struct ev_loop *loop;
    struct weir_commit *first, *last; /* submitted and not answered, oldest first */
    struct weir_arguments arguments;
    struct weir_settlement settlement;
    ev_prepare settling; /* sends it before the loop waits */
    ev_timer again;      /* sends what was put off */
    unsigned refusals;   /* in a row, by a server that does not serve now */
    bool stalled;        /* commits do not get through: take in nothing new */
    void *user;
    void (*stall_changed)(void *user, bool stalled);
    void (*library_missing)(void *user);
};

void weir_committer_init(struct weir_committer *committer, struct weir_link *link,
                         struct weir_log *log, struct ev_loop *loop);
/* Forgets all commits without an answer, and is of no use any more. */
void weir_committer_close(struct weir_committer *committer);

/* Hands over a commit: `answered` follows, from the loop. WEIR_OK, or the effects' own error or
 * WEIR_NO_MEMORY, then it was not taken; a commit that is not to be repeated is not taken with
 * WEIR_UNAVAILABLE while there is no connection. */
WEIR_CHECKED enum weir_status weir_committer_submit(struct weir_committer *committer,
                                                    struct weir_commit *commit);
/* Sends again what is without an answer; to be called when the link is ready. */
void weir_committer_resume(struct weir_committer *committer);
/* Forgets all commits without an answer, for a server that they were not meant for; to be called
 * when the link is ready. */
void weir_committer_forget(struct weir_committer *committer);

#endif
