/* Options and commands, from the very tables that the programs read. */
#include "man/options_page.h"

#include <string.h>

#include "commands/run.h"
#include "man/roff.h"

static const struct weir_option common_options[] = {WEIR_COMMON_OPTIONS};

static int stands_in(const struct weir_option *table, const char *name)
{
    for (; table != NULL && table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return 1;
    return 0;
}

static void print_item(FILE *out, const struct weir_option *option)
{
    fputs(".It ", out);
    if (option->letter != 0)
        fprintf(out, "Fl %c , ", option->letter);
    fprintf(out, "Fl -%s", option->name);
    if (option->kind != WEIR_OPTION_FLAG) {
        const char *value = option->value_name != NULL ? option->value_name : "VALUE";
        fputs(option->optional_value ? " Ns Op = Ns Ar " : " Ns = Ns Ar ", out);
        fprintf(out, "\"%s\"", value);
    }
    fputc('\n', out);
}

/* Where the help does not name them. */
static void print_choices(FILE *out, const struct weir_option *option)
{
    if (strstr(option->help, option->choices[0]) != NULL)
        return;
    fputs("One of", out);
    for (size_t i = 0; option->choices[i] != NULL; i++)
        fprintf(out, "%s\n.Cm %s", i > 0 ? " ," : "", option->choices[i]);
    fputs(" .\n", out);
}

static void print_origin(FILE *out, const struct weir_option *option)
{
    if (option->kind == WEIR_OPTION_DURATION && !option->unit_needed)
        fputs("A bare number is milliseconds.\n", out);
    if (option->initial != NULL && option->initial[0] != '\0')
        fprintf(out, "Default:\n.Cm \"%s\" .\n", option->initial);
    if (option->environment != NULL)
        fprintf(out, "Environment:\n.Ev %s .\n", option->environment);
}

static void print_option(FILE *out, const struct weir_option *option)
{
    char help[1024];
    size_t length = strlen(option->help);
    snprintf(help, sizeof help, "%s%s", option->help,
             length > 0 && option->help[length - 1] != '.' ? "." : "");
    if (help[0] >= 'a' && help[0] <= 'z')
        help[0] = (char)(help[0] - 'a' + 'A');
    print_item(out, option);
    roff_prose(out, help, strlen(help));
    if (option->kind == WEIR_OPTION_CHOICE)
        print_choices(out, option);
    print_origin(out, option);
}

void options_page(FILE *out, const struct weir_option *table, const struct weir_option *without)
{
    fputs(".Bl -tag -width Ds\n", out);
    for (; table->name != NULL; table++)
        if (!stands_in(without, table->name))
            print_option(out, table);
    fputs(".El\n", out);
}

static int has_own(const struct weir_option *table)
{
    for (; table->name != NULL; table++)
        if (!stands_in(common_options, table->name))
            return 1;
    return 0;
}

static void print_command(FILE *out, const struct weir_command *command)
{
    char usage[512];
    int length = snprintf(usage, sizeof usage, "weir %s%s%s", command->name,
                          command->operands[0] != '\0' ? " " : "", command->operands);
    fprintf(out, ".Ss %s\n", command->name);
    roff_literal(out, usage, (size_t)length);
    fputs(".Pp\n", out);
    length = snprintf(usage, sizeof usage, "%s.", command->summary);
    roff_prose(out, usage, (size_t)length);
    if (command->notes != NULL)
        roff_literal(out, command->notes, strlen(command->notes));
    if (has_own(command->options))
        options_page(out, command->options, common_options);
}

void commands_page(FILE *out)
{
    for (size_t i = 0; weir_commands[i] != NULL; i++)
        print_command(out, weir_commands[i]);
}

void common_options_page(FILE *out)
{
    options_page(out, common_options, NULL);
}
