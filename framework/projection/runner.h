/* Folds events into a read model: reads from where the checkpoint stands, folds a batch in C, and
 * writes the model and the new position in one commit. The live model has a runner, and a rebuild
 * has one of its own that writes beside it. */
#ifndef WEIR_PROJECTION_RUNNER_H
#define WEIR_PROJECTION_RUNNER_H

#include "projection/batch.h"
#include "service/context.h"
#include "service/service.h"
#include "weir.h"

struct weir_projection;

enum weir_runner_state {
    WEIR_RUNNER_CLOSED,   /* no connection */
    WEIR_RUNNER_IDLE,     /* not to run now */
    WEIR_RUNNER_LOCATING, /* asking for the positions */
    WEIR_RUNNER_READING,  /* waiting for events */
    WEIR_RUNNER_LOADING,  /* loading what the batch needs */
    WEIR_RUNNER_WRITING,  /* its commit is under way */
    WEIR_RUNNER_PAUSED,   /* waiting before it goes on */
    WEIR_RUNNER_STOPPED,  /* an event cannot be folded */
};

/* What stops a runner. */
struct weir_stop {
    bool too_new; /* a newer program is needed, and nothing else */
    char reason[320];
    char stream[WEIR_KEY_MAX], entry[WEIR_ENTRY_ID_MAX]; /* "": no single event */
};

struct weir_runner_load {
    struct weir_runner *runner;
    size_t hash; /* in the snapshot */
};

/* Enough for projection, rebuild, head, count, kinds and streams. */
#define WEIR_RUNNER_HEAD_MAX (8 + WEIR_PROJECTION_KINDS_MAX + 3 * WEIR_PROJECTION_SOURCES_MAX)

struct weir_runner {
    struct weir_projection *projection;
    char rebuild[64];        /* id of the rebuild that it works for; "": the live model */
    bool bounded;            /* does not pass the live model's positions */
    bool incomplete;         /* passes over events that are gone */
    const char *base, *head; /* what stands before the names of its model's keys: behind the
                                service's tag, and in whole; borrowed */
    const char *checkpoint;  /* key; borrowed */
    char reader_name[200];   /* among the readers of its sources */
    enum weir_runner_state state;
    bool active;    /* is to run */
    bool proven;    /* has written or found nothing to do since it was last stopped or began */
    bool following; /* waits for further events at the end; else it says that it is there */
    struct weir_link link; /* of its own: reading waits */
    bool moved;            /* that was lost since the positions were asked for */
    ev_timer pause;
    unsigned failures;
    struct weir_random random;
    size_t dropped_reads; /* answers still to come that nobody wants any more */
    int64_t reported_at;  /* monotonic ms */
    struct weir_position positions[WEIR_PROJECTION_SOURCES_MAX];
    struct weir_batch batch;
    size_t careful;          /* so many events are taken one at a time: one of them was refused */
    struct weir_kinds kinds; /* that it has written */
    size_t answers_owed;
    struct weir_error load_error;
    struct weir_runner_load *loads;
    size_t load_capacity;
    void (*loaded)(struct weir_runner *runner);
    struct weir_context context;
    struct weir_folding folding;
    struct weir_effects effects;
    struct weir_snapshot snapshot;
    struct weir_commit commit;
    const char *commit_keys[4];
    const char *commit_head[WEIR_RUNNER_HEAD_MAX];
    char commit_numbers[3][24];
    struct weir_stop stop;
    char said[320];                              /* why it was stopped, as last logged */
    char trouble[320];                           /* why it had to pause last */
    char skip[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX]; /* "<stream> <entry>": to be passed over */
    char skipped_before[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX]; /* the same, by the live model once */
    bool announces; /* says which event it tries before it does: one at a time */
    char fatal[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX]; /* "<stream> <entry>": one that several
                                                     have died of; "": none */
    uint64_t applied, stops;                      /* events; how often it has been stopped */
    void *user;
    void (*changed)(void *user);   /* it was stopped, or goes on */
    void (*beginning)(void *user); /* nothing has been applied of any source yet; or NULL */
    void (*at_end)(void *user);    /* not following: everything there is has been folded */
    void (*gap)(void *user);       /* not following: the live model has read events that are gone */
    void (*held)(void *user);      /* not following: its commits are not wanted now */
};

/* Prepares a runner that follows the live model, or one for rebuilds, and lets it connect. */
void weir_runner_open(struct weir_runner *runner, struct weir_projection *projection,
                      bool following);
/* Frees what it holds; the loop runs no more. */
void weir_runner_close(struct weir_runner *runner);

/* Runs from the checkpoint on; nothing where it runs. One that is stopped tries again. */
void weir_runner_go(struct weir_runner *runner);
/* Those who ran it before have died, perhaps of an event: takes them one at a time for a while,
 * says which it tries, and stops at `fatal`, which several have died of; "": none. */
void weir_runner_beware(struct weir_runner *runner, const char *fatal);
/* Tells the sources once more where it stands. */
void weir_runner_report_again(struct weir_runner *runner);
/* Comes to rest after the batch in hand. */
void weir_runner_rest(struct weir_runner *runner);
/* Nothing of a batch is in hand or under way. */
bool weir_runner_resting(const struct weir_runner *runner);
/* A commit is under way. */
bool weir_runner_busy(const struct weir_runner *runner);

#endif
