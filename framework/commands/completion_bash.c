/* The script for bash: functions made from the tables, and one that finds out which is asked. */
#include <string.h>

#include "commands/completion.h"
#include "commands/operand_words.h"
#include "commands/run.h"

/* Words of the line before the cursor: the command, its operands, whose value comes next. Bash
 * takes
 * "--name=value" apart into three words. */
static const char script[] =
    "_weir_names() {\n"
    "    local lines\n"
    "    lines=$(timeout 1 \"${COMP_WORDS[0]}\" completion \"$1\" \"${server[@]}\" 2>/dev/null)\n"
    "    COMPREPLY+=($(compgen -W \"$lines\" -- \"$cur\"))\n"
    "}\n"
    "\n"
    "_weir_offer() {\n"
    "    local word\n"
    "    for word in \"$@\"; do\n"
    "        case $word in\n"
    "        :files) compopt -o filenames && COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
    "        :@files)\n"
    "            [[ $cur != @* ]] || COMPREPLY+=($(compgen -P @ -f -- \"${cur#@}\"))\n"
    "            ;;\n"
    "        :*) _weir_names \"${word#:}\" ;;\n"
    "        *) [[ $word != \"$cur\"* ]] || COMPREPLY+=(\"$word\") ;;\n"
    "        esac\n"
    "    done\n"
    "}\n"
    "\n"
    "_weir() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} command='' flag='' verb='' word place=0 i value\n"
    "    local server=()\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $word == -* ]]; then\n"
    "            value=''\n"
    "            if [[ ${COMP_WORDS[i + 1]:-} == = ]]; then\n"
    "                flag=$word\n"
    "                value=${COMP_WORDS[i + 2]:-}\n"
    "                ((i += 2))\n"
    "            elif _weir_has_word \"$command.$word\"; then\n"
    "                flag=$word\n"
    "                value=${COMP_WORDS[i + 1]:-}\n"
    "                ((i += 1))\n"
    "            else\n"
    "                flag=''\n"
    "            fi\n"
    "            if ((i < COMP_CWORD)); then\n"
    "                case $flag in\n"
    "                --redis | --namespace) server+=(\"$flag=$value\") ;;\n"
    "                esac\n"
    "                flag=''\n"
    "            fi\n"
    "        elif [[ -z $command ]]; then\n"
    "            command=$word\n"
    "        else\n"
    "            [[ -n $verb ]] || _weir_is_verb \"$command.$place.$word\" && verb=${verb:-$word}\n"
    "            ((place += 1))\n"
    "        fi\n"
    "    done\n"
    "    [[ $cur != = ]] || cur=''\n"
    "    if [[ -n $flag ]]; then\n"
    "        _weir_value \"$command.$flag\"\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        _weir_flags \"$command\"\n"
    "    elif [[ -z $command ]]; then\n"
    "        _weir_commands\n"
    "    else\n"
    "        _weir_operand \"$command.$place.$verb\"\n"
    "    fi\n"
    "}\n"
    "\n"
    "complete -F _weir weir\n";

static void each_command(FILE *out, void (*print)(FILE *out, const struct weir_command *command))
{
    for (size_t i = 0; weir_commands[i]; i++)
        print(out, weir_commands[i]);
}

static void print_name(FILE *out, const struct weir_command *command)
{
    fprintf(out, " %s", command->name);
}

static void print_flags(FILE *out, const struct weir_command *command)
{
    fprintf(out, "    %s) _weir_offer", command->name);
    for (const struct weir_option *option = command->options; option->name; option++)
        fprintf(out, " --%s", option->name);
    fputs(" ;;\n", out);
}

static void print_with_words(FILE *out, const struct weir_command *command)
{
    for (const struct weir_option *option = command->options; option->name; option++)
        if (weir_completion_has_word(option))
            fprintf(out, "    %s.--%s) return 0 ;;\n", command->name, option->name);
}

static void print_values(FILE *out, const struct weir_command *command)
{
    const char *lead;
    for (const struct weir_option *option = command->options; option->name; option++) {
        if (option->kind == WEIR_OPTION_CHOICE) {
            fprintf(out, "    %s.--%s) _weir_offer", command->name, option->name);
            for (size_t i = 0; option->choices[i]; i++)
                fprintf(out, " %s", option->choices[i]);
            fputs(" ;;\n", out);
        } else if (weir_completion_is_file(option, &lead)) {
            fprintf(out, "    %s.--%s) _weir_offer :%sfiles ;;\n", command->name, option->name,
                    lead);
        }
    }
}

static void print_verb_names(FILE *out, const struct weir_command *command)
{
    struct weir_operand_words words;
    weir_operand_words_read(command->operands, &words);
    for (size_t i = 0; i < words.verb_count; i++)
        fprintf(out, "    %s.%zu.%s) return 0 ;;\n", command->name, words.count,
                words.verbs[i].name);
}

/* `count` operands from `place` on, behind `verb` (a pattern). */
static void print_operand_rows(FILE *out, const struct weir_command *command,
                               const struct weir_operand *operands, size_t count, size_t place,
                               const char *verb)
{
    for (size_t i = 0; i < count; i++) {
        const char *list = weir_completion_list(command, operands[i].name);
        if (list && operands[i].repeated)
            fprintf(out, "    %s.*.%s) _weir_offer :%s ;;\n", command->name, verb, list);
        else if (list)
            fprintf(out, "    %s.%zu.%s) _weir_offer :%s ;;\n", command->name, place + i, verb,
                    list);
    }
}

static void print_operands(FILE *out, const struct weir_command *command)
{
    struct weir_operand_words words;
    weir_operand_words_read(command->operands, &words);
    print_operand_rows(out, command, words.operands, words.count, 0, "");
    if (words.verb_count > 0) {
        fprintf(out, "    %s.%zu.) _weir_offer", command->name, words.count);
        for (size_t i = 0; i < words.verb_count; i++)
            fprintf(out, " %s", words.verbs[i].name);
        fputs(" ;;\n", out);
    }
    for (size_t i = 0; i < words.verb_count; i++)
        print_operand_rows(out, command, words.verbs[i].operands, words.verbs[i].count,
                           words.count + 1, words.verbs[i].name);
}

static void print_case(FILE *out, const char *name, const char *otherwise,
                       void (*print)(FILE *out, const struct weir_command *command))
{
    fprintf(out, "%s() {\n    case $1 in\n", name);
    each_command(out, print);
    fprintf(out, "%s    esac\n}\n\n", otherwise);
}

void weir_completion_bash(FILE *out)
{
    fputs("# bash completion of weir, made by \"weir completion bash\"\n"
          "# shellcheck shell=bash disable=SC2207\n\n"
          "_weir_commands() {\n    _weir_offer",
          out);
    each_command(out, print_name);
    fputs("\n}\n\n", out);
    print_case(out, "_weir_flags",
               "    *) _weir_offer --redis --namespace --json --help --version ;;\n", print_flags);
    print_case(out, "_weir_has_word",
               "    .--redis | .--namespace) return 0 ;;\n    *) return 1 ;;\n", print_with_words);
    print_case(out, "_weir_value", "    *) ;;\n", print_values);
    print_case(out, "_weir_is_verb", "    *) return 1 ;;\n", print_verb_names);
    print_case(out, "_weir_operand", "    *) ;;\n", print_operands);
    fputs(script, out);
}
