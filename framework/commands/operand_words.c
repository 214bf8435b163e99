/* Reads the usage line of a command's operands. */
#include "commands/operand_words.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

#define BRACKETS "<>[]"

static void add_operand(struct weir_operand *operands, size_t *count, struct weir_slice word)
{
    static const char dots[] = "…";
    struct weir_operand *operand;
    bool repeated = word.length > strlen(dots) &&
                    memcmp(word.at + word.length - strlen(dots), dots, strlen(dots)) == 0;
    if (*count == WEIR_OPERANDS_MAX)
        return;
    word.length -= repeated ? strlen(dots) : 0;
    while (word.length > 0 && strchr(BRACKETS, word.at[word.length - 1]) != NULL)
        word.length--;
    operand = &operands[(*count)++];
    *operand = (struct weir_operand){.repeated = repeated};
    if (word.length < sizeof operand->name)
        memcpy(operand->name, word.at, word.length);
}

/* A verb is written in small letters where operands are in capitals or in angle brackets alone. */
static void add_verb(struct weir_operand_words *words, struct weir_slice word)
{
    if (words->verb_count == WEIR_VERBS_MAX || word.length >= WEIR_OPERAND_NAME_MAX)
        return;
    memcpy(words->verbs[words->verb_count++].name, word.at, word.length);
}

static struct weir_slice next_word(const char **at)
{
    struct weir_slice word;
    *at += strspn(*at, " " BRACKETS);
    word = (struct weir_slice){*at, strcspn(*at, " ")};
    *at += word.length;
    while (word.length > 0 && strchr(BRACKETS, word.at[word.length - 1]) != NULL)
        word.length--;
    return word;
}

/* Where the alternatives begin, "[list | show ID…]" or "<check FILE… | list>"; NULL: there are
 * none.
 */
static const char *find_alternatives(const char *usage)
{
    const char *outermost = usage;
    size_t depth = 0;
    for (const char *at = usage; *at != '\0'; at++) {
        if ((*at == '[' || *at == '<') && depth++ == 0)
            outermost = at;
        else if ((*at == ']' || *at == '>') && depth > 0)
            depth--;
        else if (*at == '|')
            return outermost;
    }
    return NULL;
}

void weir_operand_words_read(const char *usage, struct weir_operand_words *words)
{
    const char *alternatives = find_alternatives(usage), *at = usage;
    bool begins = true;
    memset(words, 0, sizeof *words);
    for (struct weir_slice word = next_word(&at); word.length > 0; word = next_word(&at)) {
        struct weir_operand_verb *verb =
            words->verb_count > 0 ? &words->verbs[words->verb_count - 1] : NULL;
        if (alternatives == NULL || word.at < alternatives)
            add_operand(words->operands, &words->count, word);
        else if (weir_slice_equals(word, "|"))
            begins = true;
        else if (begins && islower((unsigned char)word.at[0]))
            add_verb(words, word), begins = false;
        else if (verb != NULL)
            add_operand(verb->operands, &verb->count, word);
    }
}
