/* Runs commands one after the other in a thread of its own, over a connection that is kept, so that
 * the event loop never waits for the server. */
#ifndef WEIR_DASHBOARD_CLERK_H
#define WEIR_DASHBOARD_CLERK_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "dashboard/route.h"

/* How a run has ended. */
struct weir_run {
    int code;      /* the command's exit code */
    bool reached;  /* the server has answered to the end */
    bool missing;  /* what was asked for is not there */
    bool unknown;  /* whether what was to be changed has been: an answer was lost */
    int64_t at_ms; /* by the server's clock; 0: not known */
    int64_t took_ms;
    char *result; /* JSON without line ends; NULL: none */
    size_t length;
    char *no_master; /* the server has become a replica: the sentence; NULL: it has not */
    char *remarks;   /* sentences, without "weir: ", joined by "; "; NULL: none */
};
void weir_run_close(struct weir_run *answer);

struct weir_job {
    struct weir_words words; /* the caller's; not touched between submit and done */
    struct weir_run answer;
    /* From the loop, once for each job that was taken. */
    void (*done)(struct weir_job *job);
    void *user;
    struct weir_job *next; /* the clerk's */
};

struct weir_clerk;

/* At most `waiting_max` jobs wait. The URL has been checked; it and the prefix are borrowed. NULL
 * and an error. */
struct weir_clerk *weir_clerk_open(struct ev_loop *loop, const char *redis, const char *prefix,
                                   size_t waiting_max, struct weir_error *error);
/* False: too many wait. */
WEIR_CHECKED bool weir_clerk_submit(struct weir_clerk *clerk, struct weir_job *job);
/* Lets the job in hand come to its end, for limit_ms at most; jobs that wait are not begun. `done`
 * is not called any more. False where the thread still hangs on its server: then its memory stays,
 * and the process has to end. Jobs are the caller's again except, then, the one in hand. */
bool weir_clerk_close(struct weir_clerk *clerk, int64_t limit_ms);

#endif
