/* What operators have done, for those who ask later: the stream {weir}:actions.
 *
 * A command that changes something says so by weir_act before it asks the server for the first
 * change; when its run is over, one entry is written: the time is the entry's id; `who`; `via`
 * (weir, dashboard); `action`, the command's words ("resume", "dead replay"); `target`; `details`,
 * the flags that were given as JSON, without data; `outcome`. Starting sagas and sending messages
 * is the system's daily work and not recorded.
 *
 * The record lies in another slot than what is changed, so that both cannot be one step. It is
 * written behind the action because only then its outcome is known; a run over many targets leaves
 * an entry "begun" before it, too. That an action could not be recorded is told, and undoes
 * nothing. */
#ifndef WEIR_COMMANDS_ACTION_H
#define WEIR_COMMANDS_ACTION_H

#include "commands/command.h"

#define WEIR_ACTIONS_KEPT "10000" /* about so many; the oldest go */

/* Whether --as may be a name: WEIR_EXIT_FINE or the code. */
WEIR_CHECKED int weir_action_check(const struct weir_session *session);

/* Notes that something is about to be changed: what ("dead replay"; a constant) and where. A later
 * call takes the place of one before. */
void weir_act(struct weir_session *session, const char *action, const char *target_format, ...)
    WEIR_PRINTF(3, 4);
/* The same for each of several targets: the first is named alone, several as "12 sagas", and the
 * first hundred of them in the details, with how many are `unnamed`. `where`: what stands before
 * them ("payments "), or "". */
void weir_act_on(struct weir_session *session, const char *action, const char *where,
                 const char *nouns, const char *target);
/* A member of the details, beside the flags. */
void weir_act_detail(struct weir_session *session, const char *name, json_t *value_take);
/* How it has ended, where the exit code does not say enough. */
void weir_act_outcome(struct weir_session *session, const char *format, ...) WEIR_PRINTF(2, 3);
/* Who acts, as it is recorded. */
char *weir_act_who(const struct weir_session *session, char *who, size_t room);

/* Writes an entry with the outcome "begun" at once: before a run over these targets, strings. What
 * is told by weir_act_on from then on counts anew. */
void weir_act_begun(struct weir_session *session, const char *action, const char *where,
                    const char *nouns, const json_t *targets);
/* Writes the entry where weir_act was called, and begins anew: run.c does so at the end, a command
 * that does one thing after the other after each. */
void weir_action_record(struct weir_session *session, int code);

#endif
