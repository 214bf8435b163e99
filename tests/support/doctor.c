/* Runs weir doctor and looks for one finding. */
#include "support/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"

#define ANY_CODE (-1)

static json_t *examine(int code)
{
    const char *const words[] = {test_program("weir"), "doctor", "--json", NULL};
    struct test_run run = test_run(words, NULL, 30000);
    json_t *findings = json_loads(run.out, 0, NULL);
    if ((code != ANY_CODE && run.code != code) || !json_is_array(findings) || *run.error)
        fail_msg("weir doctor: exit code %d instead of %d; output: %s; errors: %s", run.code, code,
                 run.out, run.error);
    test_run_close(&run);
    return findings;
}

static void fail_with(const json_t *findings, const char *what, const char *which)
{
    char *all = json_dumps(findings, 0);
    fail_msg("%s %s in %s", what, which, all);
}

void expect_finding(int code, const char *level, const char *check, const char *about,
                    const char *text)
{
    json_t *findings = examine(code), *finding;
    bool found = false;
    size_t place;
    json_array_foreach(findings, place, finding)
    {
        found = found || (strcmp(shown_text(finding, "level"), level) == 0 &&
                          strcmp(shown_text(finding, "check"), check) == 0 &&
                          strcmp(shown_text(finding, "about"), about) == 0 &&
                          strstr(shown_text(finding, "text"), text) != NULL);
    }
    if (!found)
        fail_with(findings, "not found", text);
    json_decref(findings);
}

static void expect_ok(int code, const char *check)
{
    json_t *findings = examine(code), *finding;
    size_t place;
    assert_true(json_array_size(findings) > 0);
    json_array_foreach(findings, place, finding)
    {
        if ((!check || strcmp(shown_text(finding, "check"), check) == 0) &&
            strcmp(shown_text(finding, "level"), "ok") != 0)
            fail_with(findings, "not ok", shown_text(finding, "text"));
    }
    json_decref(findings);
}

void expect_all_ok(void)
{
    expect_ok(0, NULL);
}

void expect_nothing_of(const char *check)
{
    expect_ok(ANY_CODE, check);
}
