/* Orders to sagas: cancel, resume, signal. */
#ifndef WEIR_COMMANDS_ORDER_H
#define WEIR_COMMANDS_ORDER_H

#include "commands/bulk.h"
#include "commands/saga_walk.h"
#include "commands/wait.h"
#include "saga/transition.h"

/* Options of all orders: which sagas, where they are not named. */
#define WEIR_ORDER_OPTIONS                                                                         \
    WEIR_SAGA_FILTER_OPTIONS,                                                                      \
        {.name = "all",                                                                            \
         .kind = WEIR_OPTION_FLAG,                                                                 \
         WEIR_SETTING(all),                                                                        \
         .help = "all that it can be about, without a filter"},                                    \
        {.name = "limit",                                                                          \
         .kind = WEIR_OPTION_INTEGER,                                                              \
         WEIR_SETTING(limit),                                                                      \
         .initial = "10000",                                                                       \
         .minimum = 1,                                                                             \
         .maximum = 10000,                                                                         \
         .value_name = "N",                                                                        \
         .help = "at most so many of those chosen by a filter"},                                   \
        WEIR_BULK_OPTIONS, WEIR_WAIT_OPTION, WEIR_OPERATOR_OPTION, WEIR_COMMON_OPTIONS

/* What is ordered, in the coordinator's own words: CANCEL with `reason`, RESUME with `name` and
 * `skip`, SIGNAL with `name` and `data`. RESUME without a name is about the one step that is
 * stuck.
 *
 * `sagas` are named one by one, or with `count` 0 chosen by the settings' filter; then they are
 * shown and asked for first, as bulk.h says. Each is first asked whether the order can be carried
 * out as it stands now; where it cannot, it is refused as the coordinator would refuse it, and
 * nothing is sent. Then the orders are sent, batch by batch, and waited for, or with --wait for the
 * sagas' ends. An order to a saga that has not begun is carried out when it begins; that is not
 * waited for without --wait. Connects, prints, and returns the exit code: the worst of all sagas.
 */
int weir_order_give(struct weir_session *session, const struct weir_saga_input *order, int count,
                    char *const *sagas);

/* One of them, for order.c. WEIR_EXIT_FINE: it has been sent, there is no need for it, or with
 * --dry-run it could be; else the code after the sentence. `awaited` names the saga, and gets what
 * is to be waited for. */
WEIR_CHECKED int weir_order_send(struct weir_session *session, const struct weir_saga_input *order,
                                 struct weir_awaited *awaited);

#endif
