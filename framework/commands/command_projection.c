/* weir projection: lists read models' projections and finds the verb that is wanted of one. */
#include <string.h>

#include "base/text.h"
#include "commands/action.h"
#include "commands/print.h"
#include "commands/projection_verbs.h"
#include "commands/table.h"

static const struct weir_option options[] = {
    {.name = "dry-run",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(dry_run),
     .help = "rebuild: compare with the live model, and change nothing"},
    {.name = "allow-missing",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(allow_missing),
     .help = "rebuild: although events are gone"},
    {.name = "detach",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(detach),
     .help = "rebuild: return when it has been started"},
    {.name = "limit",
     .kind = WEIR_OPTION_INTEGER,
     WEIR_SETTING(limit),
     .initial = "20",
     .minimum = 1,
     .maximum = 1000,
     .value_name = "N",
     .help = "rebuild --dry-run: print at most so many differences"},
    {.name = "wait",
     .kind = WEIR_OPTION_DURATION,
     WEIR_SETTING(wait_ms),
     .minimum = 1,
     .maximum = 86400000,
     .value_name = "TIME",
     .help = "rebuild, retry, skip: wait so long (defaults above)"},
    {.name = "force",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(force),
     .help = "skip: even an event that waits for a newer program"},
    WEIR_OPERATOR_OPTION,
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

/* ---- list -------------------------------------------------------------------------------- */

static const struct weir_column columns[] = {
    {.heading = "projection", .key = "projection"},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = "worker", .key = "worker"},
    {.heading = "behind", .key = "behind"},
    {.heading = "oldest", .key = "oldest", .kind = WEIR_COLUMN_AGE},
    {.heading = "since", .key = "since", .kind = WEIR_COLUMN_AGE},
    {.heading = "reason", .key = "reason"},
    {.heading = NULL},
};

/* The row with its cells as a table shows them. */
static void dress(json_t *row, const struct weir_projection_status *status)
{
    struct weir_text state = {0};
    weir_projection_state_append(&state, status);
    json_object_set_new(row, "state", json_string(state.at ? state.at : ""));
    json_object_set_new(row, "behind", weir_projection_behind(row));
    weir_text_close(&state);
}

static enum weir_status append_row(struct weir_session *session,
                                   const struct weir_projection_name *name, json_t *rows,
                                   int64_t *now_ms, struct weir_error *error)
{
    struct weir_projection_status status;
    json_t *sources = weir_projection_sources(session, name, error);
    if (sources && weir_projection_look(session, name, &status, error) == WEIR_OK) {
        json_t *row = weir_projection_describe(name, &status, sources);
        if (!session->settings.json)
            dress(row, &status);
        json_array_append_new(rows, row);
        *now_ms = status.now_ms;
    }
    json_decref(sources);
    return error->status;
}

static int print_rows(struct weir_session *session, json_t *rows, int64_t now_ms)
{
    if (json_array_size(rows) == 0)
        weir_remark("no projection is known; a worker with projections has to have run once");
    if (session->settings.json)
        return weir_print_json(json_incref(rows));
    return weir_table_print(columns, rows, now_ms);
}

static int list(struct weir_session *session)
{
    struct weir_error error = {0};
    json_t *all = weir_projections_read(session, &error), *rows = json_array(), *sources;
    const char *shown;
    int64_t now_ms = 0;
    json_object_foreach(all, shown, sources)
    {
        struct weir_projection_name name;
        if (error.status == WEIR_OK && weir_projection_name_split(&name, shown, sources)) {
            (void)!append_row(session, &name, rows, &now_ms, &error);
            weir_projection_name_close(&name);
        }
    }
    int code = error.status != WEIR_OK ? weir_fail_by(&error) : print_rows(session, rows, now_ms);
    json_decref(all);
    json_decref(rows);
    return code;
}

/* ---- The verbs --------------------------------------------------------------------------- */

typedef int verb_function(struct weir_session *session, const struct weir_projection_name *name);

static const struct verb {
    const char *name;
    const char *action; /* as it is recorded; NULL: it changes nothing */
    const char *operands;
    int minimum, maximum;
    bool rebuilds; /* takes the options of rebuild */
    bool waits;    /* takes --wait */
    verb_function *run;
} verbs[] = {
    {"list", NULL, "no operands", 0, 0, false, false, NULL},
    {"show", NULL, "NAME", 1, 1, false, false, weir_projection_show},
    {"retry", "projection retry", "NAME", 1, 1, false, true, weir_projection_retry},
    {"skip", "projection skip", "NAME [ENTRY]", 1, 2, false, true, NULL},
    {"rebuild", "projection rebuild", "NAME", 1, 1, true, true, weir_projection_rebuild},
    {"abandon", "projection abandon", "NAME", 1, 1, false, false, weir_projection_abandon},
    {"forget", "projection forget", "NAME", 1, 1, false, false, weir_projection_forget},
};

