/* weir doctor: says whether server and services are well, and what to do where they are not. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/streams.h"
#include "commands/doctor.h"
#include "commands/print.h"

#define ANSWER_LIMIT_MS 5000
/* As those who watch over servers expect it of what they run. */
#define EXIT_WARNINGS 1
#define EXIT_PROBLEMS 2
#define LEVEL_WIDTH 9
#define ABOUT_WIDTH 28
#define WIDE 80

static const struct weir_option options[] = {WEIR_WATCH_OPTION, WEIR_COMMON_OPTIONS};

/* ---- Printing ---------------------------------------------------------------------------- */

static enum weir_colour colour_of(const char *level)
{
    if (strcmp(level, "problem") == 0)
        return WEIR_RED;
    return strcmp(level, "warning") == 0 ? WEIR_YELLOW : WEIR_GREEN;
}

static void pad(struct weir_text *line, size_t from, size_t width)
{
    do
        weir_text_append_string(line, " ");
    while (!line->failed && line->length - from < width);
}

/* Nothing is cut: what is to be done stands at the end. */
static void print_finding(const json_t *finding)
{
    const char *level = json_string_value(json_object_get(finding, "level"));
    struct weir_text line = {0};
    weir_text_append_string(&line, weir_colour_begin(colour_of(level)));
    weir_text_append_string(&line, level);
    weir_text_append_string(&line, weir_colour_end(colour_of(level)));
    pad(&line, line.length - strlen(level), LEVEL_WIDTH);
    size_t from = line.length;
    weir_value_append(&line, json_object_get(finding, "about"));
    pad(&line, from, ABOUT_WIDTH);
    size_t indent = weir_terminal_width() >= WIDE ? LEVEL_WIDTH + ABOUT_WIDTH : LEVEL_WIDTH;
    weir_value_append(&line, json_object_get(finding, "text"));
    weir_print_wrapped(&line, indent);
    weir_text_close(&line);
}

static int report(const struct weir_doctor *doctor)
{
    int code = doctor->problems > 0   ? EXIT_PROBLEMS
               : doctor->warnings > 0 ? EXIT_WARNINGS
                                      : WEIR_EXIT_FINE;
    size_t place;
    json_t *finding;
    if (doctor->session->settings.json) {
        int printed = weir_print_json(json_incref(doctor->findings));
        return printed == WEIR_EXIT_FINE ? code : printed;
    }
    json_array_foreach(doctor->findings, place, finding)
    {
        print_finding(finding);
    }
    fprintf(weir_output(), "%zu problems, %zu warnings\n", doctor->problems, doctor->warnings);
    return code;
}

/* ---- Looking ----------------------------------------------------------------------------- */

/* A replica is not looked at any further. A server that takes no writes does not even answer PING:
 * that is what the doctor is asked for. One that does not let this user in is there, and monitoring
 * must not take that for a mere warning. */
static int examine_unserving(struct weir_doctor *doctor, const struct weir_error *error)
{
    static const char *const signs[] = {"MISCONF", "LOADING", "MASTERDOWN", "BUSY"};
    if (doctor->session->client.not_master) {
        weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "role", "replica", "%s", error->text);
        return report(doctor);
    }
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strstr(error->text, signs[i])) {
            weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "server", signs[i], "%s", error->text);
            return report(doctor);
        }
    if (error->status != WEIR_DENIED && error->status != WEIR_REFUSED)
        return weir_fail_by(error);
    weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "rights", "login", "%s", error->text);
    return report(doctor);
}

static int examine(struct weir_doctor *doctor)
{
    struct weir_error error = {0};
    if (weir_session_now(doctor->session, &doctor->now_ms, &error) == WEIR_DENIED) {
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "rights", "TIME",
                         "this user may not ask for the server's time: that of this machine is "
                         "used; grant +time");
        doctor->now_ms = (int64_t)time(NULL) * 1000;
    } else if (error.status != WEIR_OK) {
        return weir_fail_by(&error);
    } else {
        weir_doctor_look_at_clock(doctor);
    }
    weir_doctor_look_at_server(doctor);
    weir_doctor_look_at_services(doctor);
    weir_doctor_look_at_projections(doctor);
    if (doctor->lost.status == WEIR_OK)
        return report(doctor);
    if (!weir_client_connected(&doctor->session->client))
        return weir_fail_by(&doctor->lost);
    weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "server", "server",
                     "does not serve now, and the rest was not looked at: %s", doctor->lost.text);
    return report(doctor);
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count, (void)operands;
    struct weir_error error = {0};
    struct weir_doctor doctor = {.session = session, .findings = json_array()};
    weir_client_close(&session->client); /* of an earlier run */
    int code =
        weir_client_open(&session->client, &session->endpoint, ANSWER_LIMIT_MS, &error) == WEIR_OK
            ? examine(&doctor)
            : examine_unserving(&doctor, &error);
    json_decref(doctor.findings);
    return code;
}

const struct weir_command weir_command_doctor = {
    .name = "doctor",
    .operands = "",
    .summary = "Checks the server's settings and the health of all services",
    .notes =
        "Prints one line for each thing looked at, which says what to do about it:\n"
        "  ok       as it should be\n"
        "  warning  to be looked after: something is left lying, slow, or not kept long\n"
        "  problem  weir does not work, or may lose what it promises to keep\n"
        "Exits by 0 where all is well, by 1 where there are warnings only, by 2 where there is a\n"
        "problem, as plug-ins of monitoring do, and by 69 where there is no server. What the user\n"
        "has no rights to look at is a warning. It changes nothing. With --json it prints an "
        "array\n"
        "of {level, check, about, text}.",
    .options = options,
    .run = run,
};
