/* weir dead: shows the dead letters of a service, and what is done about them. */
#include <stdio.h>
#include <string.h>

#include "commands/bulk.h"
#include "commands/dead_letters.h"
#include "commands/dead_verbs.h"
#include "commands/print.h"
#include "commands/values.h"
#include "commands/service_names.h"
#include "commands/table.h"
#include "commands/visible.h"
#include "redis/entry_id.h"
#include "redis/key_names.h"

#define LISTED 50
#define LOOKED_AT_MAX 10000
#define BYTES_MAX (64 * 1024 * 1024)

static const struct weir_option options[] = {
    {.name = "limit",
     .kind = WEIR_OPTION_INTEGER,
     WEIR_SETTING(limit),
     .minimum = 1,
     .maximum = 10000,
     .value_name = "N",
     .help = "at most so many: list the newest, 50 if not said; replay and drop the oldest, 10000"},
    {.name = "reason",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(reason),
     .value_name = "TEXT",
     .help = "those whose reason holds this text, or the text that count prints for it"},
    {.name = "exactly",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(exactly),
     .help = "the whole reason is the text of --reason, or the text that count prints for it is"},
    {.name = "type",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(type),
     .value_name = "TYPE",
     .help = "those of this type"},
    {.name = "older-than",
     .kind = WEIR_OPTION_DURATION,
     .unit_needed = true,
     WEIR_SETTING(older_ms),
     .minimum = 1,
     .maximum = INT64_C(315360000000),
     .value_name = "TIME",
     .help = "those that have been dead longer: 30s, 5m, 2h, 7d"},
    {.name = "up-to",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(up_to),
     .value_name = "ID",
     .help = "none that is newer than this letter, such as those that came after the look at them"},
    {.name = "all",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(all),
     .help = "replay, drop: all of them"},
    {.name = "no-data",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(no_data),
     .help = "list --json: without the messages' data, which may be large"},
    {.name = "data",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(data),
     .value_name = "JSON|@FILE|-",
     .help = "replay ID: with this data in place of its own"},
    {.name = "edit",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(edit),
     .help = "replay ID: mend its data in $EDITOR first"},
    WEIR_BULK_OPTIONS,
    WEIR_OPERATOR_OPTION,
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

static const struct weir_column columns[] = {
    {.heading = "letter", .key = "letter"},
    {.heading = "type", .key = "fields.type"},
    {.heading = "deliveries", .key = "fields.deliveries"},
    {.heading = "age", .key = "at", .kind = WEIR_COLUMN_AGE},
    {.heading = "reason", .key = "fields.reason"},
    {.heading = NULL},
};

static const struct weir_column reason_columns[] = {
    {.heading = "letters", .key = "count", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "newest", .key = "newest", .kind = WEIR_COLUMN_AGE},
    {.heading = "oldest", .key = "oldest", .kind = WEIR_COLUMN_AGE},
    {.heading = "reason", .key = "reason"},
    {.heading = NULL},
};

/* ---- list and count ---------------------------------------------------------------------- */

struct listing {
    json_t *letters;
    size_t most;
    bool no_data;
};

static bool append(void *user, const redisReply *entry)
{
    struct listing *listing = user;
    json_t *letter = weir_letter_json(entry);
    if (listing->no_data)
        json_object_del(json_object_get(letter, "fields"), "data");
    json_array_append_new(listing->letters, letter);
    return json_array_size(listing->letters) < listing->most;
}

/* NULL after the sentence. */
static json_t *read_letters(struct weir_session *session, const char *key, int *code)
{
    struct weir_error error = {0};
    int64_t limit = session->settings.limit;
    struct listing listing = {.letters = json_array(),
                              .most = limit > 0 ? (size_t)limit : LISTED,
                              .no_data = session->settings.no_data};
    struct weir_letter_walk walk = {.key = key,
                                    .newest_first = true,
                                    .looked_at_most = LOOKED_AT_MAX,
                                    .bytes_at_most = BYTES_MAX,
                                    .at_once = listing.most,
                                    .found = append,
                                    .user = &listing};
    if (weir_letters_walk(session, &walk, &error) != WEIR_OK) {
        *code = weir_fail_by(&error);
        return json_decref(listing.letters), NULL;
    }
    if (walk.stopped)
        weir_remark("looked at the newest %zu letters only", walk.looked_at);
    return listing.letters;
}

static int list(struct weir_session *session, const char *key, int64_t now_ms)
{
    int code = WEIR_EXIT_FINE;
    json_t *letters = read_letters(session, key, &code);
    if (letters)
        code = session->settings.json ? weir_print_json(json_incref(letters))
                                      : weir_table_print(columns, letters, now_ms);
    json_decref(letters);
    return code;
}

static int count_reasons(struct weir_session *session, const char *service, int64_t now_ms)
{
    struct weir_error error = {0};
    json_t *counted = weir_letters_count(session, service, &error);
    if (!counted)
        return weir_fail_by(&error);
    int code = session->settings.json
                   ? weir_print_json(json_incref(counted))
                   : weir_table_print(reason_columns, json_object_get(counted, "reasons"), now_ms);
    if (!session->settings.json && json_is_false(json_object_get(counted, "complete")))
        weir_remark("looked at the newest %lld of %lld letters only",
                    (long long)json_integer_value(json_object_get(counted, "lookedAt")),
                    (long long)json_integer_value(json_object_get(counted, "letters")));
    json_decref(counted);
    return code;
}

/* ---- show -------------------------------------------------------------------------------- */

static void print_letter(const json_t *letter)
{
    const char *name;
    json_t *value;
    fprintf(weir_output(), "letter        %s\n",
            json_string_value(json_object_get(letter, "letter")));
    json_object_foreach(json_object_get(letter, "fields"), name, value)
    {
        struct weir_text line = {0};
        weir_visible_append(&line, weir_slice_of(name));
        for (size_t width = line.length; width < 12; width++)
            weir_text_append_string(&line, " ");
        weir_text_append_string(&line, "  ");
        if (json_is_object(value))
            weir_visible_append_json(&line, value, 2);
        else
            weir_value_append(&line, value);
        weir_print_line(&line);
        weir_text_close(&line);
    }
}

/* Appends the letter; a letter that is not there is told, and the others are shown. */
static int fetch(struct weir_session *session, const char *key, const char *id, json_t *letters)
{
    struct weir_error error = {0};
    redisReply *reply = weir_client_ask(&session->client, &error, "XRANGE", key, id, id, NULL);
    if (!reply)
        return weir_fail_by(&error);
    int code = WEIR_EXIT_FINE;
    if (weir_value_count(reply) == 0)
        code = weir_fail(WEIR_EXIT_FAILED, "no dead letter %s in %s", id, key);
    else
        json_array_append_new(letters, weir_letter_json(reply->element[0]));
    freeReplyObject(reply);
    return code;
}

static int show(struct weir_session *session, const char *key, int count, char **ids)
{
    json_t *letters = json_array(), *letter;
    size_t place;
    int code = WEIR_EXIT_FINE;
    for (int i = 0; i < count; i++) {
        int one = fetch(session, key, ids[i], letters);
        code = one == WEIR_EXIT_FINE ? code : one;
        if (one == WEIR_EXIT_NO_SERVER)
            break;
    }
    if (session->settings.json)
        weir_print_json(json_incref(letters));
    else
        json_array_foreach(letters, place, letter)
        {
            if (place > 0)
                fputc('\n', weir_output());
            print_letter(letter);
        }
    json_decref(letters);
    return code;
}

/* ---- The command ------------------------------------------------------------------------- */

enum word { BOTH, LIST, COUNT, SHOW, REPLAY, DROP, NO_WORD };

static enum word word_of(int count, char **operands)
{
    static const char *const words[] = {"list", "count", "show", "replay", "drop"};
    if (count < 2)
        return BOTH;
    for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
        if (strcmp(words[i], operands[1]) == 0)
            return (enum word)(LIST + i);
    return NO_WORD;
}

static bool has_filter(const struct weir_settings *settings)
{
    return settings->reason || settings->type || settings->older_ms > 0;
}

/* What replay and drop are about. */
static int check_targets(const struct weir_settings *settings, enum word word, int ids)
{
    const char *name = word == REPLAY ? "replay" : "drop";
    bool chosen = has_filter(settings) || settings->all;
    if (ids == 0 && !chosen)
        return weir_fail(WEIR_EXIT_USAGE,
                         "dead %s needs the ids of letters, or --reason, --type, --older-than or "
                         "--all",
                         name);
    if (ids > 0 && (chosen || settings->limit > 0 || settings->up_to))
        return weir_fail(WEIR_EXIT_USAGE, "dead %s takes ids or a filter, not both", name);
    if (settings->all && has_filter(settings))
        return weir_fail(WEIR_EXIT_USAGE, "--all takes no filter");
    if (word == DROP && (settings->data || settings->edit))
        return weir_fail(WEIR_EXIT_USAGE, "--data and --edit belong to dead replay");
    if (settings->data && settings->edit)
        return weir_fail(WEIR_EXIT_USAGE, "--data or --edit, not both");
    if ((settings->data || settings->edit) && ids != 1)
        return weir_fail(WEIR_EXIT_USAGE, "--data and --edit go with one letter");
    return WEIR_EXIT_FINE;
}

static int check_listing(const struct weir_settings *settings, enum word word)
{
    struct weir_entry_id id;
    if (settings->no_data && word != LIST && word != BOTH)
        return weir_fail(WEIR_EXIT_USAGE, "--no-data belongs to dead list");
    if (settings->exactly && !settings->reason)
        return weir_fail(WEIR_EXIT_USAGE, "--exactly goes with --reason");
    if (settings->up_to && !weir_entry_id_read(weir_slice_of(settings->up_to), &id))
        return weir_fail(WEIR_EXIT_USAGE, "--up-to: '%s' is no id of a letter", settings->up_to);
    return WEIR_EXIT_FINE;
}

static int check_words(const struct weir_settings *settings, enum word word, int ids)
{
    int code = check_listing(settings, word);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (word == REPLAY || word == DROP)
        return check_targets(settings, word, ids);
    if (word == SHOW && ids == 0)
        return weir_fail(WEIR_EXIT_USAGE, "dead show needs the ids of letters; dead list tells "
                                          "them");
    if (word != SHOW && ids > 0)
        return weir_fail(WEIR_EXIT_USAGE, "dead %s takes no ids; dead show, replay and drop do",
                         word == LIST ? "list" : "count");
    if (settings->all || settings->data || settings->edit || settings->dry_run || settings->yes)
        return weir_fail(WEIR_EXIT_USAGE,
                         "--all, --data, --edit, --dry-run and --yes belong to dead replay and "
                         "drop");
    return WEIR_EXIT_FINE;
}

static int check(const struct weir_settings *settings, int count, char **operands)
{
    enum word word = word_of(count, operands);
    struct weir_entry_id id;
    if (weir_service_check(operands[0]) != WEIR_EXIT_FINE)
        return WEIR_EXIT_USAGE;
    if (word == NO_WORD)
        return weir_fail(WEIR_EXIT_USAGE,
                         "dead: unknown word '%s'; there are list, count, show, replay and drop",
                         operands[1]);
    for (int i = 2; i < count; i++)
        if (!weir_entry_id_read(weir_slice_of(operands[i]), &id))
            return weir_fail(WEIR_EXIT_USAGE,
                             "'%s' is no id of a letter; it looks like 1700000000000-0",
                             operands[i]);
    return check_words(settings, word, count > 2 ? count - 2 : 0);
}

static int show_overview(struct weir_session *session, const char *service, const char *key,
                         enum word word)
{
    int64_t now_ms = 0;
    struct weir_error error = {0};
    int code = WEIR_EXIT_FINE;
    if (weir_session_now(session, &now_ms, &error) != WEIR_OK)
        return weir_fail_by(&error);
    /* As JSON the letters alone are told, as they always were. */
    if (word == COUNT || (word == BOTH && !session->settings.json))
        code = count_reasons(session, service, now_ms);
    if (word == BOTH && !session->settings.json && code == WEIR_EXIT_FINE)
        fputc('\n', weir_output());
    if (word != COUNT && code == WEIR_EXIT_FINE)
        code = list(session, key, now_ms);
    return code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    char key[WEIR_KEY_MAX];
    int code = check(&session->settings, count, operands);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    weir_key_dead(key, session->settings.prefix, operands[0]);
    enum word word = word_of(count, operands);
    int ids = count > 2 ? count - 2 : 0;
    if (word == SHOW)
        return show(session, key, ids, operands + 2);
    if (word == REPLAY)
        return weir_dead_replay(session, operands[0], ids, operands + 2);
    if (word == DROP)
        return weir_dead_drop(session, operands[0], ids, operands + 2);
    if (!weir_service_known(session, operands[0]))
        return weir_service_fail_unknown(operands[0]);
    return show_overview(session, operands[0], key, word);
}

static bool shows(int count, char **operands)
{
    enum word word = word_of(count, operands);
    return word != REPLAY && word != DROP;
}

const struct weir_command weir_command_dead = {
    .name = "dead",
    .operands = "<service> [list | count | show ID… | replay ID… | drop ID…]",
    .summary = "Shows the dead letters of a service, replays or drops them",
    .notes =
        "Without a word the reasons are counted, what differs from letter to letter in them\n"
        "written as #, and the newest letters listed. count does the one, of the newest 10,000,\n"
        "list the other; show prints all fields of those named.\n"
        "replay puts the message back into the service's inbox under its own id, with new\n"
        "attempts: what has been done is not done twice, and no letter is replayed twice. An\n"
        "event comes to this service alone. Steps of sagas and events that a projection has\n"
        "passed over are refused with the command that helps. drop removes letters for good.\n"
        "Both take ids, or --reason, --type, --older-than or --all; then they ask on a terminal\n"
        "and want --yes elsewhere. They exit by 1 where a letter stayed.\n"
        "--json: list an array of {letter, at, fields}; count {service, letters, lookedAt,\n"
        "complete, reasons: [{reason, count, newest, newestLetter, oldest, types}]}; replay and\n"
        "drop a line {letter, type, replayed or dropped, entry, error} for each letter.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1002,
    .run = run,
    .shows = shows,
};
