/* weir cancel: has sagas undone. */
#include <string.h>

#include "base/text.h"
#include "commands/command.h"
#include "commands/order.h"
#include "commands/wait.h"

static const struct weir_option options[] = {{.name = "reason",
                                              .kind = WEIR_OPTION_TEXT,
                                              WEIR_SETTING(reason),
                                              .value_name = "TEXT",
                                              .help = "why; becomes part of the saga's reason"},
                                             WEIR_ORDER_OPTIONS};

static int run(struct weir_session *session, int count, char **operands)
{
    const char *reason = session->settings.reason;
    if (reason && !weir_utf8_valid(reason, strlen(reason)))
        return weir_fail(WEIR_EXIT_USAGE, "--reason: is not UTF-8");
    struct weir_saga_input order = {.kind = WEIR_SAGA_CANCEL, .reason = reason};
    return weir_order_give(session, &order, count, operands);
}

const struct weir_command weir_command_cancel = {
    .name = "cancel",
    .operands = "[<id>…]",
    .summary = "Has sagas compensated, unless their pivot has begun",
    .notes =
        "Prints the new state of each; with --json a line {saga, state, reason, error} for each.\n"
        "With --wait it waits for their ends and exits by the worst: 1 failed, then 5, 4, 3\n"
        "compensated, 0 completed. In place of ids a filter chooses among those that run or are\n"
        "suspended; then it asks on a terminal and wants --yes elsewhere. One whose start is "
        "still\n"
        "held is cancelled when it begins.",
    .options = options,
    .operands_minimum = 0,
    .operands_maximum = 1000,
    .run = run,
};
