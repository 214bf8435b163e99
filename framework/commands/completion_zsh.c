/* The script for zsh: one specification of arguments for each command. */
#include <string.h>

#include "commands/completion.h"
#include "commands/operand_words.h"
#include "commands/run.h"

/* Names come by `weir completion`, from the server that the line names. */
static const char names[] =
    "_weir_names() {\n"
    "    local -a server found\n"
    "    local i\n"
    "    for ((i = 1; i <= ${#words}; i++)); do\n"
    "        case ${words[i]} in\n"
    "        --redis=*|--namespace=*) server+=(${words[i]}) ;;\n"
    "        --redis|--namespace) server+=(${words[i]} ${words[i+1]}) ;;\n"
    "        esac\n"
    "    done\n"
    "    found=(${(f)\"$(timeout 1 weir completion $1 $server 2>/dev/null)\"})\n"
    "    compadd -a found\n"
    "}\n\n";

/* Inside single quotes, in a text where '[', ']' and ':' mean something. */
static void print_quoted(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void print_option(FILE *out, const struct weir_option *option)
{
    const char *lead;
    bool repeated = option->kind == WEIR_OPTION_TEXTS;
    fprintf(out, "        '%s--%s%s[", repeated ? "*" : "", option->name,
            option->kind == WEIR_OPTION_FLAG ? ""
            : option->optional_value         ? "=-"
                                             : "=");
    print_quoted(out, option->help);
    fputs("]", out);
    if (option->kind != WEIR_OPTION_FLAG) {
        fputs(option->optional_value ? "::" : ":", out);
        print_quoted(out, option->value_name ? option->value_name : "VALUE");
        fputs(":", out);
        if (option->kind == WEIR_OPTION_CHOICE) {
            for (size_t i = 0; option->choices[i]; i++)
                fprintf(out, "%s%s", i > 0 ? " " : "(", option->choices[i]);
            fputs(")", out);
        } else if (weir_completion_is_file(option, &lead) && !*lead) {
            fputs("_files", out);
        }
    }
    fputs("' \\\n", out);
}

static void print_operand(FILE *out, const struct weir_command *command,
                          const struct weir_operand *operand)
{
    const char *list = weir_completion_list(command, operand->name);
    fprintf(out, "        '%s:%s:", operand->repeated ? "*" : "", operand->name);
    if (list && strcmp(list, "files") == 0)
        fputs("_files", out);
    else if (list)
        fprintf(out, "{_weir_names %s}", list);
    fputs("' \\\n", out);
}

static void print_verbs(FILE *out, const struct weir_operand_words *words)
{
    fputs("        ':verb:(", out);
    for (size_t i = 0; i < words->verb_count; i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", words->verbs[i].name);
    fputs(")' \\\n", out);
}

/* Behind a verb: what the verbs that have operands have in common is that these have the same kind.
 */
static void print_behind_verbs(FILE *out, const struct weir_command *command,
                               const struct weir_operand_words *words)
{
    for (size_t i = 0; i < words->verb_count; i++)
        if (words->verbs[i].count > 0) {
            struct weir_operand operand = words->verbs[i].operands[0];
            operand.repeated = true;
            print_operand(out, command, &operand);
            return;
        }
}

static void print_command(FILE *out, const struct weir_command *command)
{
    struct weir_operand_words words;
    weir_operand_words_read(command->operands, &words);
    fprintf(out, "    (%s) _arguments \\\n", command->name);
    for (const struct weir_option *option = command->options; option->name; option++)
        print_option(out, option);
    for (size_t i = 0; i < words.count; i++)
        print_operand(out, command, &words.operands[i]);
    if (words.verb_count > 0) {
        print_verbs(out, &words);
        print_behind_verbs(out, command, &words);
    }
    fputs("        && return 0 ;;\n", out);
}

void weir_completion_zsh(FILE *out)
{
    fputs("#compdef weir\n# zsh completion of weir, made by \"weir completion zsh\"\n\n", out);
    fputs(names, out);
    fputs("_weir() {\n    local state line\n    local -a commands\n    commands=(\n", out);
    for (size_t i = 0; weir_commands[i]; i++) {
        fprintf(out, "        '%s:", weir_commands[i]->name);
        print_quoted(out, weir_commands[i]->summary);
        fputs("'\n", out);
    }
    fputs(
        "    )\n"
        "    _arguments -C '(- *)--help[print this text]' '(- *)--version[print the version]' \\\n"
        "        '--redis=[the server]:URL:' '--namespace=[before every key]:PREFIX:' \\\n"
        "        '1:command:->command' '*::operand:->operand' && return 0\n"
        "    if [[ $state == command ]]; then\n"
        "        _describe command commands\n"
        "        return\n"
        "    fi\n"
        "    case ${words[1]} in\n",
        out);
    for (size_t i = 0; weir_commands[i]; i++)
        print_command(out, weir_commands[i]);
    fputs("    esac\n}\n\n_weir \"$@\"\n", out);
}
