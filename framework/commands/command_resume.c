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
    WEIR_WAIT_OPTION,
    WEIR_OPERATOR_OPTION,
    WEIR_COMMON_OPTIONS};

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
    .operands = "<id>",
    .summary = "Lets a suspended saga go on: tries its stuck step again, or skips it",
    .notes =
        "Prints the new state; with several stuck steps the saga stays suspended until the last\n"
        "is resumed. weir saga <id> tells which they are and why. With --wait it waits for the\n"
        "saga's end and exits by it: 0 completed, 1 failed, 3 compensated, 4 suspended, 5 not\n"
        "ended in time.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1,
    .run = run,
};
