/* The decisions of a saga: (definition, state, input, now, chance) → (state, effects).
 * Pure: no Redis, no loop, no clock, no JSON. Everything that is done about a saga is decided
 * here, whoever moves it.
 *
 *   saga   running ──> completed
 *          running ──> compensating ──> compensated
 *          running or compensating ──> suspended (an operator is needed) ──> back
 *   step   pending ──> running ──> succeeded | failed | timed-out
 *          succeeded | timed-out | failed, but unknown ──> compensating ──> compensated
 *          running or compensating ──> skipped (by an operator)
 *
 * Three outcomes: a step succeeded, was refused (failed: it has had no effect), or is unknown
 * (no answer within its attempts, or an answer that says so). What is unknown is compensated; the
 * participant bars a step whose compensation came first, so that undoing it is always safe.
 *
 * The pivot divides a saga: from the moment its command is sent until it is refused the saga is
 * committed and goes only forward. What cannot be brought about then is stuck: the saga is
 * suspended until an operator decides, or until the answer comes after all.
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

/* Bytes of a signal's data. */
#define WEIR_SAGA_SIGNAL_MAX (16 * 1024)

/* One step of one saga. Texts are owned by the struct (malloc), NULL while there is none. */
struct weir_step_record {
    enum weir_step_state state;
    unsigned attempts;              /* commands sent for execute */
    unsigned compensation_attempts; /* commands sent for compensate */
    unsigned number;                /* of the current command id: 1, then 2 for "#2", …; 0: none.
                                     * Begins again at 1 when the action changes. */
    unsigned forgiven;              /* attempts of the present action that no longer count against
                                     * its limit: those before an operator's retry */
    bool waiting_to_send; /* backing off: the next attempt goes out at due_at; else the command is
                             with the service and due_at is its time limit */
    bool unsent;          /* `number` is new and has not gone out yet: no reply can answer it */
    bool may_have_effect; /* failed, but unknown: it has to be compensated all the same */
    int64_t sent_at;      /* ms, of the last command; 0: never */
    int64_t ended_at;     /* ms, when the present state was reached, where it is an end; 0 */
    int64_t due_at;       /* ms; 0: nothing is due */
    int64_t late_at;      /* ms, when the command's success was heard after the saga had given it
                             up; 0: never */
    char *result;         /* JSON object; never NULL once the step has succeeded */
    char *error;          /* the last refusal's reason */
    char *signal;         /* JSON object: the signal that the step will wait for has come before */
    char *awaits;         /* words: its success has been heard, but has not reached that yet */
    int64_t heard_at;     /* ms, when it was; 0 */
};

/* One saga. Zeroed by weir_saga_init; filled from the saga's hash. */
struct weir_saga {
    enum weir_saga_state state;
    enum weir_saga_state suspended_from; /* where a resumed saga goes back to */
    char *reason;                        /* why it compensates or is suspended; NULL */
    char *reason_before;                 /* while suspended: the reason to go back to; NULL */
    int64_t started_at, updated_at, ended_at, deadline; /* ms; 0: none */
    int64_t revision;
    size_t step_count;
    struct weir_step_record *steps; /* as many as the definition has */
};

WEIR_CHECKED enum weir_status weir_saga_init(struct weir_saga *saga,
                                             const struct weir_saga_definition *definition);
void weir_saga_close(struct weir_saga *saga);

/* True where the step waits for an operator, or an answer that comes after all: it is under way,
 * and nothing is due. */
bool weir_step_is_stuck(const struct weir_step_record *record);
/* Bit i: step i is stuck. */
uint64_t weir_saga_stuck_steps(const struct weir_saga *saga);
/* True while the saga goes only forward: no deadline fires and no CancelSaga is heard. */
bool weir_saga_is_committed(const struct weir_saga_definition *definition,
                            const struct weir_saga *saga);

