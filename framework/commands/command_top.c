/* weir top: everything at a glance, drawn again and again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands/command.h"
#include "commands/overview.h"
#include "commands/print.h"
#include "commands/screen.h"
#include "commands/service_tables.h"
#include "commands/watch.h"

#define HEAD_WIDTH 10
#define MB (1024 * 1024)

static const struct weir_option options[] = {{.name = "interval",
                                              .kind = WEIR_OPTION_DURATION,
                                              .unit_needed = true,
                                              WEIR_SETTING(interval_ms),
                                              .initial = "1s",
                                              .minimum = 100,
                                              .maximum = 86400000,
                                              .value_name = "TIME",
                                              .help = "how often the screen is drawn"},
                                             WEIR_WATCH_OPTION,
                                             WEIR_COMMON_OPTIONS};

/* ---- Lines ------------------------------------------------------------------------------- */

static void begin_line(struct weir_text *line, const char *head)
{
    weir_text_format(line, "%-*s", HEAD_WIDTH, head);
}

static void end_line(struct weir_text *line)
{
    weir_print_line(line);
    weir_text_close(line);
}

/* "  suspended 3", red where it is not 0 and `alarms`. */
static void append_count(struct weir_text *line, const char *name, const json_t *count, bool alarms)
{
    bool red = alarms && json_integer_value(count) > 0;
    weir_text_format(line, "  %s%s ", weir_colour_begin(red ? WEIR_RED : WEIR_PLAIN), name);
    weir_value_append(line, count);
    weir_text_append_string(line, weir_colour_end(red ? WEIR_RED : WEIR_PLAIN));
}

static void print_server(const json_t *server)
{
    struct weir_text line = {0};
    const json_t *used = json_object_get(server, "usedMemory"),
                 *limit = json_object_get(server, "maxMemory");
    begin_line(&line, "server");
    weir_text_append_string(&line, "  ");
    weir_value_append(&line, json_object_get(server, "address"));
    weir_text_append_string(&line, ", version ");
    weir_value_append(&line, json_object_get(server, "version"));
    if (json_is_integer(used))
        weir_text_format(&line, ", %" JSON_INTEGER_FORMAT " MB", json_integer_value(used) / MB);
    if (json_integer_value(limit) > 0)
        weir_text_format(&line, " of %" JSON_INTEGER_FORMAT " MB", json_integer_value(limit) / MB);
    end_line(&line);
}

static void print_rates(const json_t *rate)
{
    static const char *const names[] = {"received", "handled", "refused", "retried"};
    struct weir_text line = {0};
    begin_line(&line, "a second");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *shown = weir_rate_shown(rate, names[i]);
        append_count(&line, names[i], shown, false);
        json_decref(shown);
    }
    end_line(&line);
}

static void print_sagas(const json_t *sagas)
{
    const char *state;
    json_t *count;
    struct weir_text line = {0};
    begin_line(&line, "sagas");
    json_object_foreach((json_t *)sagas, state, count)
    {
        append_count(&line, state, count, strcmp(state, "suspended") == 0);
    }
    end_line(&line);
}

static void print_totals(const json_t *totals)
{
    struct weir_text line = {0};
    begin_line(&line, "messages");
    append_count(&line, "backlog", json_object_get(totals, "backlog"), false);
    append_count(&line, "pending", json_object_get(totals, "pending"), false);
    append_count(&line, "scheduled", json_object_get(totals, "scheduled"), false);
    append_count(&line, "dead letters", json_object_get(totals, "dead"), true);
    end_line(&line);
}

/* ---- What needs somebody first ----------------------------------------------------------- */

static bool is_troubled(const json_t *row)
{
    const char *state = json_string_value(json_object_get(row, "state"));
    static const char *const fine[] = {"ok", "running", "idle"};
    bool well = false;
    for (size_t i = 0; state && i < sizeof(fine) / sizeof(fine[0]); i++)
        well = well || strcmp(state, fine[i]) == 0;
    return !well || json_integer_value(json_object_get(row, "dead")) > 0 ||
           json_is_string(json_object_get(row, "problem"));
}

/* A screen may be too low for all. New. */
static json_t *put_troubled_first(const json_t *rows)
{
    json_t *ordered = json_array(), *row;
    size_t i;
    for (int troubled = 1; troubled >= 0; troubled--)
        json_array_foreach(rows, i, row)
        {
            if (is_troubled(row) == (troubled == 1))
                json_array_append(ordered, row);
        }
    return ordered;
}

static int print_overview(const json_t *overview)
{
    int64_t now_ms = json_integer_value(json_object_get(overview, "now"));
    json_t *services = put_troubled_first(json_object_get(overview, "services"));
    json_t *projections = put_troubled_first(json_object_get(overview, "projections"));
    print_server(json_object_get(overview, "server"));
    print_rates(json_object_get(overview, "rate"));
    print_sagas(json_object_get(overview, "sagas"));
    print_totals(json_object_get(overview, "totals"));
    fputc('\n', weir_output());
    int code = weir_services_print(services, now_ms, false);
    if (code == WEIR_EXIT_FINE)
        code = weir_projections_print(projections, now_ms);
    json_decref(services);
    json_decref(projections);
    return code;
}

/* ---- The command ------------------------------------------------------------------------- */

static int show_once(struct weir_session *session, void *user)
{
    (void)user;
    struct weir_error error = {0};
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    json_t *overview = weir_overview_read(session, &error);
    if (!overview)
        return weir_fail_by(&error);
    code =
        session->settings.json ? weir_print_json(json_incref(overview)) : print_overview(overview);
    json_decref(overview);
    return code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count, (void)operands;
    if (!session->settings.json && !weir_on_terminal())
        return weir_fail(WEIR_EXIT_USAGE,
                         "top: standard output is no terminal; give --json, which prints all once");
    if (session->settings.json || session->settings.watch_ms > 0)
        return show_once(session, NULL);
    session->settings.watch_ms = session->settings.interval_ms;
    return weir_watch(session, "weir top", show_once, NULL);
}

const struct weir_command weir_command_top = {
    .name = "top",
    .operands = "",
    .summary = "Shows everything at a glance, live",
    .notes = "q or Ctrl-C ends it. Services and projections that need somebody come first. Only "
             "what is\n"
             "registered is shown; weir services --search finds others. With --json it prints all "
             "of it\n"
             "once, as one object.",
    .options = options,
    .run = run,
};
