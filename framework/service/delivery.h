/* One message in a worker's hands, from its arrival to the answer of its commit.
 *
 *   arrived ──> queued (behind another for the same key, or as a suspect) ──> loading
 *   loading ──> handling ──> committing ──> ended
 *               handling ──> deferred ──> committing, or queued once more
 *   committing ──> loading (what was read has changed: once more on fresh state)
 *   committing ──> committing (refused or denied: now a reply in place of its saga's move, or
 *       its burial)
 *
 * From all of these it may be dropped, because the worker has come to another master (following.h).
 *
 * A suspect is a message whose worker fell silent while it had it. Suspects begin one at a time,
 * each counted on the server before it begins, so that a message that kills workers is found
 * without its neighbours being buried with it. */
#ifndef WEIR_SERVICE_DELIVERY_H
#define WEIR_SERVICE_DELIVERY_H

#define HASH_NONFATAL_OOM 1 /* an element that could not be added has no table */
#include <uthash.h>

#include "service/context.h"
#include "service/participant.h"
#include "stream/retry_policy.h"

enum weir_delivery_state {
    WEIR_DELIVERY_ARRIVED,
    WEIR_DELIVERY_QUEUED,
    WEIR_DELIVERY_LOADING,
    WEIR_DELIVERY_HANDLING,
    WEIR_DELIVERY_DEFERRED,
    WEIR_DELIVERY_COMMITTING,
    WEIR_DELIVERY_ENDED,
    WEIR_DELIVERY_STATES,
};

/* How the handling ended: what the commit under way stands for. */
enum weir_ending {
    WEIR_ENDING_DONE,
    WEIR_ENDING_REJECTED,
    WEIR_ENDING_RETRIED,
    WEIR_ENDING_BURIED,
    WEIR_ENDING_DISCARDED,
    WEIR_ENDING_REPEATED, /* answered with the first outcome */
    WEIR_ENDING_NULL,     /* a compensation of what has not happened */
    WEIR_ENDING_BARRED,   /* an execution after its compensation */
    WEIR_ENDING_HELD,     /* put on the schedule, as its `delay` asks or because it is too new */
    WEIR_ENDING_UNKNOWN,  /* finished, most likely by a commit of ours whose answer was lost */
    WEIR_ENDINGS,
};
const char *weir_ending_text(enum weir_ending ending);

struct weir_worker;
struct weir_delivery;

typedef void weir_delivery_then(struct weir_delivery *delivery);

/* Deliveries for the same key, in order; the first is under way. */
struct weir_lane {
    char *key;
    struct weir_delivery *first, *last;
    UT_hash_handle hh;
};

#define WEIR_LOADS_MAX 10 /* keys, record, saga, id, time, stranded, rights */

#define WEIR_DELIVERY_NAME_MAX 96

struct weir_durable_ask;

struct weir_deferral {
    struct weir_delivery *delivery; /* NULL: the message is no longer this handler's to finish */
    struct weir_durable_ask *ask;   /* what weir_when_durable waits for; NULL: nothing */
};

struct weir_load {
    int8_t what;  /* a place in the snapshot, or one of the negative numbers of loading.c */
    int8_t place; /* among its delivery's loads */
};

/* What is known of a saga's step, and how it ends. */
struct weir_step_part {
    char *execute, *compensate; /* fields of the step's record; NULL: not there */
    struct weir_loaded saga;    /* the hash of the step's saga; no fields: there is none */
    struct weir_effects answer; /* what the end of the step adds to the handler's effects */
    struct weir_step_answer {
        enum weir_step_outcome outcome;
        char *data;        /* JSON object; owned; NULL: the step has not ended */
        bool moves_saga;   /* it carries out the saga's transition itself */
        bool expects_saga; /* it replies, and the saga has to be as it was read */
        bool was_denied;   /* that was denied: is it for the saga's key? */
        bool call_denied;  /* no: calls of functions are */
        unsigned outrun;   /* how often somebody else has moved the saga meanwhile */
    } end;
};

