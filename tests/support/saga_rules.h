/* The rules that every history of a saga keeps, written down apart from the engine. */
#ifndef TEST_SUPPORT_SAGA_RULES_H
#define TEST_SUPPORT_SAGA_RULES_H

#include "support/saga_world.h"

/* What is compared after an input. */
struct rules_before {
    struct weir_saga saga;
    struct weir_step_record steps[WORLD_STEPS_MAX];
};

void rules_note(struct rules_before *before, const struct world *world);

/* After an input and the effects that follow from it: moves, events, commands. The commands are
 * taken into the world's books. A forged reply must change nothing. */
void rules_check_input(struct world *world, const struct rules_before *before,
                       const struct weir_saga_input *input, bool forged);

/* A timer that rings before anything is due: the saga stays as it is, and is due when it was. */
void rules_check_early_wake(struct world *world, const struct rules_before *before,
                            const struct weir_saga_input *wake, int64_t due);

/* Before a handler is called: its command has not been handled, the action not brought about, and
 * the step not been undone. */
void rules_check_handling(struct world *world, const struct world_event *event);
/* Before a compensation counts without its handler: there is nothing that it would have to undo. */
void rules_check_null(struct world *world, const struct world_event *event);

/* After any event: what is true at the services fits what the saga says. */
void rules_check_world(struct world *world);

#endif
