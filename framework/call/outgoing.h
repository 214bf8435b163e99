/* A command that a program which is no service sends, and what becomes of it. */
#ifndef WEIR_CALL_OUTGOING_H
#define WEIR_CALL_OUTGOING_H

#include "message/mark.h"
#include "redis/client.h"
#include "redis/entry_id.h"
#include "weir.h"

#define WEIR_RANDOM_ID_MAX 33 /* bytes with the final NUL */

/* All borrowed. */
struct weir_outgoing {
    const char *prefix, *service, *type;
    const char *id;   /* NULL: none, then its end cannot be waited for */
    const char *data; /* text of a JSON object; NULL: {} */
    int64_t delay_ms;
};

/* Writes an id that nobody else has. */
char *weir_random_id(char *id);

/* Whether the receiver will understand it: its own reader judges, so that nothing is sent that
 * would end as a dead letter. WEIR_INVALID or WEIR_TOO_LARGE with a sentence that begins with what
 * is wrong: "service", "type", "data", … */
WEIR_CHECKED enum weir_status weir_outgoing_check(const struct weir_outgoing *outgoing,
                                                  struct weir_error *error);
/* Puts it into the service's inbox; `entry` (WEIR_ENTRY_ID_MAX bytes) is its id there. */
WEIR_CHECKED enum weir_status weir_outgoing_send(const struct weir_outgoing *outgoing,
                                                 struct weir_client *client, char *entry,
                                                 struct weir_error *error);

/* Sends it, and waits until the mark of its id tells what became of it, for limit_ms at the most.
 * `fresh`: nobody has used the id before; else a mark that says done makes sending needless. The
 * answer is complete, the reason included. */
WEIR_CHECKED enum weir_call_result weir_outgoing_call(const struct weir_outgoing *outgoing,
                                                      struct weir_client *client, bool fresh,
                                                      int64_t limit_ms,
                                                      struct weir_call_answer *answer);

/* Of a command that is known to be done: waits until that is as durable as its service asks. The
 * answer is complete; UNKNOWN where it was not reached within the limit, or the mark is gone. */
WEIR_CHECKED enum weir_call_result weir_outgoing_confirm(const struct weir_outgoing *outgoing,
                                                         struct weir_client *client,
                                                         int64_t limit_ms,
                                                         struct weir_call_answer *answer);

/* What a mark says of the command that came as `entry` ("": none has been sent). */
enum weir_mark_verdict {
    WEIR_MARK_SAYS_NOTHING,
    WEIR_MARK_SAYS_DONE,
    WEIR_MARK_SAYS_REFUSED,
    WEIR_MARK_SAYS_UNKNOWN,
};
/* `any`: what became of another copy of this id counts as well. */
enum weir_mark_verdict weir_mark_judge(const struct weir_mark *mark, const char *entry, bool any);
/* The event that the mark names; none where it names none that could be waited for. */
void weir_call_take_token(struct weir_call_answer *answer, const struct weir_mark *mark);
/* One line of it. */
void weir_call_reason(struct weir_call_answer *answer, struct weir_slice reason);

#endif
