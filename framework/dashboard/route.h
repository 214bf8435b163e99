/* What of the command line can be asked over HTTP: a list of commands, and how a request becomes
 * the words of one. */
#ifndef WEIR_DASHBOARD_ROUTE_H
#define WEIR_DASHBOARD_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "commands/command.h"
#include "http/target.h"

#define WEIR_ROUTE_OPTIONS_MAX 10
#define WEIR_ROUTE_WORDS_MAX 128

struct weir_route {
    const char *command, *verb; /* `verb` NULL: the command has none */
    int verb_place;             /* how many operands stand before the verb */
    int operands_minimum, operands_maximum;
    bool bare;   /* it has verbs, but this is without: nothing may stand in a verb's place */
    bool joined; /* what stands behind the verb is one operand, though it has slashes */
    bool action; /* else it shows something */
    bool dear;   /* may take long with many keys: nobody watches it, and nobody waits behind it */
    const char *last_operand; /* an argument that is one more operand, the last; or NULL */
    const char *fixed;        /* a word that is always given, or NULL */
    int64_t every_ms;         /* who watches it is told at most so often; 0: once a second */
    const char *options[WEIR_ROUTE_OPTIONS_MAX + 1]; /* those that a client may give */
};

struct weir_route_argument {
    const char *name, *value;
};

/* The words of a command: words[0] is its name, flags, "--", operands. They lie in one piece of
 * memory, and are NULL-terminated texts. */
struct weir_words {
    const struct weir_route *route;
    const struct weir_command *command;
    int count;
    char **words; /* owned; free() frees all */
};

/* `path` is what stands behind "/api/", decoded. Only options of the route's list that the
 * command's own table has, too, are taken; a flag's value is "", "true" or "false".
 * WEIR_NOT_FOUND: no such route, or for another method; WEIR_INVALID with a sentence: an argument
 * or the number of operands; WEIR_NO_MEMORY. */
WEIR_CHECKED enum weir_status weir_route_words(const char *path, bool action,
                                               const struct weir_route_argument *arguments,
                                               size_t count, struct weir_words *words,
                                               struct weir_error *error);
/* The same with the arguments of a request's target. */
WEIR_CHECKED enum weir_status weir_route_words_of(const struct weir_target *target,
                                                  const char *path, bool action,
                                                  struct weir_words *words,
                                                  struct weir_error *error);
void weir_words_close(struct weir_words *words);

/* The words as one text by which two requests for the same thing are known; to be freed. */
char *weir_words_key(const struct weir_words *words);

#endif
