/* weir definition: checks, loads, lists and shows the definitions of sagas. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/action.h"
#include "commands/definition_file.h"
#include "commands/print.h"
#include "commands/values.h"
#include "commands/table.h"
#include "commands/visible.h"
#include "redis/disk.h"
#include "redis/key_names.h"

static const struct weir_option options[] = {
    {.name = "force",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(force),
     .help = "load: change a version that is there, and let the latest go back"},
    WEIR_OPERATOR_OPTION,
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

static const struct weir_column columns[] = {
    {.heading = "name", .key = "name"},
    {.heading = "latest", .key = "latest"},
    {.heading = "versions", .key = "versions"},
    {.heading = NULL},
};

/* ---- check and load ---------------------------------------------------------------------- */

/* Reads all files, also behind a wrong one, so that all mistakes are told at once. Returns how
 * many of them could be read; fewer than all: not to go on with. */
static int read_files(struct weir_definition_file *files, int count, char **paths, int *code)
{
    int good = 0;
    for (int i = 0; i < count; i++) {
        struct weir_error error = {0};
        if (weir_definition_file_read(&files[good], paths[i], &error) == WEIR_OK)
            good++;
        else
            *code = weir_fail_by(&error);
    }
    return good;
}

static json_t *describe(const struct weir_definition_file *file)
{
    const struct weir_saga_definition *definition = file->definition;
    return json_pack("{s:s, s:s, s:I, s:I}", "file", file->path, "name", definition->name,
                     "version", (json_int_t)definition->version, "steps",
                     (json_int_t)definition->step_count);
}

static void print_checked(const json_t *one)
{
    struct weir_text line = {0};
    weir_value_append(&line, json_object_get(one, "file"));
    weir_text_format(&line, ": fine: %s version %lld, %lld steps",
                     json_string_value(json_object_get(one, "name")),
                     (long long)json_integer_value(json_object_get(one, "version")),
                     (long long)json_integer_value(json_object_get(one, "steps")));
    weir_print_line(&line);
    weir_text_close(&line);
}

static void print_loaded(const json_t *one)
{
    const char *change = json_string_value(json_object_get(one, "change"));
    const char *done = "loaded";
    if (strcmp(change, "new") != 0)
        done = strcmp(change, "none") == 0 ? "was there already" : "changed";
    fprintf(weir_output(), "%s version %lld %s; the latest is %lld\n",
            json_string_value(json_object_get(one, "name")),
            (long long)json_integer_value(json_object_get(one, "version")), done,
            (long long)json_integer_value(json_object_get(one, "latest")));
}

static int print_each(const struct weir_session *session, json_t *results_take,
                      void (*print)(const json_t *))
{
    json_t *one;
    size_t i;
    if (session->settings.json)
        return weir_print_json(results_take);
    json_array_foreach(results_take, i, one)
    {
        print(one);
    }
    json_decref(results_take);
    return WEIR_EXIT_FINE;
}

static int check_files(struct weir_session *session, const struct weir_definition_file *files,
                       int count)
{
    json_t *results = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(results, describe(&files[i]));
    return print_each(session, results, print_checked);
}

/* A saga whose step could never count would be refused at its start: better not to have it. */
static int check_disk(struct weir_session *session, const struct weir_definition_file *file)
{
    const struct weir_saga_definition *definition = file->definition;
    struct weir_error why = {0};
    int step = weir_saga_definition_on_disk(definition);
    enum weir_disk disk = step < 0 ? WEIR_DISK_BY_WAITAOF : weir_disk_ask(&session->client, &why);
    if (disk == WEIR_DISK_UNASKED)
        return weir_fail_by(&why);
    if (disk == WEIR_DISK_NOT)
        return weir_fail(WEIR_EXIT_DATA, "%s: step \"%s\": durability: disk: %s", file->path,
                         definition->steps[step].name, why.text);
    return WEIR_EXIT_FINE;
}