/* Ten thousand may be in hand: its members stand so that no room is lost between them. */
struct weir_delivery {
    struct weir_worker *worker;
    weir_message *message;
    const char *name; /* "<stream number>/<entry>": its key in the worker's table; the message's */
    const struct weir_route *route; /* NULL: not understood */
    unsigned counted;               /* the server's delivery counter of the entry */
    unsigned number;                /* of a saga's command */
    unsigned runs;                  /* how often the handler ran into a conflict */
    unsigned answers_owed;          /* to what is being loaded */
    uint32_t stream;                /* its place among the worker's */
    struct weir_load loads[WEIR_LOADS_MAX];
    enum weir_delivery_state state : 8;
    enum weir_ending ending : 8;
    enum weir_outcome early_outcome : 8;
    bool own_stream; /* an inbox of the service: acknowledged entries leave it */
    bool is_step;    /* a saga's command: `step` is there */
    bool compensating;
    bool suspect;
    bool torn; /* memory ran out in the handler: what it has read or made may lack a piece */
    bool shares_time, shares_hash; /* with others that have come in the same turn */
    bool loads_alone;              /* sharing has failed */
    bool load_again;               /* an answer was lost: load anew when the link is ready */
    bool step_unreadable; /* nobody can say what is known of the step: `load_error` says why */
    bool seen;            /* its id has had its outcome */
    bool expects_no_mark; /* it says `once`, and its id has left none so far */
    bool out_of_memory;   /* it could not be read whole: it comes back */
    bool doomed_unknown;
    bool too_new;          /* an event that only a newer program understands */
    bool handler_missing;  /* a step's command that no handler here knows */
    bool finished_at_once; /* weir_finish was called before the handler returned */
    bool goes_on;          /* to be called again by WEIR_AGAIN, and timed from the first call on */
    uint64_t loaded_on;    /* `reconnections` of the commands' link when loading began */
    int64_t time_taken_at; /* monotonic ms when the server's time was answered */
    int64_t begun_at;      /* monotonic ms when the handler was last called */
    int64_t timed_ns;      /* where metrics are kept: when it was called, or its commit sent */
    int64_t saga_took_ms;
    struct weir_histogram *saga_ended; /* by the commit; NULL: none */
    int64_t refreshed_at;              /* monotonic ms when its claim was last renewed */
    struct weir_step_part *step;       /* what a step needs; NULL: this memory has held none yet */
    weir_delivery_then *loaded;
    struct weir_rare_error doom; /* why it will be buried once its record is known; or none */
    struct weir_rare_error load_error;
    struct weir_rare_error buried_for; /* told when its burial is committed; or none */
    struct weir_context context;
    struct weir_effects effects;
    struct weir_snapshot snapshot;
    struct weir_commit commit;
    const char *commit_head[3];
    int64_t retry_delay_ms; /* of the ending, where it puts the message off */
    struct weir_deferral *deferral;
    struct weir_lane *lane;
    struct weir_delivery *lane_next;
    struct weir_delivery *row_next; /* of suspects, of those given up, or of spare ones */
    UT_hash_handle hh;
};

/* A delivery of an entry, entered in the worker's table; its message is copied, not decoded. NULL:
 * no memory. */
WEIR_CHECKED struct weir_delivery *weir_delivery_new(struct weir_worker *worker, size_t stream,
                                                     const struct weir_entry *entry);
/* Makes it a saga's command. false: no memory. */
WEIR_CHECKED bool weir_delivery_become_step(struct weir_delivery *delivery);
/* Its route forbids its burial. */
bool weir_delivery_is_essential(const struct weir_delivery *delivery);
/* A later weir_finish comes too late. */
void weir_delivery_forget_deferral(struct weir_delivery *delivery);
/* Takes it out of the table and keeps its memory for another. */
void weir_delivery_free(struct weir_delivery *delivery);
/* Frees all deliveries, whatever their state, and begins none that waited for another. Nothing that
 * was asked for them may be still to be answered, and the committer has none of their commits. */
void weir_delivery_drop_all(struct weir_worker *worker);
/* The same, and frees what was kept. */
void weir_delivery_free_all(struct weir_worker *worker);
/* Whether the entry is in this worker's hands already. */
bool weir_delivery_in_hand(const struct weir_worker *worker, size_t stream, struct weir_slice id);
/* The one door of its states; an unlisted move is logged as an error. */
void weir_delivery_move(struct weir_delivery *delivery, enum weir_delivery_state next);
/* It will be buried, once what is recorded of it is known. The first reason counts. */
void weir_delivery_doom(struct weir_delivery *delivery, bool unknown, const char *reason);

#endif
