/* Notices that the server has gone back in time: it no longer knows commits that it has answered,
 * because it was restarted with an older file, a replica that lagged was promoted, or it was
 * flushed.
 *
 * A server that loses data loses the newest part of its history and nothing else. So the worker
 * lets a number on the server grow behind its commits, WEIR_WITNESS_EVERY_MS apart at the least and
 * only while there are commits. After each reconnection, and where a group was missing, it lets it
 * grow once more: an answer that is not beyond the last one tells the loss, and the commits that
 * were answered behind the last number that is left are named in the log. What is lost between two
 * numbers stays unnoticed. */
#ifndef WEIR_SERVICE_WITNESS_H
#define WEIR_SERVICE_WITNESS_H

#include "redis/entry_id.h"
#include "service/service.h"
#include "stream/periodic.h"

#define WEIR_WITNESS_EVERY_MS 10
#define WEIR_WITNESS_GONE_MS 60000 /* silent for so long, a worker is forgotten by others */
#define WEIR_WITNESS_COMMITS 1024  /* so many are remembered, the newest */

struct weir_witnessed {
    const char *stream; /* borrowed from the worker */
    char entry[WEIR_ENTRY_ID_MAX];
    char saga[132];    /* "": none */
    int64_t confirmed; /* the number that was known when this commit was answered */
};

struct weir_witness {
    const struct weir_runtime *runtime;
    struct weir_periodic calls;
    char key[512];
    char name[160];     /* of this process: another may have the same consumer */
    int64_t confirmed;  /* the last number answered; 0: none yet */
    int64_t sent_at;    /* monotonic ms of the last call */
    int64_t heard_at;   /* monotonic ms of the last sign that the server knew us */
    bool wanted;        /* something was committed, or the server may have changed */
    bool silent;        /* for so long that others may have taken this worker for gone */
    uint64_t committed; /* commits noted */
    struct weir_witnessed commits[WEIR_WITNESS_COMMITS]; /* a ring; commits[committed % MAX] next */
    uint64_t went_back;                                  /* counter */
};

void weir_witness_init(struct weir_witness *witness, const struct weir_runtime *runtime);
void weir_witness_start(struct weir_witness *witness);
void weir_witness_stop(struct weir_witness *witness);
/* A commit of this message, or of events up to this entry, has been answered: the number follows.
 * `stream` outlives the witness; `saga` may be NULL. */
void weir_witness_note(struct weir_witness *witness, const char *stream, const char *entry,
                       const char *saga);
/* The server may be another, or not be what it was. */
void weir_witness_doubt(struct weir_witness *witness);
/* A sign of life was answered. */
void weir_witness_heard(struct weir_witness *witness);

#endif
