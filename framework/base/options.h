/* One table per program: flag, environment, default, check and help text of each option.
 * Parsing, --help and the checks all come from it. */
#ifndef WEIR_BASE_OPTIONS_H
#define WEIR_BASE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

enum weir_option_kind {
    WEIR_OPTION_FLAG,     /* bool; takes no value */
    WEIR_OPTION_TEXT,     /* const char *; points into argv, environ or the table's default */
    WEIR_OPTION_INTEGER,  /* int64_t between minimum and maximum */
    WEIR_OPTION_DURATION, /* int64_t, ms, between minimum and maximum; "30s", "500ms", "7d" */
    WEIR_OPTION_CHOICE,   /* int, the place of the word in `choices` */
    WEIR_OPTION_TEXTS,    /* struct weir_texts; the flag may be given several times */
};

#define WEIR_TEXTS_MAX 16
struct weir_texts {
    const char *at[WEIR_TEXTS_MAX]; /* pointing as TEXT does */
    size_t count;
};

struct weir_option {
    const char *name;        /* long name without the dashes; NULL ends the table */
    char letter;             /* short name, or 0 */
    const char *environment; /* variable asked where the flag is not given, or NULL */
    enum weir_option_kind kind;
    size_t offset;              /* of the member in the settings struct (offsetof) */
    const char *initial;        /* default as text; NULL: NULL, false or 0 */
    int64_t minimum, maximum;   /* INTEGER, DURATION */
    const char *const *choices; /* CHOICE: NULL-terminated words */
    const char *value_name;     /* for the help: "URL" */
    const char *help;           /* one line */
    bool optional_value;        /* TEXT, INTEGER, DURATION: "--wait" alone gives `bare` */
    const char *bare;           /* value of the flag without "=VALUE" where that is allowed */
    bool unit_needed;           /* DURATION: a bare number is refused; else it is ms */
};

/* Fills `settings` from the defaults, then the environment, then the flags ("--name VALUE",
 * "--name=VALUE", "-n VALUE", "--" ends them). Flags and operands may be mixed. The operands are
 * moved to the front of argv[1…] in their order and their number is returned in `operands`.
 * An unknown flag, a missing, malformed or out-of-range value is WEIR_INVALID with a sentence that
 * names the flag or variable, the value, and what is allowed. */
WEIR_CHECKED enum weir_status weir_options_parse(const struct weir_option *table, void *settings,
                                                 int argc, char **argv, int *operands,
                                                 struct weir_error *error);

/* Prints the options as an aligned list: flag, value name, help, default, environment. Lines are
 * broken at blanks, so that they fit into `columns` where they can. */
void weir_options_help(const struct weir_option *table, size_t columns, FILE *out);

#endif
