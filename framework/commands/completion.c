/* What completes which word, for all shells. */
#include "commands/completion.h"

#include <string.h>

/* The first row that fits counts; NULL: any. */
static const struct {
    const char *command, *operand, *list;
} lists[] = {
    {NULL, "service", "services"},         {NULL, "view", "services"},
    {NULL, "saga", "definitions"},         {"definition", "NAME", "definitions"},
    {"projection", "NAME", "projections"}, {NULL, "FILE", "files"},
    {"services", "forget", "services"}, /* it may stand there, and a name as well */
};

const char *weir_completion_list(const struct weir_command *command, const char *name)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (strcmp(lists[i].operand, name) == 0 &&
            (!lists[i].command || strcmp(lists[i].command, command->name) == 0))
            return lists[i].list;
    return NULL;
}

bool weir_completion_is_file(const struct weir_option *option, const char **lead)
{
    const char *file = option->value_name ? strstr(option->value_name, "FILE") : NULL;
    *lead = file && file > option->value_name && file[-1] == '@' ? "@" : "";
    return file != NULL;
}

bool weir_completion_has_word(const struct weir_option *option)
{
    return option->kind != WEIR_OPTION_FLAG && !option->optional_value;
}
