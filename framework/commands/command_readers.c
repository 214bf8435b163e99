/* weir readers: lists who reads a service's events, and retires readers that nobody needs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/action.h"
#include "commands/event_readers.h"
#include "commands/print.h"
#include "commands/service_names.h"
#include "commands/table.h"
#include "commands/values.h"
#include "commands/visible.h"
#include "redis/key_names.h"
#include "redis/reply.h"

#define TEN_YEARS_MS INT64_C(315360000000)

static const struct weir_option options[] = {
    {.name = "silent-for",
     .kind = WEIR_OPTION_DURATION,
     WEIR_SETTING(silent_for_ms),
     .initial = "24h",
     .minimum = 1,
     .maximum = TEN_YEARS_MS,
     .value_name = "TIME",
     .help = "a reader counts as forgotten after so long without a sign of life"},
    {.name = "force",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(force),
     .help = "retire a reader that is alive or has entries pending"},
    WEIR_OPERATOR_OPTION,
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

static const struct weir_column columns[] = {
    {.heading = "reader", .key = "name"},
    {.heading = "kind", .key = "kind"},
    {.heading = "position", .key = "position"},
    {.heading = "pending", .key = "pending"},
    {.heading = "behind", .key = "counted", .otherwise = "behind"},
    {.heading = "unfinished", .key = "oldestUnfinished", .kind = WEIR_COLUMN_AGE},
    {.heading = "heard of", .key = "lastSign", .kind = WEIR_COLUMN_AGE},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = NULL},
};

/* ---- list -------------------------------------------------------------------------------- */

static void print_reach(const json_t *found, int64_t now_ms)
{
    const json_t *oldest = json_object_get(found, "oldest");
    struct weir_text line = {0};
    weir_text_format(&line, "events %" JSON_INTEGER_FORMAT,
                     json_integer_value(json_object_get(found, "events")));
    if (json_is_integer(oldest)) {
        weir_text_append_string(&line, ", reaching back ");
        weir_span_append(&line, now_ms - json_integer_value(oldest));
    }
    weir_print_line(&line);
    weir_text_close(&line);
}

static int list(json_t *found, int64_t now_ms)
{
    json_t *rows = json_object_get(found, "readers"), *row;
    size_t place;
    print_reach(found, now_ms);
    json_array_foreach(rows, place, row)
    {
        if (json_is_true(json_object_get(row, "behindAtLeast")))
            json_object_set_new(row, "counted",
                                json_sprintf("%" JSON_INTEGER_FORMAT "+",
                                             json_integer_value(json_object_get(row, "behind"))));
    }
    return weir_table_print(columns, rows, now_ms);
}

/* ---- retire ------------------------------------------------------------------------------ */

static int fail_unknown(const json_t *rows, const char *service, const char *name)
{
    struct weir_text known = {0};
    size_t place;
    json_t *row;
    json_array_foreach(rows, place, row)
    {
        weir_text_format(&known, "%s%s", place > 0 ? ", " : "",
                         json_string_value(json_object_get(row, "name")));
    }
    int code = weir_fail(WEIR_EXIT_FAILED, "nobody reads the events of %s as '%s'; there %s %s",
                         service, name, json_array_size(rows) == 1 ? "is" : "are",
                         known.at ? known.at : "no readers");
    weir_text_close(&known);
    return code;
}

static int fail_active(const char *name, int64_t silence_ms)
{
    struct weir_text span = {0};
    weir_span_append(&span, silence_ms);
    int code = weir_fail(WEIR_EXIT_FAILED,
                         "%s was heard of %s ago; stop it first, or give --force where it no "
                         "longer reads these events",
                         name, span.at ? span.at : "a moment");
    weir_text_close(&span);
    return code;
}

static const json_t *find(const json_t *rows, const char *name)
{
    size_t place;
    json_t *row;
    json_array_foreach(rows, place, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            return row;
    }
    return NULL;
}

static int report_retired(const struct weir_session *session, const char *name,
                          const redisReply *reply)
{
    struct weir_slice kind = weir_value_element(reply, 0), position = weir_value_element(reply, 1);
    if (session->settings.json)
        return weir_print_json(json_pack("{s:s, s:o, s:o}", "retired", name, "kind",
                                         weir_slice_json(kind), "position",
                                         weir_slice_json(position)));
    struct weir_text line = {0};
    weir_visible_append(&line, kind);
    weir_text_append_string(&line, " ");
    weir_visible_append(&line, weir_slice_of(name));
    weir_text_append_string(&line, " is retired at ");
    weir_visible_append(&line, position);
    weir_text_format(&line,
                     "; events are no longer kept for it.\nShould it come back, it begins at the "
                     "oldest event %sthat is still there.",
                     weir_slice_equals(kind, "projection") ? "behind its position " : "");
    weir_print_line(&line);
    weir_text_close(&line);
    return WEIR_EXIT_FINE;
}

