/* The decisions of a saga: (definition, state, input, now, chance) → (state, effects).
 * Pure: no Redis, no loop, no clock, no JSON. Everything that the coordinator does about a saga
 * is decided here.
 *
 *   saga   running ──> completed
 *          running ──> compensating ──> compensated
 *          running or compensating ──> suspended (an operator is needed)
 *   step   pending ──> running ──> succeeded | failed | timed-out
 *          succeeded | timed-out | failed, but unknown ──> compensating ──> compensated
 *
 * Three outcomes: a step succeeded, was refused (failed: it has had no effect), or is unknown
 * (no answer within its attempts, or an answer that says so). What is unknown is compensated; the
 * participant bars a step whose compensation came first, so that undoing it is always safe.
 */
#ifndef WEIR_SAGA_TRANSITION_H
#define WEIR_SAGA_TRANSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/status.h"
#include "saga/definition.h"

enum weir_saga_state {
    WEIR_SAGA_NONE, /* not started */
    WEIR_SAGA_RUNNING,
    WEIR_SAGA_COMPENSATING,
    WEIR_SAGA_COMPLETED,
    WEIR_SAGA_COMPENSATED,
    WEIR_SAGA_SUSPENDED,
};

enum weir_step_state {
    WEIR_STEP_PENDING,
    WEIR_STEP_RUNNING,
    WEIR_STEP_SUCCEEDED,
    WEIR_STEP_FAILED,
    WEIR_STEP_TIMED_OUT,
    WEIR_STEP_COMPENSATING,
    WEIR_STEP_COMPENSATED,
    WEIR_STEP_SKIPPED,
};

enum weir_step_action { WEIR_STEP_EXECUTE, WEIR_STEP_COMPENSATE };

/* The words of the contract ("timed-out"); never NULL. */
const char *weir_saga_state_text(enum weir_saga_state state);
const char *weir_step_state_text(enum weir_step_state state);
const char *weir_step_action_text(enum weir_step_action action);
/* The reverse; false where the word is none of them. */
WEIR_CHECKED bool weir_saga_state_parse(const char *text, size_t length, enum weir_saga_state *out);
WEIR_CHECKED bool weir_step_state_parse(const char *text, size_t length, enum weir_step_state *out);
WEIR_CHECKED bool weir_step_action_parse(const char *text, size_t length,
                                         enum weir_step_action *out);

/* Bytes of a reason or an error; what is longer is cut between two characters. */
#define WEIR_SAGA_TEXT_MAX 512

/* One step of one saga. Texts are owned by the struct (malloc), NULL while there is none. */
struct weir_step_record {
    enum weir_step_state state;
    unsigned attempts;              /* commands sent for execute */
    unsigned compensation_attempts; /* commands sent for compensate */
    unsigned number;                /* of the current command id: 1, then 2 for "#2", …; 0: none.
                                     * Begins again at 1 when the action changes. */
    bool waiting_to_send; /* backing off: the next attempt goes out at due_at; else the command is
                             with the service and due_at is its time limit */
    bool unsent;          /* `number` is new and has not gone out yet: no reply can answer it */
    bool may_have_effect; /* failed, but unknown: it has to be compensated all the same */
    int64_t sent_at;      /* ms, of the last command; 0: never */
    int64_t ended_at;     /* ms, when the present state was reached, where it is an end; 0 */
    int64_t due_at;       /* ms; 0: nothing is due */
    char *result;         /* JSON object */
    char *error;          /* the last refusal's reason */
};

/* One saga. Zeroed by weir_saga_init; filled by the coordinator from the saga's hash. */
struct weir_saga {
    enum weir_saga_state state;
    enum weir_saga_state suspended_from; /* where a resumed saga goes back to */
    char *reason;                        /* why it compensates or is suspended; NULL */
    int64_t started_at, updated_at, ended_at, deadline; /* ms; 0: none */
    int64_t revision;
    size_t step_count;
    struct weir_step_record *steps; /* as many as the definition has */
};

WEIR_CHECKED enum weir_status weir_saga_init(struct weir_saga *saga,
                                             const struct weir_saga_definition *definition);
void weir_saga_close(struct weir_saga *saga);

enum weir_saga_input_kind {
    WEIR_SAGA_START,
    WEIR_SAGA_REPLY,
    WEIR_SAGA_WAKE, /* the saga's timer: something may be due */
};

struct weir_saga_input {
    enum weir_saga_input_kind kind;
    /* REPLY */
    size_t step;
    enum weir_step_action action;
    unsigned number; /* of the command that is answered; 0: not said, taken as the current */
    bool succeeded;
    bool unknown;       /* with !succeeded: it may have taken effect all the same */
    const char *result; /* JSON object, borrowed; with succeeded */
    const char *reason; /* text, borrowed; with !succeeded */
};

/* What became of the input. */
enum weir_saga_verdict {
    WEIR_SAGA_MOVED, /* the saga has changed: write it, carry out the effects */
    WEIR_SAGA_STALE, /* late, repeated, for an ended saga, not due yet: nothing has changed */
};

enum weir_saga_event {
    WEIR_SAGA_STARTED,
    WEIR_SAGA_EVENT_COMPLETED,
    WEIR_SAGA_EVENT_COMPENSATING,
    WEIR_SAGA_EVENT_COMPENSATED,
    WEIR_SAGA_EVENT_SUSPENDED,
};
/* "SagaStarted", …; never NULL. */
const char *weir_saga_event_text(enum weir_saga_event event);

struct weir_saga_send {
    size_t step;
    enum weir_step_action action;
    unsigned number;  /* for the command's id: "#<number>" from 2 on */
    unsigned attempt; /* 1 for the first command of this action */
};

struct weir_saga_effects {
    uint64_t changed_steps; /* bit i: record i has changed */
    size_t send_count;
    struct weir_saga_send sends[WEIR_SAGA_STEPS_MAX];
    size_t event_count;
    enum weir_saga_event events[4]; /* in order */
    int64_t wake_at; /* ms: when the saga wants to be woken; 0: never (it has ended, or only an
                        operator can move it) */
};

/* Applies one input. With WEIR_SAGA_MOVED `saga` holds the new state (revision + 1, updated_at =
 * now) and `effects` all there is to do; with WEIR_SAGA_STALE `saga` is unchanged and effects
 * hold only wake_at, as it stands. `effects` need not be initialised. Negative: a weir_status
 * with its sign changed; memory ran out, or `saga` does not fit `definition` or was led to a move
 * that the tables do not list, and it is to be thrown away. */
WEIR_CHECKED int weir_saga_advance(const struct weir_saga_definition *definition,
                                   struct weir_saga *saga, const struct weir_saga_input *input,
                                   int64_t now, struct weir_random *random,
                                   struct weir_saga_effects *effects);

#endif
