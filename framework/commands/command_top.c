/* weir top: everything at a glance. */
#include "commands/command.h"
#include "commands/overview.h"
#include "commands/print.h"

static const struct weir_option options[] = {WEIR_COMMON_OPTIONS};

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count, (void)operands;
    struct weir_error error = {0};
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    json_t *overview = weir_overview_read(session, &error);
    if (!overview)
        return weir_fail_by(&error);
    return weir_print_json(overview);
}

const struct weir_command weir_command_top = {
    .name = "top",
    .operands = "",
    .summary = "Shows everything at a glance, live",
    .options = options,
    .run = run,
};