enum weir_saga_input_kind {
    WEIR_SAGA_START,
    WEIR_SAGA_REPLY,
    WEIR_SAGA_WAKE,   /* the saga's timer: something may be due */
    WEIR_SAGA_CANCEL, /* an operator wants it undone */
    WEIR_SAGA_RESUME, /* an operator has decided about a step that is stuck */
    WEIR_SAGA_SIGNAL, /* something that a step waits for has happened */
};

struct weir_saga_input {
    enum weir_saga_input_kind kind;
    /* REPLY */
    size_t step;
    enum weir_step_action action;
    unsigned number; /* of the command that is answered; 0: not said, taken as the current */
    bool succeeded;
    bool unknown;            /* with !succeeded: it may have taken effect all the same */
    const char *result;      /* JSON object, borrowed; with succeeded */
    const char *unconfirmed; /* with succeeded: words for what it has not reached yet, "1 replica",
                                borrowed; NULL: it counts. Otherwise it only renews the step's time
                                limit, and is to be heard again */
    const char *reason;      /* text, borrowed; with !succeeded, and of CANCEL; may be NULL */
    /* RESUME, SIGNAL */
    const char *name; /* borrowed: of the step; of the signal */
    bool skip;        /* RESUME: take the step as done, or as undone, instead of trying again */
    const char *data; /* SIGNAL: JSON object, borrowed; NULL: empty */
};

/* What became of the input. */
enum weir_saga_verdict {
    WEIR_SAGA_MOVED,   /* the saga has changed: write it, carry out the effects */
    WEIR_SAGA_STALE,   /* late, repeated, for an ended saga, not due yet: nothing has changed */
    WEIR_SAGA_REFUSED, /* asked for what cannot be: nothing has changed, effects say why */
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
    bool is_new;      /* nothing has gone out under this number before */
};

struct weir_saga_effects {
    uint64_t changed_steps; /* bit i: record i has changed */
    size_t send_count;
    struct weir_saga_send sends[WEIR_SAGA_STEPS_MAX];
    size_t event_count;
    enum weir_saga_event events[4]; /* in order */
    int64_t wake_before;            /* ms: when the saga wanted to be woken until now; 0: never */
    int64_t wake_at;   /* ms: when it wants to be woken; 0: never (it has ended, or only an
                          operator can move it) */
    char refusal[256]; /* REFUSED: one sentence, for whoever asked */
};

/* Applies one input. With WEIR_SAGA_MOVED `saga` holds the new state (revision + 1, updated_at =
 * now) and `effects` all there is to do; with WEIR_SAGA_STALE and WEIR_SAGA_REFUSED `saga` is
 * unchanged and effects hold only wake_at, as it stands, and the refusal. `effects` need not be
 * initialised. Negative: a weir_status with its sign changed; memory ran out, or `saga` does not
 * fit `definition` or was led to a move that the tables do not list, and it is to be thrown away.
 */
WEIR_CHECKED int weir_saga_advance(const struct weir_saga_definition *definition,
                                   struct weir_saga *saga, const struct weir_saga_input *input,
                                   int64_t now, struct weir_random *random,
                                   struct weir_saga_effects *effects);

/* Whether the reply is awaited: if it counts, it moves its step. */
bool weir_saga_awaits(const struct weir_saga *saga, const struct weir_saga_input *reply);

/* The data of a command that `effects` ask to be sent cannot be made up. To be called after
 * weir_saga_advance returned WEIR_SAGA_MOVED and before anything is written, with the same saga,
 * effects and now: takes that command back, which counts as never sent, and draws the
 * consequences. A step that may still be undone is failed with the reason, and with it the saga
 * compensates, for which the other commands of that transition that have become senseless are
 * taken back too; a compensation or a step behind the pivot is stuck. Then `saga` and `effects`
 * hold the whole transition (revision counts once), and may have sends that were not there before.
 * Returns as weir_saga_advance; WEIR_SAGA_STALE where effects send nothing for that step. */
WEIR_CHECKED int weir_saga_unsendable(const struct weir_saga_definition *definition,
                                      struct weir_saga *saga, size_t step, const char *reason,
                                      int64_t now, struct weir_random *random,
                                      struct weir_saga_effects *effects);

#endif
