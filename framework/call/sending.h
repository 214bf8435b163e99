/* A command and what becomes of it, as an errand. */
#ifndef WEIR_CALL_SENDING_H
#define WEIR_CALL_SENDING_H

#include "call/errand.h"
#include "weir.h"

/* Waits beside until what is done is as durable as its service asks, and then calls `answered`: an
 * errand that goes on for `done`, within its limit. false: it cannot. */
typedef bool weir_sending_confirm(void *confirmer, const struct weir_errand *done,
                                  const struct weir_call_answer *answer, const char *service,
                                  weir_desk_called *answered, void *user);

struct weir_confirmer {
    weir_sending_confirm *confirm;
    void *user;
};

/* Copies the terms; `ended` is set where an argument is malformed. NULL: no memory. */
WEIR_CHECKED struct weir_errand *weir_sending_new(const struct weir_command_call *command,
                                                  const struct weir_confirmer *confirmer,
                                                  weir_desk_called *answered, void *user);

#endif
