/* Rights are asked for in the form that each server takes: since Redis 8 one is refused whose
 * command has too few words, though nothing but the command and its key decides. Whatever the
 * server that runs here, each command that the library asks for has as many words as its arity
 * wants. */
#include "functions.h"

#include <ctype.h>

static char *source_between(const char *first, const char *last)
{
    const char *from = strstr(weir_function_library_source(), first);
    const char *to = from ? strstr(from, last) : NULL;
    if (!to)
        fail_msg("the library has no text from %s to %s", first, last);
    return strndup(from, (size_t)(to - from));
}

/* How many words the library adds behind command and key: "HSET = { '0', '0' }". */
static int further_words(const char *table, const char *command)
{
    char row[64];
    int words = 0;
    snprintf(row, sizeof row, " %s = {", command);
    const char *at = strstr(table, row);
    const char *end = at ? strchr(at, '}') : NULL;
    for (; at && at < end; at++)
        words += *at == '\'';
    return words / 2;
}

static void check_command(const char *table, const char *command)
{
    redisReply *reply = test_ask(&server, "COMMAND INFO %s", command);
    const redisReply *about = reply->element[0];
    int words = 2 + further_words(table, command);
    if (about->type != REDIS_REPLY_ARRAY)
        fail_msg("%s is no command", command);
    long long arity = about->element[1]->integer;
    if (arity >= 0 ? words != arity : words < -arity)
        fail_msg("%s is asked for with %d words; its arity is %lld", command, words, arity);
    freeReplyObject(reply);
}

/* The commands in quotes in a text, or, in a table, the names before " = {". */
static int check_quoted(const char *table, const char *text)
{
    char command[32];
    int count = 0;
    for (const char *at = text; (at = strchr(at, '\'')) != NULL; at++) {
        size_t length = 0;
        while (isupper((unsigned char)at[1 + length]))
            length++;
        if (length > 1 && length < sizeof command && at[1 + length] == '\'') {
            snprintf(command, sizeof command, "%.*s", (int)length, at + 1);
            check_command(table, command);
            count++;
        }
    }
    return count;
}

/* All texts from `first` to the next `last`. */
static int check_all(const char *table, const char *first, const char *last)
{
    int count = 0;
    const char *at = weir_function_library_source();
    while ((at = strstr(at, first)) != NULL) {
        const char *end = strstr(at, last);
        char *text = strndup(at, (size_t)(end - at));
        count += check_quoted(table, text);
        free(text);
        at = end;
    }
    return count;
}

static int check_operations(const char *table)
{
    char *operations = source_between("local OPERATIONS = {", "\n}\n");
    int count = 0;
    for (const char *line = operations; (line = strchr(line, '\n')) != NULL;) {
        char name[32];
        int end = 0;
        line++;
        if (sscanf(line, "    %31[A-Z] = {%n", name, &end) != 1 || end == 0)
            continue;
        redisReply *reply = test_ask(&server, "COMMAND INFO %s", name);
        bool is_command = reply->element[0]->type == REDIS_REPLY_ARRAY;
        freeReplyObject(reply);
        if (is_command && strcmp(name, "EXISTS") != 0) { /* that one is an expectation */
            check_command(table, name);
            count++;
        }
    }
    free(operations);
    return count + check_all(table, "command = '", ",\n") + check_all(table, "undo = '", " write");
}

static void each_command_has_the_words_that_it_needs(void **state)
{
    (void)state;
    char *table = source_between("local FURTHER_WORDS = {", "\n}\n");
    assert_in_range(check_operations(table), 10, 100);
    assert_in_range(check_all(table, "right_problem('", ")"), 3, 100);
    assert_in_range(check_all(table, "missing_right({", "}"), 8, 100);
    assert_in_range(check_all(table, "local RIGHTS = {", "}"), 20, 100);
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_command_has_the_words_that_it_needs, empty),
    };
    return cmocka_run_group_tests(tests, start_functions, stop_functions);
}
