/* A saga and the services around it in one small world, moved by one event at a time: commands are
 * served in any order and as often as one likes, answers arrive late, doubled or never, time
 * passes, operators and signals come when they want. The services follow the participant's
 * decisions, by what is recorded and by what the saga tells; they reply, or move the saga
 * themselves, with or without a record. Each event is checked against the rules of sagas; none of
 * them is taken from the engine. */
#ifndef TEST_SUPPORT_SAGA_WORLD_H
#define TEST_SUPPORT_SAGA_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "saga/transition.h"

#define WORLD_STEPS_MAX 12
#define WORLD_NUMBERS_MAX 15 /* commands of one action under different numbers */

enum world_outcome { WORLD_OK, WORLD_REFUSED, WORLD_UNKNOWN, WORLD_UNKNOWN_BUT_DONE };

enum world_event_kind {
    WORLD_START,
    WORLD_SERVE, /* a service takes a command, for the first time or again */
    WORLD_REPLY, /* an answer arrives, for the first time or again */
    WORLD_WAKE,  /* time passes until the saga's timer */
    WORLD_CANCEL,
    WORLD_RESUME,
    WORLD_SIGNAL,
};

/* Everything that has no meaning for the kind is zero. */
struct world_event {
    uint8_t kind;
    uint8_t step;
    uint8_t action;  /* SERVE, REPLY */
    uint8_t number;  /* SERVE, REPLY: of the command */
    uint8_t outcome; /* SERVE: what comes of it; REPLY: which answer */
    bool unnumbered; /* REPLY: does not say to which number */
    bool skip;       /* RESUME */
    bool forged;     /* REPLY: to the next number, which has not gone out */
    bool unsendable; /* any input: the first command that follows from it cannot be made up */
    bool moves;      /* SERVE: the service moves the saga itself, if it may; else it replies */
    bool recorded;   /* SERVE, with `moves`: and leaves a record all the same */
};

/* What is true at the service of one step, whatever the saga believes. */
struct world_service {
    bool has_effect, was_unknown;
    struct world_end {
        uint8_t outcome; /* an enum weir_step_outcome */
        uint8_t number;
    } ends[2];                                 /* by action: the step's record */
    uint8_t answers[2][WORLD_NUMBERS_MAX + 1]; /* by action and number: a bit for each outcome */
    uint16_t handled[2]; /* by action: a bit for each number under which the handler has ended */
    bool succeeded[2];   /* by action */
};

/* What the saga has been seen to do about one step. */
struct world_seen {
    uint8_t sent[2];    /* the highest number that went out, by action */
    uint8_t refused[2]; /* the highest number whose refusal was heard */
    bool cleanly_refused, skipped_by_operator;
};

struct world {
    const struct weir_saga_definition *definition;
    struct weir_saga saga;
    struct weir_saga_effects effects; /* of the last input */
    struct weir_random random;
    int64_t now, wake_at;
    int64_t timer_at; /* when the saga's timer rings: never behind wake_at; 0: there is none */
    int verdict;      /* of the last input; -1: the event was none */
    unsigned turned_back;
    bool took_back; /* a command of the last input could not be made up */
    uint8_t resumes_left, unsendables_left;
    bool services_move; /* moves are among the events that world_events lists */
    bool bar_is_broken; /* a planted defect: the services execute what they have barred */
    bool deaf;          /* another: the services know their records alone */
    bool late_timer;    /* another: who moves a saga never sets its timer */
    struct world_service services[WORLD_STEPS_MAX];
    struct world_seen seen[WORLD_STEPS_MAX];
    char violation[200]; /* the rule that was broken; empty */
};

void world_open(struct world *world, const struct weir_saga_definition *definition,
                unsigned resumes, unsigned unsendables);
void world_close(struct world *world);

/* False: the event has no meaning now, and nothing has happened. Whatever breaks a rule is left in
 * `violation`. */
bool world_apply(struct world *world, const struct world_event *event);

/* All events that have a meaning now, each once; the number of them. */
size_t world_events(const struct world *world, struct world_event *events, size_t room);

/* What can matter for the future, and nothing else, as bytes: two worlds with the same bytes have
 * the same future. Returns their number. */
size_t world_essence(const struct world *world, uint8_t *bytes, size_t room);

/* A copy with texts of its own. */
void world_copy(struct world *to, const struct world *from);

/* "reply pay execute #2 ok" and so on; false where a line is none of them. */
void world_event_write(const struct world *world, const struct world_event *event,
                       struct weir_text *out);
bool world_event_parse(const struct weir_saga_definition *definition, const char *line,
                       struct world_event *event);
/* What the last event has led to: "running: a succeeded; execute b#1/1; SagaStarted". */
void world_put_into_words(const struct world *world, struct weir_text *out);

#endif
