/* Runs the command line on a pseudo-terminal, which script(1) makes. */
#include "support/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define LIMIT_MS 20000

struct test_run type_on_terminal(int code, int columns, const char *before, const char *words,
                                 const char *typed)
{
    char command[TEST_PATH_MAX + 1024];
    snprintf(command, sizeof(command), "stty cols %d; %s %s %s", columns, before,
             test_program("weir"), words);
    struct test_run run = test_run(
        (const char *const[]){"script", "-qec", command, "/dev/null", NULL}, typed, LIMIT_MS);
    if (run.code != code)
        fail_msg("weir %s: exit code %d instead of %d: %s", words, run.code, code, run.out);
    return run;
}

struct test_run run_on_terminal(int columns, const char *before, const char *words)
{
    return type_on_terminal(0, columns, before, words, NULL);
}

size_t longest_line(const char *text)
{
    size_t longest = 0, width = 0;
    for (; *text; text++) {
        width =
            *text == '\n' || *text == '\r' ? 0 : width + (((unsigned char)*text & 0xc0) != 0x80);
        longest = width > longest ? width : longest;
    }
    return longest;
}
