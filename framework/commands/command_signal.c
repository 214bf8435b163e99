/* weir signal: tells a saga that what one of its steps waits for has happened. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "message/envelope.h"
#include "commands/command.h"
#include "commands/input.h"
#include "commands/order.h"
#include "commands/wait.h"

static const struct weir_option options[] = {{.name = "data",
                                              .kind = WEIR_OPTION_TEXT,
                                              WEIR_SETTING(data),
                                              .value_name = "JSON|@FILE|-",
                                              .help = "the step's result, a JSON object"},
                                             WEIR_ORDER_OPTIONS};

/* The data laid out as the coordinator keeps it, whose size counts. NULL and an error. */
static char *read_data(const char *argument, struct weir_error *error)
{
    struct weir_text text = {0};
    char *data = NULL;
    if (weir_input_data(argument, &text, error) == WEIR_OK) {
        json_t *object = weir_object_parse(text.at, text.length, WEIR_DATA_DEPTH_MAX, error);
        data = object ? json_dumps(object, JSON_COMPACT) : NULL;
        json_decref(object);
        if (!data)
            weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    }
    weir_text_close(&text);
    return data;
}

static int run(struct weir_session *session, int count, char **operands)
{
    struct weir_error error = {0};
    const char *name = operands[count - 1];
    if (!weir_name_valid(name, strlen(name)))
        return weir_fail(WEIR_EXIT_USAGE,
                         "<signal>: '%s' is no name of a signal; it must be a letter and then "
                         "letters, digits, '_' or '-', 64 bytes at most",
                         name);
    char *data = read_data(session->settings.data, &error);
    if (!data)
        return weir_fail_by(&error);
    struct weir_saga_input order = {.kind = WEIR_SAGA_SIGNAL, .name = name, .data = data};
    int code = weir_order_give(session, &order, count - 1, operands);
    free(data);
    return code;
}

const struct weir_command weir_command_signal = {
    .name = "signal",
    .operands = "[<id>…] <signal>",
    .summary = "Gives sagas the signal that one of their steps waits for, or will wait for",
    .notes =
        "Prints the state of each saga; with --json a line {saga, state, reason, error} for each.\n"
        "With --wait it waits for the sagas' ends and exits by the worst: 1 failed, then 5, 4\n"
        "suspended, 3 compensated, 0 completed. In place of ids a filter chooses among those that\n"
        "run or are suspended; then it asks on a terminal and wants --yes elsewhere.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1001,
    .run = run,
};
