/* Things to be done on the server by question and answer, many side by side over one blocking
 * client: in each turn all that have something to ask are asked about at once.
 *
 *     handed in → asks → takes the answers → … waits … → asks → … → ends → is answered for
 */
#ifndef WEIR_CALL_ERRAND_H
#define WEIR_CALL_ERRAND_H

#include "call/hearing.h"
#include "redis/pipeline.h"

struct weir_errand;

/* What it is counted as. */
enum weir_counts {
    WEIR_COUNTS_NOTHING,
    WEIR_COUNTS_STARTING,
    WEIR_COUNTS_STANDING,
    WEIR_COUNTS_SENDING,
    WEIR_COUNTS_CURRENT,
    WEIR_COUNTS_READING,
    WEIR_COUNTS_LAYING_DOWN,
    WEIR_COUNTS,
};

/* Who has ended it. */
enum weir_errand_end {
    WEIR_ERRAND_ANSWERED,    /* the server, by whatever answer; or we, as it is malformed */
    WEIR_ERRAND_TIMED_OUT,   /* its limit, or the end of all */
    WEIR_ERRAND_UNREACHABLE, /* the server could not be asked */
    WEIR_ERRAND_ENDS,
};

/* What kinds of errands differ in. None blocks. */
struct weir_errand_kind {
    enum weir_counts counts;
    /* Lays down what it wants to know now. */
    void (*ask)(struct weir_errand *errand, const char *prefix, struct weir_pipeline *pipeline);
    /* Takes the answers to what it has asked, as many as it has asked; then it has ended, or its
     * `wake` says when it asks again. Not called where the exchange has failed. */
    void (*take)(struct weir_errand *errand, const struct weir_client *client,
                 redisReply *const *replies, size_t count);
    /* The connection was lost: what it has sent may be gone, or an answer. NULL: it only asks. */
    void (*lost)(struct weir_errand *errand);
    /* Ends it without an outcome: its time is over, or the server cannot be reached. */
    void (*give_up)(struct weir_errand *errand, const char *why);
    /* A saga's event or a start's dead letter was heard. NULL: does not concern it. */
    void (*hear)(struct weir_errand *errand, const struct weir_heard *heard);
    /* Takes a newcomer of the same kind that asks the same, which is then answered together with
     * it. NULL, or false: it does not. */
    bool (*join)(struct weir_errand *errand, struct weir_errand *newcomer_take);
    /* Hands what has ended on to another errand, which is counted and answered in its place, and
     * frees it. NULL, or false: it does not. */
    bool (*hand_on)(struct weir_errand *errand_take);
    /* Hands the outcome over and frees the errand. */
    void (*answer)(struct weir_errand *errand_take);
};

struct weir_errand {
    const struct weir_errand_kind *kind;
    struct weir_errand *next;
    int64_t deadline; /* monotonic ms */
    int64_t wake;     /* when it asks; set by those who make it wait */
    int64_t begun_ns;
    size_t asked;  /* in this turn */
    size_t weight; /* it, and those that are answered with it; 0: no user's, it takes no place */
    bool sent;     /* something of it may have reached the server: it outlives a lost connection */
    bool ended;
    bool heard;     /* where the server could not be asked: it has answered all the same */
    bool denied;    /* the same: it wants another user or password */
    bool no_master; /* it has seen that the server is none: the connection is left */
    enum weir_errand_end end;
};

/* Begins an errand that asks at once. */
void weir_errand_begin(struct weir_errand *errand, const struct weir_errand_kind *kind,
                       int64_t limit_ms);

#endif
