/* Orders to sagas that have begun: cancel, resume, signal. */
#ifndef WEIR_COMMANDS_ORDER_H
#define WEIR_COMMANDS_ORDER_H

#include "commands/command.h"
#include "saga/transition.h"

/* What is ordered, in the coordinator's own words: CANCEL with `reason`, RESUME with `name` and
 * `skip`, SIGNAL with `name` and `data`. RESUME without a name is about the one step that is
 * stuck.
 *
 * Each saga is first asked whether the order can be carried out as it stands now; where it cannot,
 * it is refused as the coordinator would refuse it, and nothing is sent. Then the orders are sent,
 * and waited for, or with --wait for the sagas' ends. Connects, prints, and returns the exit code:
 * the worst of all sagas. */
int weir_order_give(struct weir_session *session, const struct weir_saga_input *order, int count,
                    char *const *sagas);

#endif
