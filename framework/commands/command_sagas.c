/* weir sagas: lists sagas by the time they entered their state. */
#include "commands/print.h"
#include "commands/saga_walk.h"
#include "commands/table.h"

static const struct weir_option options[] = {
    WEIR_SAGA_FILTER_OPTIONS,
    {.name = "limit",
     .kind = WEIR_OPTION_INTEGER,
     WEIR_SETTING(limit),
     .initial = "50",
     .minimum = 1,
     .maximum = 10000,
     .value_name = "N",
     .help = "at most so many, the newest"},
    {.name = "before",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(before),
     .value_name = "CURSOR",
     .help = "go on behind the row with this cursor"},
    {.name = "page",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(page),
     .help = "with --json: an object that says where to go on"},
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

static const struct weir_column columns[] = {
    {.heading = "id", .key = "saga", .whole = true},
    {.heading = "definition", .key = "definition"},
    {.heading = "version", .key = "version"},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = "since", .key = "since", .kind = WEIR_COLUMN_AGE},
    {.heading = "reason", .key = "reason"},
    {.heading = NULL},
};

#define EVERY_STATE (~0U)

/* {sagas, next, lookedAt, complete}. */
static json_t *make_page(const struct weir_saga_found *found)
{
    return json_pack("{s:O, s:o, s:I, s:b}", "sagas", found->rows, "next",
                     *found->next ? json_string(found->next) : json_null(), "lookedAt",
                     (json_int_t)found->looked_at, "complete", (int)found->complete);
}

static int print(const struct weir_session *session, const struct weir_saga_found *found,
                 int64_t now_ms)
{
    bool enough = json_array_size(found->rows) >= (size_t)session->settings.limit;
    if (session->settings.json && session->settings.page)
        return weir_print_json(make_page(found));
    int code = session->settings.json ? weir_print_json(json_incref(found->rows))
                                      : weir_table_print(columns, found->rows, now_ms);
    if (!found->complete && !enough)
        weir_remark("looked at %zu sagas and stopped; go on with --before %s", found->looked_at,
                    found->next);
    else if (!found->complete && !session->settings.json && weir_on_terminal())
        weir_remark("there may be more: --before %s", found->next);
    return code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count, (void)operands;
    struct weir_error error = {0};
    struct weir_saga_found found = {0};
    int64_t now_ms = 0;
    int code = weir_saga_filter_check(&session->settings);
    if (code == WEIR_EXIT_FINE && session->settings.page && !session->settings.json)
        code = weir_fail(WEIR_EXIT_USAGE, "--page belongs to --json");
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (weir_saga_walk(session, EVERY_STATE, (size_t)session->settings.limit, &found, &error) !=
            WEIR_OK ||
        weir_session_now(session, &now_ms, &error) != WEIR_OK)
        code = weir_fail_by(&error);
    else
        code = print(session, &found, now_ms);
    weir_saga_found_close(&found);
    return code;
}

const struct weir_command weir_command_sagas = {
    .name = "sagas",
    .operands = "",
    .summary = "Lists sagas, the newest first",
    .notes =
        "The column since says how long a saga has been in its state, and the ages count from\n"
        "there. At most 100,000 sagas are looked at, which is told where it was not enough.\n"
        "--json: an array of {saga, state, since, definition, version, reason, cursor}; with\n"
        "--page {sagas, next, lookedAt, complete}, next being the cursor of the following page or\n"
        "null.",
    .options = options,
    .run = run,
};