static int load_files(struct weir_session *session, const struct weir_definition_file *files,
                      int count)
{
    json_t *results = json_array();
    int code = weir_session_connect(session);
    for (int i = 0; i < count && code == WEIR_EXIT_FINE; i++) {
        json_t *outcome = NULL;
        code = check_disk(session, &files[i]);
        if (code == WEIR_EXIT_FINE)
            code = weir_definition_file_load(session, &files[i], &outcome);
        if (outcome)
            json_array_append_new(results, outcome);
        weir_action_record(session, code);
    }
    int printed = print_each(session, results, print_loaded);
    return code == WEIR_EXIT_FINE ? printed : code;
}

static int with_files(struct weir_session *session, int count, char **paths, bool load)
{
    int code = WEIR_EXIT_FINE;
    struct weir_definition_file *files = calloc((size_t)count, sizeof(*files));
    if (!files)
        return weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    int good = read_files(files, count, paths, &code);
    if (!load)
        code = check_files(session, files, good) == WEIR_EXIT_FINE ? code : WEIR_EXIT_FAILED;
    else if (code == WEIR_EXIT_FINE)
        code = load_files(session, files, good);
    for (int i = 0; i < good; i++)
        weir_definition_file_close(&files[i]);
    free(files);
    return code;
}

static int check(struct weir_session *session, int count, char **paths)
{
    return with_files(session, count, paths, false);
}

static int load(struct weir_session *session, int count, char **paths)
{
    return with_files(session, count, paths, true);
}

/* ---- list -------------------------------------------------------------------------------- */

static int by_value(const void *one, const void *other)
{
    const json_t *a = *(json_t *const *)one, *b = *(json_t *const *)other;
    if (json_is_string(a))
        return strcmp(json_string_value(a), json_string_value(b));
    return (json_integer_value(a) > json_integer_value(b)) -
           (json_integer_value(a) < json_integer_value(b));
}

/* A new array of the same values, texts or numbers, in order. */
static json_t *sort(json_t *values_take)
{
    size_t count = json_array_size(values_take);
    json_t *sorted = json_array(), **order = calloc(count + 1, sizeof(json_t *));
    for (size_t i = 0; order && i < count; i++)
        order[i] = json_array_get(values_take, i);
    if (order)
        qsort(order, count, sizeof(json_t *), by_value);
    for (size_t i = 0; order && i < count; i++)
        json_array_append(sorted, order[i]);
    free(order);
    json_decref(values_take);
    return sorted;
}

/* The texts of an array that are names of definitions, or those that are version numbers. */
static json_t *gather(const redisReply *reply, bool versions)
{
    json_t *values = json_array();
    for (size_t i = 0; i < weir_value_count(reply); i++) {
        int64_t number;
        struct weir_slice text = weir_value_element(reply, i);
        if (versions && weir_slice_integer(text, &number))
            json_array_append_new(values, json_integer(number));
        else if (!versions && text.at && weir_name_valid(text.at, text.length))
            json_array_append_new(values, weir_slice_json(text));
    }
    return sort(values);
}

static enum weir_status append_row(struct weir_session *session, json_t *name, json_t *rows,
                                   struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_definition(key, session->settings.prefix, json_string_value(name));
    redisReply *latest = weir_client_ask(&session->client, error, "HGET", key, "latest", NULL);
    redisReply *versions =
        latest ? weir_client_ask(&session->client, error, "HKEYS", key, NULL) : NULL;
    if (versions)
        json_array_append_new(rows, json_pack("{s:O, s:o, s:o}", "name", name, "latest",
                                              weir_slice_json_number(weir_value_text(latest)),
                                              "versions", gather(versions, true)));
    bool done = versions != NULL;
    freeReplyObject(latest);
    freeReplyObject(versions);
    return done ? WEIR_OK : error->status;
}

static int list(struct weir_session *session, int count, char **operands)
{
    (void)count, (void)operands;
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    weir_key_definitions(key, session->settings.prefix);
    redisReply *reply = weir_client_ask(&session->client, &error, "SMEMBERS", key, NULL);
    json_t *names = gather(reply, false), *rows = json_array(), *name;
    size_t i;
    json_array_foreach(names, i, name)
    {
        if (append_row(session, name, rows, &error) != WEIR_OK)
            break;
    }
    if (error.status != WEIR_OK)
        code = weir_fail_by(&error);
    else if (session->settings.json)
        code = weir_print_json(json_incref(rows));
    else
        code = weir_table_print(columns, rows, 0);
    json_decref(rows);
    json_decref(names);
    freeReplyObject(reply);
    return code;
}

