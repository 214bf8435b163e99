/* From decisions to effects: a transition as part of a commit. Whoever has decided carries it out:
 * the coordinator, or the worker whose step has ended. */
#ifndef WEIR_SAGA_CARRY_OUT_H
#define WEIR_SAGA_CARRY_OUT_H

#include "base/log.h"
#include "message/effects.h"
#include "message/message_log.h"
#include "redis/snapshot.h"
#include "saga/transition.h"

/* One saga under one message. All is borrowed. */
struct weir_saga_case {
    const struct weir_saga_definition *definition;
    struct weir_saga *saga;
    const char *id;
    const char *key;                  /* whole */
    const struct weir_loaded *stored; /* what its hash held; NULL: it begins */
    const char *data;                 /* its data as JSON text */
    const char *traceparent;          /* NULL: none */
    int64_t now;                      /* ms of the server's clock */
    bool timer_consumed;              /* its timer is the message in hand, and has to be set anew */
    /* How and where it is written. */
    struct weir_effects *effects;
    const char *prefix;
    size_t data_max;         /* bytes of a message's data */
    int64_t command_life_ms; /* commands have no effect any more after that */
    int64_t retention_ms;    /* of its hash, once it has ended; 0: for ever */
};

/* How long an ended saga stays, unless its hash says otherwise in the field `retention` (ms). */
#define WEIR_SAGA_RETENTION_MS (INT64_C(7) * 24 * 60 * 60 * 1000)

/* Takes from the saga's hash what of the saga is not its state. How long it stays is what the hash
 * says: who has moved it without leaving a record relied on that, and another setting of a
 * coordinator is for sagas that begin with it. */
void weir_saga_case_take(struct weir_saga_case *one, const struct weir_loaded *stored);

/* The data of the commands that a transition sends, in the order of its effects; owned. */
struct weir_saga_commands {
    size_t count;
    char *data[WEIR_SAGA_STEPS_MAX];
    bool given_back; /* one could not be made up: the transition is another than before */
};

/* Makes up the data of all commands. One that cannot be made up is given back to the transition,
 * which draws the consequences and may send others instead. Negative as from weir_saga_advance. */
WEIR_CHECKED int weir_saga_commands_compose(struct weir_saga_commands *commands,
                                            const struct weir_saga_case *one,
                                            struct weir_saga_effects *effects,
                                            struct weir_random *random);
void weir_saga_commands_close(struct weir_saga_commands *commands);

/* Queues what a saga's hash holds from the beginning to the end: of what it is made. `checksum` is
 * its definition's. */
void weir_saga_write_origin(const struct weir_saga_case *one, uint32_t checksum);

/* Whether the saga's timer has to be set anew, or taken away. Its timer is never later than the
 * saga wants to be woken, and mostly earlier: it is left where it is while the saga's next moment
 * only moves on, and a saga that is woken early sets it again. */
bool weir_saga_timer_changes(const struct weir_saga_case *one,
                             const struct weir_saga_effects *effects);

/* Queues everything that the transition asks for, under the expectation that the saga is still as
 * `stored` says. `before` is the state that it came from. */
void weir_saga_carry_out(const struct weir_saga_case *one, enum weir_saga_state before,
                         const struct weir_saga_effects *effects,
                         const struct weir_saga_commands *commands);
/* The saga must still have the revision that was read. */
void weir_saga_expect_revision(const struct weir_saga_case *one);
/* Sets the saga's timer anew, or takes it away (wake_at 0). */
void weir_saga_set_timer(const struct weir_saga_case *one, int64_t wake_at);

/* A change of a saga's state that a commit will make: kept beside the commit and told once its
 * answer is known, because commits are refused and outrun. One block: free() is enough. */
struct weir_saga_moved {
    enum weir_saga_state from, to;
    char id[160], definition[80]; /* cut where longer */
    char trace[WEIR_TRACE_ROOM];  /* "": none */
    char reason[];                /* "": none */
};

/* NULL: the state is still `before`; or there is no memory, which costs the line alone. Owned. */
struct weir_saga_moved *weir_saga_moved(const struct weir_saga_case *one,
                                        enum weir_saga_state before);
void weir_saga_log_moved(struct weir_log *log, const struct weir_saga_moved *moved);

#endif
