/* A program on a pseudo-terminal, as somebody sits before it.
 *
 *     struct test_terminal terminal;
 *     terminal_start(&terminal, 80, 24, (const char *const[]){test_program("weir"), "top", NULL});
 *     terminal_await(&terminal, "messages");
 *     terminal_type(&terminal, "q");
 *     assert_int_equal(terminal_end(&terminal), 0);
 */
#ifndef WEIR_TESTS_SUPPORT_PSEUDO_TERMINAL_H
#define WEIR_TESTS_SUPPORT_PSEUDO_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct test_terminal {
    pid_t pid;
    int fd;
    char *text; /* all that was written, terminated */
    size_t length, capacity;
    size_t seen; /* behind what was waited for last */
};

/* `words` ended by NULL; it has this process's environment, and dies with it. */
void terminal_start(struct test_terminal *terminal, int columns, int rows,
                    const char *const *words);
/* Waits until the text is written, behind what was waited for before. */
void terminal_await(struct test_terminal *terminal, const char *text);
/* Whether it has been written by now. */
bool terminal_wrote(struct test_terminal *terminal, const char *text);
/* Of one that has ended nothing is read any more. */
void terminal_type(struct test_terminal *terminal, const char *keys);
void terminal_resize(struct test_terminal *terminal, int columns, int rows);
/* Waits for its end and returns its exit code, as in struct test_run. `text` stays. */
int terminal_end(struct test_terminal *terminal);
void terminal_close(struct test_terminal *terminal);

/* Runs a program to its end. Close it. */
int terminal_run(struct test_terminal *terminal, int columns, const char *const *words);

/* The widest line of what was written, in columns, colours left out. */
size_t terminal_widest(const char *text);

#endif
