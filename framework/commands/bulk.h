/* Runs over many targets that a filter has chosen: asking before, telling how far, being stopped.
 */
#ifndef WEIR_COMMANDS_BULK_H
#define WEIR_COMMANDS_BULK_H

#include "commands/command.h"

#define WEIR_BULK_OPTIONS                                                                          \
    {.name = "dry-run",                                                                            \
     .kind = WEIR_OPTION_FLAG,                                                                     \
     WEIR_SETTING(dry_run),                                                                        \
     .help = "only say what would be done"},                                                       \
    {                                                                                              \
        .name = "yes", .letter = 'y', .kind = WEIR_OPTION_FLAG, WEIR_SETTING(yes),                 \
        .help = "do not ask before what a filter has chosen is done"                               \
    }

/* What is done to the targets, in words: "resume", "resumed", "sagas". */
struct weir_bulk {
    const char *verb, *done, *noun, *nouns;
    size_t total, did, failed;
    size_t needless; /* there was nothing to do about them */
    bool chosen;     /* by a filter, not named one by one */
    bool drawn;      /* a line that is drawn over stands on the terminal */
};

/* Names the first of `names` and asks on a terminal, elsewhere wants --yes: WEIR_EXIT_FINE, or the
 * code after the sentence has been printed. Those that were named one by one need no asking. */
WEIR_CHECKED int weir_bulk_ask(struct weir_session *session, const struct weir_bulk *bulk,
                               const json_t *names);
/* How far it is, on a terminal. */
void weir_bulk_show(struct weir_bulk *bulk);
/* Whether Ctrl-C has been pressed. */
bool weir_bulk_stopped(void);
/* "10 of 12 sagas resumed, 1 needed nothing, 1 failed", to the remarks where there are several, and
 * as the action's outcome. */
void weir_bulk_end(struct weir_session *session, struct weir_bulk *bulk);

#endif
