/* From decisions to effects: a transition as the commit of a handler. */
#ifndef WEIR_SAGA_CARRY_OUT_H
#define WEIR_SAGA_CARRY_OUT_H

#include "saga/transition.h"
#include "service/context.h"

/* One saga under one message. */
struct weir_saga_case {
    weir_context *context;
    const struct weir_saga_definition *definition;
    struct weir_saga *saga;
    const char *id;
    const char *key;         /* "saga:<id>" */
    const char *data;        /* its data as JSON text */
    const char *traceparent; /* NULL: none */
    int64_t retention_ms;
};

/* The data of the commands that a transition sends, in the order of its effects; owned. */
struct weir_saga_commands {
    size_t count;
    char *data[WEIR_SAGA_STEPS_MAX];
};

/* Makes up the data of all commands. One that cannot be made up is given back to the transition,
 * which draws the consequences and may send others instead. Negative as from weir_saga_advance. */
WEIR_CHECKED int weir_saga_commands_compose(struct weir_saga_commands *commands,
                                            const struct weir_saga_case *one,
                                            struct weir_saga_effects *effects,
                                            struct weir_random *random);
void weir_saga_commands_close(struct weir_saga_commands *commands);

/* Queues everything that the transition asks for. `before` is the state that it came from. */
void weir_saga_carry_out(const struct weir_saga_case *one, enum weir_saga_state before,
                         const struct weir_saga_effects *effects,
                         const struct weir_saga_commands *commands);
/* Sets the saga's timer anew, or takes it away (wake_at 0). */
void weir_saga_set_timer(const struct weir_saga_case *one, int64_t wake_at);

#endif
