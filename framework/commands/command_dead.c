/* weir dead: lists and shows the dead letters of a service. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/command.h"
#include "commands/print.h"
#include "commands/values.h"
#include "commands/table.h"
#include "commands/visible.h"
#include "redis/key_names.h"

static const struct weir_option options[] = {{.name = "limit",
                                              .kind = WEIR_OPTION_INTEGER,
                                              WEIR_SETTING(limit),
                                              .initial = "50",
                                              .minimum = 1,
                                              .maximum = 10000,
                                              .value_name = "N",
                                              .help = "list at most so many, the newest"},
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

/* "<ms>-<number>"; the first part, or -1 where it is no such id. */
static int64_t entry_ms(struct weir_slice id)
{
    int64_t ms, number;
    const char *dash = id.at ? memchr(id.at, '-', id.length) : NULL;
    if (!dash)
        return -1;
    struct weir_slice head = {id.at, (size_t)(dash - id.at)};
    struct weir_slice tail = {dash + 1, id.length - head.length - 1};
    if (!weir_slice_integer(head, &ms) || !weir_slice_integer(tail, &number) || ms < 0 ||
        number < 0)
        return -1;
    return ms;
}

/* A letter as {letter, at, fields}. The server's own fields stand behind those of the message and
 * win over them. */
static json_t *make_letter(const redisReply *entry)
{
    struct weir_slice id = weir_value_element(entry, 0);
    const redisReply *pairs = weir_value_count(entry) == 2 ? entry->element[1] : NULL;
    json_t *letter = json_object();
    json_object_set_new(letter, "letter", weir_slice_json(id));
    json_object_set_new(letter, "at", json_integer(entry_ms(id)));
    json_object_set_new(letter, "fields", weir_fields_json(pairs));
    return letter;
}

static json_t *make_letters(const redisReply *entries)
{
    json_t *letters = json_array();
    for (size_t i = 0; i < weir_value_count(entries); i++)
        json_array_append_new(letters, make_letter(entries->element[i]));
    return letters;
}

static int list(struct weir_session *session, const char *key)
{
    char limit[24];
    struct weir_error error = {0};
    int64_t now_ms = 0;
    snprintf(limit, sizeof(limit), "%" PRId64, session->settings.limit);
    redisReply *reply =
        weir_client_ask(&session->client, &error, "XREVRANGE", key, "+", "-", "COUNT", limit, NULL);
    if (!reply)
        return weir_fail_by(&error);
    json_t *letters = make_letters(reply);
    freeReplyObject(reply);
    int code;
    if (session->settings.json)
        code = weir_print_json(json_incref(letters));
    else if (weir_session_now(session, &now_ms, &error) != WEIR_OK)
        code = weir_fail_by(&error);
    else
        code = weir_table_print(columns, letters, now_ms);
    json_decref(letters);
    return code;
}

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
    json_t *found = make_letters(reply);
    freeReplyObject(reply);
    int code = WEIR_EXIT_FINE;
    if (json_array_size(found) == 0)
        code = weir_fail(WEIR_EXIT_FAILED, "no dead letter %s in %s", id, key);
    json_array_extend(letters, found);
    json_decref(found);
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

static int check(int count, char **operands)
{
    if (!weir_name_valid(operands[0], strlen(operands[0])))
        return weir_fail(WEIR_EXIT_USAGE,
                         "<service>: '%s' is no name of a service; it must be a letter and then "
                         "letters, digits, '_' or '-', 64 bytes at most",
                         operands[0]);
    bool shows = count > 1 && strcmp(operands[1], "show") == 0;
    if (count > 1 && !shows && strcmp(operands[1], "list") != 0)
        return weir_fail(WEIR_EXIT_USAGE, "dead: unknown word '%s'; there are list and show",
                         operands[1]);
    if (shows && count == 2)
        return weir_fail(WEIR_EXIT_USAGE, "dead show needs the ids of letters; dead list tells "
                                          "them");
    if (!shows && count > 2)
        return weir_fail(WEIR_EXIT_USAGE, "dead list takes no ids; dead show does");
    for (int i = 2; i < count; i++)
        if (entry_ms(weir_slice_of(operands[i])) < 0)
            return weir_fail(WEIR_EXIT_USAGE,
                             "'%s' is no id of a letter; it looks like 1700000000000-0",
                             operands[i]);
    return WEIR_EXIT_FINE;
}

static int run(struct weir_session *session, int count, char **operands)
{
    char key[WEIR_KEY_MAX];
    int code = check(count, operands);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    weir_key_dead(key, session->settings.prefix, operands[0]);
    return count > 2 ? show(session, key, count - 2, operands + 2) : list(session, key);
}

static bool shows(int count, char **operands)
{
    return count < 2 || strcmp(operands[1], "list") == 0 || strcmp(operands[1], "show") == 0;
}

const struct weir_command weir_command_dead = {
    .name = "dead",
    .operands = "<service> [list | show ID…]",
    .summary = "Lists or shows the dead letters of a service",
    .notes =
        "list (the default) prints one line for each, the newest first; show prints all fields\n"
        "of those named.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1000,
    .run = run,
    .shows = shows,
};
