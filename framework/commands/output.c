/* Keeps where this thread's command writes. */
#include "commands/output.h"

#include <stddef.h>
#include <unistd.h>

static _Thread_local const struct weir_output *current;

void weir_output_set(const struct weir_output *output)
{
    current = output;
}

FILE *weir_output(void)
{
    return current ? current->result : stdout;
}

FILE *weir_remarks(void)
{
    return current ? current->remarks : stderr;
}

bool weir_output_remote(void)
{
    return current && current->remote;
}

bool weir_on_terminal(void)
{
    return current ? current->terminal : isatty(STDOUT_FILENO) == 1;
}
