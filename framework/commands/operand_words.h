/* What the operands of a command may be, read from its usage line: "<service> [list | show ID…]".
 */
#ifndef WEIR_COMMANDS_OPERAND_WORDS_H
#define WEIR_COMMANDS_OPERAND_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WEIR_OPERANDS_MAX 6
#define WEIR_VERBS_MAX 16
#define WEIR_OPERAND_NAME_MAX 24

/* A name as it stands there, without brackets and dots: "service", "ID", "FILE". */
struct weir_operand {
    char name[WEIR_OPERAND_NAME_MAX];
    bool repeated; /* and further ones like it */
};

struct weir_operand_verb {
    char name[WEIR_OPERAND_NAME_MAX];
    size_t count;
    struct weir_operand operands[WEIR_OPERANDS_MAX]; /* behind it */
};

struct weir_operand_words {
    size_t count;
    struct weir_operand operands[WEIR_OPERANDS_MAX];
    size_t verb_count; /* a verb stands behind the operands; 0: none does */
    struct weir_operand_verb verbs[WEIR_VERBS_MAX];
};

/* What does not fit is left out. */
void weir_operand_words_read(const char *usage, struct weir_operand_words *words);

#endif
