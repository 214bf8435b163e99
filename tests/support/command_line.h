/* Runs the command line against a server and checks what it says. */
#ifndef WEIR_TESTS_SUPPORT_COMMAND_LINE_H
#define WEIR_TESTS_SUPPORT_COMMAND_LINE_H

#include <jansson.h>

#include "support/server.h"

/* Words of a command line behind "weir". */
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Makes the server the one that later runs use, by REDIS_URL, and clears what else of the
 * environment changes outputs. */
void use_server(const struct test_server *server);

/* Runs weir; the exit code must be `code`, or the test fails and shows the outputs. */
struct test_run run_weir(int code, const char *const *words, const char *input);

/* Runs weir and checks its exit code, and that its output and its errors contain the texts; NULL:
 * nothing at all may stand there. Each line of its errors must begin with "weir: ". */
void expect_weir(int code, const char *out, const char *error, const char *const *words);

/* Runs weir with exit code 0 and returns what it prints, without the newline. To be freed. */
char *ask_weir(const char *const *words);

/* Runs weir, adding --json, and returns what it prints on its one line. To be freed by json_decref.
 */
json_t *ask_weir_json(int code, const char *const *words);

/* A member of what weir has shown: "(no text)" where it is no text; a number has to be one. */
const char *shown_text(const json_t *object, const char *key);
json_int_t shown_number(const json_t *object, const char *key);

#endif
