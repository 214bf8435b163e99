/* A service's part in a saga: what to do with a command, given what became of the step before.
 * Pure.
 *
 * What became of a step is written in the commit that ends it, together with its effects: into the
 * saga itself, where the worker moves the saga in the same commit, or else into the service's own
 * record of the step: a hash with a field for each action that has come to an end ("execute",
 * "compensate"): "<number> <outcome> <data>", number being that of the command's id (1, then 2 for
 * "#2", …), data the JSON of the answer. Both are read before the handler, and what was read is
 * checked again by the commit. So, whatever the order in which they come:
 *   - a repeated command is answered with its first outcome, never executed again;
 *   - a compensation that comes first, or alone, succeeds without calling the handler, and its
 *     record bars the step from then on;
 *   - of an execution and a compensation that race, one finds what the other has written;
 *   - what an operator has skipped is refused. */
#ifndef WEIR_SERVICE_PARTICIPANT_H
#define WEIR_SERVICE_PARTICIPANT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "base/text.h"

enum weir_step_outcome {
    WEIR_OUTCOME_NONE, /* not ended yet */
    WEIR_OUTCOME_SUCCEEDED,
    WEIR_OUTCOME_FAILED,  /* refused: it has had no effect */
    WEIR_OUTCOME_UNKNOWN, /* given up; it may have had an effect outside the server */
};

/* How an action has ended. `data` is borrowed from what it was read from. */
struct weir_step_end {
    enum weir_step_outcome outcome;
    unsigned number;
    struct weir_slice data;
};

enum weir_participant_verdict {
    WEIR_PARTICIPANT_HANDLE, /* call the handler */
    WEIR_PARTICIPANT_REPEAT, /* answer as in `answer`; record nothing */
    WEIR_PARTICIPANT_NULL,   /* compensation of what has not happened: record and answer success */
    WEIR_PARTICIPANT_BARRED, /* execution after compensation: answer failure; record nothing */
};

struct weir_participant_decision {
    enum weir_participant_verdict verdict;
    struct weir_step_end answer; /* REPEAT */
};

/* How both actions of a step have ended. */
struct weir_step_ends {
    struct weir_step_end execute, compensate;
};

/* `compensating` and `number` say what the command is. */
struct weir_participant_decision weir_participant_decide(const struct weir_step_ends *ends,
                                                         bool compensating, unsigned number);

/* A step's fields in the saga's hash, borrowed; NULL: not there. */
struct weir_step_fields {
    const char *state, *number, *unknown, *result, *error, *compensation_attempts;
};

/* What the saga tells of the ends: enough to know that a command must not be executed any more.
 * An end that it has not heard of is none. `room` takes the text of what has to be made up. */
struct weir_step_ends weir_step_ends_of_saga(const struct weir_step_fields *fields,
                                             bool compensating, unsigned number,
                                             struct weir_text *room);

/* Of what the record and the saga say of one action: a success is final, else the later command
 * counts. A refusal that is recorded may have been followed by what only the saga tells of. */
struct weir_step_end weir_step_end_of_both(struct weir_step_end recorded,
                                           struct weir_step_end told);

/* The number in a command's id: "<saga>/<step>/<action>" is 1, "…#3" is 3. NULL or without a
 * readable number: 1. */
unsigned weir_command_number(const char *id);

/* Whether a command's or a reply's id, if it has one, names the step that its fields name. */
bool weir_command_id_fits(const char *id, const char *saga, const char *step, const char *action);

/* Reads and writes a field of the record. Unreadable counts as not there. */
struct weir_step_end weir_step_end_parse(const char *field);
void weir_step_end_write(struct weir_text *out, const struct weir_step_end *end);

#endif
