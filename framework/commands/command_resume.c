/* weir resume: an operator's decision about a step that is stuck. */
#include <string.h>

#include "base/text.h"
#include "commands/command.h"
#include "commands/order.h"
#include "commands/wait.h"

static const struct weir_option options[] = {
    {.name = "step",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(step),
     .value_name = "NAME",
     .help = "the stuck step; may be left out where only one is stuck"},
    {.name = "retry",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(retry),
     .help = "try it again, with all its attempts"},
    {.name = "skip",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(skip),
     .help = "take it as done, or as undone where it compensates"},
    WEIR_ORDER_OPTIONS};

static int run(struct weir_session *session, int count, char **operands)
{
    const struct weir_settings *settings = &session->settings;
    if (settings->retry == settings->skip)
        return weir_fail(WEIR_EXIT_USAGE, "resume needs exactly one of --retry and --skip");
    if (settings->step && !weir_name_valid(settings->step, strlen(settings->step)))
        return weir_fail(WEIR_EXIT_USAGE,
                         "--step: '%s' is no name of a step; it must be a letter and then "
                         "letters, digits, '_' or '-', 64 bytes at most",
                         settings->step);
    struct weir_saga_input order = {
        .kind = WEIR_SAGA_RESUME, .name = settings->step, .skip = settings->skip};
    return weir_order_give(session, &order, count, operands);
}

const struct weir_command weir_command_resume = {
    .name = "resume",
    .operands = "[<id>…]",
    .summary = "Lets a suspended saga go on: tries its stuck step again, or skips it",
    .notes =
        "Prints the new state of each; with --json a line {saga, state, reason, error} for each.\n"
        "With several stuck steps the saga stays suspended until the last is resumed; weir saga\n"
        "<id> tells which they are and why. With --wait it waits for the sagas' ends and exits by\n"
        "the worst: 1 failed, then 5, 4 suspended, 3 compensated, 0 completed. In place of ids a\n"
        "filter chooses among those that are suspended; then it asks on a terminal and wants "
        "--yes\n"
        "elsewhere.",
    .options = options,
    .operands_minimum = 0,
    .operands_maximum = 1000,
    .run = run,
};
