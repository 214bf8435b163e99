/* The completion scripts in their shells: the words that are offered are those of the tables, and
 * the names those of the server. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"

#define LIMIT_MS 15000

static struct test_server server;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    test_do(&server, "HSET {weir}:services orders 1 payments 2 $(reboot) 3");
    test_do(&server, "SADD {sagas}:definitions place-order refund");
    test_do(&server, "HSET {weir}:projections views/shop orders");
    test_do(&server, "HSET other:{weir}:services else 1");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

/* What bash would offer for a line, one word after the other, sorted; the last word is the one
 * under the cursor. Words as bash hands them over: "--name=value" is three. To be freed. */
static char *offered(const char *words)
{
    static const char script[] =
        "set -u\n"
        "source <(\"$1\" completion bash)\n"
        "COMP_WORDS=(\"$1\" \"${@:2}\")\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "compopt() { :; }\n"
        "_weir\n"
        "((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\" | sort | tr '\\n' ' '\n";
    const char *call[32] = {"bash", "-c", script, "bash", test_program("weir")};
    char copy[512];
    size_t count = 5;
    snprintf(copy, sizeof(copy), "%s", words);
    for (char *at = copy, *end; at != NULL; at = end) {
        end = strchr(at, ' ');
        if (end != NULL)
            *end++ = '\0';
        call[count++] = at;
    }
    struct test_run run = test_run(call, NULL, LIMIT_MS);
    if (run.code != 0 || run.error[0] != '\0')
        fail_msg("%s: %d, %s", words, run.code, run.error);
    char *out = strdup(run.out);
    test_run_close(&run);
    return out;
}

static const struct offer {
    const char *words, *offers;
} offers[] = {
    {"defi", "definition "},
    {"sag", "saga sagas "},
    {"compl", "completion "}, /* that is for scripts */
    {"sagas --li", "--limit "},
    {"--js", "--json "},
    {"sagas --state comp", "compensated compensating completed "},
    {"sagas --state = comple", "completed "},
    {"sagas --json --state susp", "suspended "},
    {"--redis redis://h:1 defin", "definition "},
    {"definition ", "check list load show "},
    {"definition sh", "show "},
    {"definition show ", "place-order refund "},
    {"definition check orders.j", "orders.json "},
    {"definition check a.json ord", "orders.json "},
    {"start ", "place-order refund "},
    {"start --wait pl", "place-order "}, /* a flag whose value is optional takes no word */
    {"start place-order --data @ord", "@orders.json "},
    {"start place-order re", ""},
    {"send pa", "payments "},
    {"dead ", "orders payments "},
    {"services pa", "payments "},
    {"services forget pa", "payments "},
    {"dead orders sh", "show "},
    {"projection show vi", "views/shop "},
    {"projection views/sh", ""},
    {"send --namespace other: ", "else "},
    {"send --namespace = other: ", "else "},
    {"saga s1 ", ""},
    {"nonsense ", ""},
    {"dead --redis redis://127.0.0.1:1 ", ""}, /* nobody there: nothing, and no noise */
};

static void bash_offers_what_fits(void **state)
{
    (void)state;
    FILE *file = fopen("orders.json", "we");
    assert_non_null(file);
    fclose(file);
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        char *found = offered(offers[i].words);
        if (strcmp(found, offers[i].offers) != 0)
            fail_msg("weir %s: [%s], not [%s]", offers[i].words, found, offers[i].offers);
        free(found);
    }
}

/* Each command and each of its flags that its help names is offered. */
static void nothing_of_the_help_is_missing(void **state)
{
    (void)state;
    char *commands = offered("");
    struct test_run help = run_weir(0, WORDS("--help"), NULL);
    char *lines = strstr(help.out, "Commands"), *end = strstr(help.out, "\nOptions");
    size_t count = 0;
    assert_non_null(lines);
    assert_non_null(end);
    *end = '\0';
    for (char *line = strtok(strchr(lines, '\n'), "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char name[32], word[40], flags[64];
        assert_int_equal(sscanf(line, "  %31s", name), 1);
        snprintf(word, sizeof(word), "%s ", name);
        if (strstr(commands, word) == NULL)
            fail_msg("weir %s is not offered", name);
        snprintf(flags, sizeof(flags), "%s --", name);
        char *found = offered(flags);
        struct test_run own = run_weir(0, WORDS(name, "--help"), NULL);
        for (char *at = strstr(own.out, "\nOptions:"); at != NULL; at = strchr(at + 1, '\n')) {
            char *flag = at + 1 + strspn(at + 1, " -h,");
            if (strncmp(flag - 2, "--", 2) != 0 || flag - at > 10)
                continue;
            snprintf(word, sizeof(word), "--%.*s ", (int)strcspn(flag, " =[,\n"), flag);
            if (strstr(found, word) == NULL)
                fail_msg("weir %s %s is not offered, but %s", name, word, found);
            count++;
        }
        test_run_close(&own);
        free(found);
    }
    assert_true(count > 50);
    test_run_close(&help);
    free(commands);
}

static void zsh_takes_its_script(void **state)
{
    (void)state;
    char call[TEST_PATH_MAX + 256];
    snprintf(call, sizeof(call),
             "command -v zsh >/dev/null || exit 99; set -e; \"%s\" completion zsh >_weir; "
             "zsh -n _weir; "
             "zsh -fc 'autoload -Uz compinit; compinit -D; fpath=(. $fpath); "
             "autoload -Uz _weir; functions _weir >/dev/null; whence -w _weir'",
             test_program("weir"));
    struct test_run run = test_run((const char *[]){"bash", "-c", call, NULL}, NULL, LIMIT_MS);
    int code = run.code;
    if (code != 99 && (code != 0 || strstr(run.out, "function") == NULL || run.error[0] != '\0'))
        fail_msg("%d: %s%s", code, run.out, run.error);
    test_run_close(&run);
    if (code == 99)
        skip(); /* there is no zsh */
}

static void other_words_are_refused(void **state)
{
    (void)state;
    expect_weir(64, NULL, "'fish' is none of bash, zsh", WORDS("completion", "fish"));
    expect_weir(64, NULL, "completion needs", WORDS("completion"));
    expect_weir(64, NULL, "no JSON", WORDS("completion", "bash", "--json"));
    expect_weir(0, "orders\npayments\n", NULL, WORDS("completion", "services"));
    expect_weir(0, "[\"orders\",\"payments\"]\n", NULL, WORDS("completion", "services", "--json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bash_offers_what_fits),
        cmocka_unit_test(nothing_of_the_help_is_missing),
        cmocka_unit_test(zsh_takes_its_script),
        cmocka_unit_test(other_words_are_refused),
    };
    return cmocka_run_group_tests_name("completion", tests, start, stop);
}
