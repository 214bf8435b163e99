/* Sagas that have been started and have not begun: their start waits in an inbox, or was refused.
 */
#ifndef WEIR_COMMANDS_UNBEGUN_H
#define WEIR_COMMANDS_UNBEGUN_H

#include "base/text.h"
#include "commands/command.h"

enum weir_unbegun_kind {
    WEIR_UNBEGUN_NOT,     /* nothing is known of such a start */
    WEIR_UNBEGUN_INBOX,   /* no coordinator has read it, or one is at it */
    WEIR_UNBEGUN_HELD,    /* as many sagas are in flight as may be */
    WEIR_UNBEGUN_REFUSED, /* it is a dead letter */
};

struct weir_unbegun {
    enum weir_unbegun_kind kind;
    int64_t sent_at;    /* ms */
    int64_t before_it;  /* starts that come before it in its inbox */
    bool all_looked_at; /* NOT: nothing was left out */
    json_t *definition; /* a text, or null */
    json_t *data;
    json_t *reason, *letter; /* REFUSED */
};

/* Looks for the start of a saga that has no hash. Bounded: the first 10,000 of each inbox, the
 * newest 1,000 dead letters. To be closed in any case. */
WEIR_CHECKED enum weir_status weir_unbegun_find(struct weir_session *session, const char *saga,
                                                struct weir_unbegun *found,
                                                struct weir_error *error);
/* The line that says why it has not begun; appended. `now_ms` 0: without how long. */
void weir_unbegun_append(struct weir_text *line, const struct weir_unbegun *found, int64_t now_ms);
void weir_unbegun_close(struct weir_unbegun *found);

#endif
