/* A service's part in a saga: what to do with a command, given what became of the step before.
 * Pure.
 *
 * Each service keeps one record for each step of each saga: a hash with a field for each action
 * that has come to an end ("execute", "compensate"): "<number> <outcome> <data>", number being that
 * of the command's id (1, then 2 for "#2", …), data the JSON of the answer. It is written in the
 * commit that ends the action, together with its effects and its answer, and what was read of it
 * is checked again by that commit. So, whatever the order in which they come:
 *   - a repeated command is answered with its first outcome, never executed again;
 *   - a compensation that comes first, or alone, succeeds without calling the handler, and its
 *     record bars the step from then on;
 *   - of an execution and a compensation that race, one finds the other's record. */
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

/* One field of the record. `data` is borrowed from the field's text. */
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

/* `execute` and `compensate` are the record's fields (NULL: not there); `compensating` and
 * `number` say what the command is. */
struct weir_participant_decision weir_participant_decide(const char *execute,
                                                         const char *compensate, bool compensating,
                                                         unsigned number);

/* The number in a command's id: "<saga>/<step>/<action>" is 1, "…#3" is 3. NULL or without a
 * readable number: 1. */
unsigned weir_command_number(const char *id);

/* Reads and writes a field of the record. Unreadable counts as not there. */
struct weir_step_end weir_step_end_parse(const char *field);
void weir_step_end_write(struct weir_text *out, const struct weir_step_end *end);

#endif