static const struct verb *find_verb(const char *word)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, word) == 0)
            return &verbs[i];
    return NULL;
}

static int check_options(const struct verb *verb, const struct weir_settings *settings)
{
    if (!verb->rebuilds && (settings->dry_run || settings->allow_missing || settings->detach))
        return weir_fail(WEIR_EXIT_USAGE,
                         "projection %s: --dry-run, --allow-missing and --detach are for rebuild",
                         verb->name);
    if (settings->wait_ms > 0 && !verb->waits)
        return weir_fail(WEIR_EXIT_USAGE, "projection %s: --wait is for rebuild, retry and skip",
                         verb->name);
    if (settings->force && strcmp(verb->name, "skip") != 0)
        return weir_fail(WEIR_EXIT_USAGE, "projection %s: --force is for skip", verb->name);
    return WEIR_EXIT_FINE;
}

static int check(const struct verb *verb, const struct weir_settings *settings, int count,
                 char **operands)
{
    struct weir_entry_id id;
    int code = check_options(verb, settings);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (count < verb->minimum || count > verb->maximum)
        return weir_fail(WEIR_EXIT_USAGE, "projection %s takes %s; see weir projection --help",
                         verb->name, verb->operands);
    if (count > 1 && !weir_entry_id_read(weir_slice_of(operands[1]), &id))
        return weir_fail(WEIR_EXIT_USAGE,
                         "'%s' is no id of an event; it looks like 1700000000000-0", operands[1]);
    return count > 0 ? weir_projection_operand_check(operands[0]) : WEIR_EXIT_FINE;
}

static int run_verb(struct weir_session *session, const struct verb *verb, int count,
                    char **operands)
{
    struct weir_projection_name name = {0};
    int code = weir_projection_find(session, operands[0], &name);
    if (code == WEIR_EXIT_FINE && verb->action)
        weir_act(session, verb->action, "%s%s%s", name.shown, count > 1 ? " " : "",
                 count > 1 ? operands[1] : "");
    if (code == WEIR_EXIT_FINE)
        code = verb->run ? verb->run(session, &name)
                         : weir_projection_skip(session, &name, count > 1 ? operands[1] : NULL);
    weir_projection_name_close(&name);
    return code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    const struct verb *verb = find_verb(count > 0 ? operands[0] : "list");
    int rest = count > 0 ? count - 1 : 0;
    if (!verb)
        return weir_fail(WEIR_EXIT_USAGE,
                         "projection: unknown word '%s'; there are list, show, retry, skip, "
                         "rebuild, abandon and forget",
                         operands[0]);
    int code = check(verb, &session->settings, rest, operands + 1);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    return rest > 0 ? run_verb(session, verb, rest, operands + 1) : list(session);
}

static bool shows(int count, char **operands)
{
    return count < 1 || strcmp(operands[0], "list") == 0 || strcmp(operands[0], "show") == 0;
}

const struct weir_command weir_command_projection = {
    .name = "projection",
    .operands = "[list | show NAME | retry NAME | skip NAME [ENTRY] | rebuild NAME | abandon NAME "
                "| forget NAME]",
    .summary = "Lists, mends and rebuilds projections",
    .notes =
        "NAME is <projection>, or <view>/<projection> where several views have one of that name.\n"
        "list (the default) tells whose turn each is and how many events it is behind; idle is\n"
        "one that no worker runs. show tells everything, and the event that stops it.\n"
        "retry has a stopped one tried at once, when the cause has been mended. skip passes over\n"
        "the event that stops it, or its rebuild, and no other; the live model's goes to the\n"
        "view's dead letters. Both wait 5s for what comes of it.\n"
        "rebuild folds all events anew beside the live model and then puts the new one in its\n"
        "place; one that was paused goes on. Ctrl-C pauses it. It stops waiting when no worker\n"
        "has had the turn for 15s. With --dry-run it only compares, and exits by 1 where "
        "something\n"
        "differs. abandon drops one that is under way; the live model stays as it is.\n"
        "forget is for a projection that no program has any more: its kinds of keys are free\n"
        "for others, its sources wait for it no longer, its models stay.",
    .options = options,
    .operands_minimum = 0,
    .operands_maximum = 3,
    .run = run,
    .shows = shows,
};