/* What the server's function has said. */
static int conclude(const struct weir_session *session, const char *name, const redisReply *reply)
{
    struct weir_slice word = weir_value_element(reply, 0);
    int64_t number = 0;
    if (weir_slice_equals(word, "group") || weir_slice_equals(word, "projection"))
        return report_retired(session, name, reply);
    if (weir_slice_equals(word, "active") && weir_reply_integer(weir_reply_at(reply, 2), &number))
        return fail_active(name, number);
    if (weir_slice_equals(word, "pending") && weir_reply_integer(weir_reply_at(reply, 1), &number))
        return weir_fail(WEIR_EXIT_FAILED,
                         "%s has %" PRId64 " entries pending, which nobody would finish; give "
                         "--force to give them up",
                         name, number);
    return weir_fail(WEIR_EXIT_FAILED, "%s has just been retired by somebody else", name);
}

static int call_retire(struct weir_session *session, const char *service, const char *name)
{
    struct weir_error error = {0};
    char events[WEIR_KEY_MAX], readers[WEIR_KEY_MAX], silence[24];
    weir_key_events(events, session->settings.prefix, service);
    weir_key_readers(readers, session->settings.prefix, service);
    snprintf(silence, sizeof(silence), "%" PRId64, session->settings.silent_for_ms);
    weir_act(session, "readers retire", "%s %s", service, name);
    redisReply *reply =
        weir_client_ask(&session->client, &error, "FCALL", "weir_retire", "2", events, readers,
                        name, silence, session->settings.force ? "1" : "0", NULL);
    if (!reply && strstr(error.text, "Function not found"))
        return weir_fail(WEIR_EXIT_FAILED,
                         "%s lacks the function weir_retire; weir install loads it",
                         session->client.server);
    if (!reply)
        return weir_fail_by(&error);
    int code = conclude(session, name, reply);
    freeReplyObject(reply);
    return code;
}

static int retire(struct weir_session *session, const json_t *found, const char *name,
                  int64_t now_ms)
{
    const char *service = json_string_value(json_object_get(found, "service"));
    const json_t *rows = json_object_get(found, "readers"), *row = find(rows, name);
    if (!row)
        return fail_unknown(rows, service, name);
    /* Its service's signs of life are in other keys than the function has; consumers have none of
     * their own while there is nothing to read. */
    const json_t *last_sign = json_object_get(row, "lastSign");
    int64_t silence_ms = now_ms - json_integer_value(last_sign);
    if (json_is_integer(last_sign) && silence_ms < session->settings.silent_for_ms &&
        !session->settings.force)
        return fail_active(name, silence_ms);
    return call_retire(session, service, name);
}

/* ---- The command ------------------------------------------------------------------------- */

static int check(const struct weir_session *session, int count, char **operands)
{
    if (weir_service_check(operands[0]) != WEIR_EXIT_FINE)
        return WEIR_EXIT_USAGE;
    bool retires = count > 1 && strcmp(operands[1], "retire") == 0;
    if (count > 1 && !retires && strcmp(operands[1], "list") != 0)
        return weir_fail(WEIR_EXIT_USAGE, "readers: unknown word '%s'; there are list and retire",
                         operands[1]);
    if (retires && count == 2)
        return weir_fail(WEIR_EXIT_USAGE, "readers retire needs the name of a reader; readers list "
                                          "tells them");
    if (!retires && count > 2)
        return weir_fail(WEIR_EXIT_USAGE, "readers list takes no name; readers retire does");
    if (!retires && session->settings.force)
        return weir_fail(WEIR_EXIT_USAGE, "--force belongs to readers retire");
    return WEIR_EXIT_FINE;
}

static int run(struct weir_session *session, int count, char **operands)
{
    struct weir_error error = {0};
    int64_t now_ms = 0;
    json_t *found = NULL;
    int code = check(session, count, operands);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (weir_session_now(session, &now_ms, &error) == WEIR_OK)
        found = weir_event_readers_read(session, operands[0], session->settings.silent_for_ms,
                                        now_ms, &error);
    if (!found)
        return weir_fail_by(&error);
    if (count > 2)
        code = retire(session, found, operands[2], now_ms);
    else if (session->settings.json)
        code = weir_print_json(json_incref(found));
    else
        code = list(found, now_ms);
    json_decref(found);
    return code;
}

static bool shows(int count, char **operands)
{
    return count < 2 || strcmp(operands[1], "list") == 0;
}

const struct weir_command weir_command_readers = {
    .name = "readers",
    .operands = "<service> [list | retire NAME]",
    .summary = "Lists who reads a service's events, or retires a forgotten reader",
    .notes =
        "No event is removed before every reader has passed it. list (the default) prints where\n"
        "each is, how old the oldest event is that it has not finished, and its state:\n"
        "  reading    has finished all events that are older than a minute\n"
        "  behind     has not\n"
        "  forgotten  its oldest unfinished event is older than --silent-for, and so is its last\n"
        "             sign of life\n"
        "retire takes a reader away, so that events are no longer kept for it; one that comes "
        "back\n"
        "begins at the oldest event that is still there.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 3,
    .run = run,
    .shows = shows,
};
