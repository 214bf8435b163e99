/* Folds events into read models: reads from where the checkpoint stands, folds a batch in C, and
 * writes the model and the new position in one commit. */
#ifndef WEIR_PROJECTION_RUNNER_H
#define WEIR_PROJECTION_RUNNER_H

#include "service/context.h"
#include "service/service.h"
#include "weir.h"

#define WEIR_PROJECTION_SOURCES_MAX 16
#define WEIR_PROJECTION_BATCH 64

enum weir_runner_state {
    WEIR_RUNNER_CLOSED,   /* no connection */
    WEIR_RUNNER_LOCATING, /* asking for the positions */
    WEIR_RUNNER_READING,  /* waiting for events */
    WEIR_RUNNER_LOADING,  /* loading what the batch needs */
    WEIR_RUNNER_WRITING,  /* its commit is under way */
    WEIR_RUNNER_PAUSED,   /* waiting before it goes on */
    WEIR_RUNNER_STOPPED,  /* an event cannot be folded: it needs an operator, and is tried again */
};

struct weir_projection_source {
    const char *service;
    char *stream;
    char position[48]; /* id of the last entry applied; "": none */
    char next[48];     /* the same after the batch in hand */
    char reported[48]; /* as last written to the source's readers */
};

struct weir_runner_load {
    struct weir_runner *runner;
    size_t hash; /* in the snapshot */
};

struct weir_runner {
    const char *name;
    struct weir_service *service;  /* whose read models these are */
    struct weir_service *handlers; /* routes only: which handler folds which event */
    struct weir_runtime *runtime;
    struct weir_projection_source sources[WEIR_PROJECTION_SOURCES_MAX];
    size_t source_count;
    enum weir_runner_state state;
    struct weir_link link; /* of its own: reading waits */
    ev_timer pause;
    unsigned failures;
    int64_t reported_at; /* monotonic ms */
    bool stopping;
    char checkpoint[512];
    char reader_name[200]; /* "<view>/<projection>" */
    /* The batch in hand. */
    struct weir_folded {
        weir_message *message;
        size_t source;
        char *problem; /* why it cannot be understood; NULL: it is */
    } batch[WEIR_PROJECTION_BATCH * WEIR_PROJECTION_SOURCES_MAX];
    size_t batch_count;
    size_t answers_owed;
    struct weir_error load_error;
    struct weir_runner_load *loads;
    size_t load_capacity;
    struct weir_context context;
    struct weir_effects effects;
    struct weir_snapshot snapshot;
    struct weir_commit commit;
    const char *commit_head[1 + 3 * WEIR_PROJECTION_SOURCES_MAX];
    char commit_streams[8];
    uint64_t applied;
    char stopped_by[256]; /* why it goes no further; said once */
};

#endif
