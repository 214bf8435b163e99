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

/* After any event: what is true at the services fits what the saga says. */
void rules_check_world(struct world *world);

#endif