/* ---- show -------------------------------------------------------------------------------- */

static int print_definition(const struct weir_session *session, struct weir_slice stored)
{
    json_t *json = json_loadb(stored.at, stored.length, 0, NULL);
    struct weir_text text = {0};
    if (json && session->settings.json)
        return weir_print_json(json);
    if (!json && session->settings.json)
        return weir_fail(WEIR_EXIT_DATA, "this definition is not valid JSON; load another");
    if (json)
        weir_visible_append_json(&text, json, 2);
    else
        weir_visible_append(&text, stored);
    weir_print_line(&text);
    weir_text_close(&text);
    json_decref(json);
    return json ? WEIR_EXIT_FINE
                : weir_fail(WEIR_EXIT_DATA, "this definition is not valid JSON; load another");
}

static int show_version(struct weir_session *session, const char *name, const char *version)
{
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    weir_key_definition(key, session->settings.prefix, name);
    redisReply *latest = NULL, *stored = NULL;
    if (!version) {
        latest = weir_client_ask(&session->client, &error, "HGET", key, "latest", NULL);
        version = weir_value_text(latest).at;
    }
    if (version)
        stored = weir_client_ask(&session->client, &error, "HGET", key, version, NULL);
    int code;
    if (error.status != WEIR_OK)
        code = weir_fail_by(&error);
    else if (!weir_value_text(stored).at)
        code = weir_fail_missing("no definition %s%s%s (%s); weir definition list lists "
                                 "those loaded by weir",
                                 name, version ? " version " : "", version ? version : "", key);
    else
        code = print_definition(session, weir_value_text(stored));
    freeReplyObject(stored);
    freeReplyObject(latest);
    return code;
}

static int show(struct weir_session *session, int count, char **operands)
{
    int64_t version = 1;
    const char *name = operands[0], *number = count > 1 ? operands[1] : NULL;
    if (!weir_name_valid(name, strlen(name)))
        return weir_fail(WEIR_EXIT_USAGE,
                         "'%s' is no name of a definition; it must be a letter and then letters, "
                         "digits, '_' or '-', 64 bytes at most",
                         name);
    if (number && (!weir_parse_integer(number, strlen(number), &version) || version < 1))
        return weir_fail(WEIR_EXIT_USAGE, "'%s' is no version; it must be a whole number from 1",
                         number);
    int code = weir_session_connect(session);
    return code == WEIR_EXIT_FINE ? show_version(session, name, number) : code;
}

/* ---- The verbs --------------------------------------------------------------------------- */

static const struct verb {
    const char *name, *operands;
    int minimum, maximum;
    int (*run)(struct weir_session *session, int count, char **operands);
} verbs[] = {
    {"check", "FILE…", 1, 1000, check},
    {"load", "FILE…", 1, 1000, load},
    {"list", "no operands", 0, 0, list},
    {"show", "NAME [VERSION]", 1, 2, show},
};

static int run(struct weir_session *session, int count, char **operands)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, operands[0]) != 0)
            continue;
        if (count - 1 < verbs[i].minimum || count - 1 > verbs[i].maximum)
            return weir_fail(WEIR_EXIT_USAGE, "definition %s takes %s; see weir definition --help",
                             verbs[i].name, verbs[i].operands);
        return verbs[i].run(session, count - 1, operands + 1);
    }
    return weir_fail(WEIR_EXIT_USAGE,
                     "definition: unknown word '%s'; there are check, load, list and show",
                     operands[0]);
}

static bool shows(int count, char **operands)
{
    return count < 1 || strcmp(operands[0], "list") == 0 || strcmp(operands[0], "show") == 0;
}

const struct weir_command weir_command_definition = {
    .name = "definition",
    .operands = "<check FILE… | load FILE… | list | show NAME [VERSION]>",
    .summary = "Checks, loads, lists or shows definitions of sagas",
    .notes =
        "check reads files (- is standard input) and says what is wrong with them; it needs no\n"
        "server. load checks them all and puts them on the server; a version that is there with\n"
        "another content is refused. list lists what load has put there; a definition that was\n"
        "put by hand works, but is not listed until it is loaded.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1001,
    .run = run,
    .shows = shows,
};
