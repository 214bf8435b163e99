/* The log of programs outside: each word of its level and format means what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "weir.h"

/* What one warning and one debug line come out as. */
static void write_lines(const char *level, const char *format, char *said, size_t room)
{
    char why[256] = "";
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    assert_non_null(file);
    assert_true(kept >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    weir_journal *journal = weir_journal_open("gate", level, format, why, room);
    if (journal != NULL) {
        weir_journal_write(journal, WEIR_WARNING, "gate.shut", "why=%s", "late");
        weir_journal_write(journal, WEIR_DEBUG, "gate.seen", NULL);
    }
    weir_journal_close(journal);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    rewind(file);
    said[fread(said, 1, room - 1, file)] = '\0';
    fclose(file);
    if (journal == NULL)
        snprintf(said, room, "%s", why);
}

static void each_word_means_what_it_says(void **state)
{
    char said[1024];
    (void)state;
    write_lines("info", "text", said, sizeof said);
    assert_non_null(strstr(said, " warning gate gate.shut why=late\n"));
    assert_null(strstr(said, "gate.seen"));
    write_lines("debug", "json", said, sizeof said);
    assert_non_null(
        strstr(said, "\"level\":\"warning\",\"source\":\"gate\",\"event\":\"gate.shut\""));
    assert_non_null(strstr(said, "\"event\":\"gate.seen\"}"));
    write_lines("error", "json", said, sizeof said);
    assert_string_equal(said, "");
    write_lines("info", "auto", said, sizeof said); /* a file is no terminal */
    assert_true(said[0] == '{');
}

static void other_words_are_refused(void **state)
{
    char said[256];
    (void)state;
    write_lines("loud", "text", said, sizeof said);
    assert_non_null(strstr(said, "'loud'"));
    write_lines("info", "xml", said, sizeof said);
    assert_non_null(strstr(said, "'xml'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_word_means_what_it_says),
        cmocka_unit_test(other_words_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
