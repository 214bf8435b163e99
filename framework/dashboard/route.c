/* Finds the route of a request and lays out the words of its command. */
#include "dashboard/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/run.h"

#define SEGMENTS_MAX 110
#define LIMIT_MAX 500 /* rows of one answer, whatever the command allows at a terminal */

/* An operand that begins with '-' cannot become a flag, as all stand behind "--". None of the
 * common options (--redis, --namespace) is in a list, nor one that waits for long. */
static const struct weir_route routes[] = {
    {.command = "top"},
    {.command = "sagas",
     .options = {"state", "definition", "older-than", "younger-than", "matching", "limit", "before",
                 "page"}},
    {.command = "saga", .operands_minimum = 1, .operands_maximum = 1},
    {.command = "services", .operands_maximum = 1},
    {.command = "workers", .operands_maximum = 1},
    {.command = "scheduled", .operands_maximum = 1, .options = {"limit"}},
    {.command = "actions", .options = {"limit", "since", "who", "target"}},
    {.command = "readers", .operands_minimum = 1, .operands_maximum = 1, .every_ms = 5000},
    {.command = "doctor", .dear = true},
    {.command = "projection", .verb = "list"},
    {.command = "projection",
     .verb = "show",
     .joined = true,
     .operands_minimum = 1,
     .operands_maximum = 1},
    {.command = "definition", .verb = "list", .every_ms = 10000},
    {.command = "definition", .verb = "show", .operands_minimum = 1, .operands_maximum = 2},
    {.command = "dead",
     .verb = "list",
     .verb_place = 1,
     .operands_minimum = 1,
     .operands_maximum = 1,
     .options = {"limit", "reason", "exactly", "type", "older-than", "up-to", "no-data"}},
    {.command = "dead",
     .verb = "count",
     .verb_place = 1,
     .operands_minimum = 1,
     .operands_maximum = 1,
     .options = {"limit"}},
    {.command = "dead",
     .verb = "show",
     .verb_place = 1,
     .operands_minimum = 2,
     .operands_maximum = 2},
    /* Without a verb: the list. */
    {.command = "projection", .bare = true},
    {.command = "dead",
     .bare = true,
     .verb_place = 1,
     .operands_minimum = 1,
     .operands_maximum = 1,
     .options = {"limit", "reason", "exactly", "type", "older-than", "up-to", "no-data"}},

    {.command = "cancel",
     .action = true,
     .operands_minimum = 1,
     .operands_maximum = 1,
     .options = {"as", "reason"}},
    {.command = "resume",
     .action = true,
     .operands_minimum = 1,
     .operands_maximum = 1,
     .options = {"as", "step", "retry", "skip"}},
    {.command = "signal",
     .action = true,
     .operands_minimum = 2,
     .operands_maximum = 2,
     .options = {"as", "data"}},
    /* Named ones, or those that a filter chooses; the page has asked. */
    {.command = "dead",
     .verb = "replay",
     .verb_place = 1,
     .action = true,
     .operands_minimum = 1,
     .operands_maximum = 101,
     .fixed = "--yes",
     .options = {"as", "data", "reason", "exactly", "type", "older-than", "up-to"}},
    {.command = "dead",
     .verb = "drop",
     .verb_place = 1,
     .action = true,
     .operands_minimum = 1,
     .operands_maximum = 101,
     .fixed = "--yes",
     .options = {"as", "reason", "exactly", "type", "older-than", "up-to"}},
    {.command = "projection",
     .verb = "rebuild",
     .joined = true,
     .action = true,
     .operands_minimum = 1,
     .operands_maximum = 1,
     .fixed = "--detach",
     .options = {"as", "allow-missing"}},
    {.command = "projection",
     .verb = "retry",
     .joined = true,
     .action = true,
     .operands_minimum = 1,
     .operands_maximum = 1,
     .options = {"as"}},
    {.command = "projection",
     .verb = "skip",
     .joined = true,
     .action = true,
     .operands_minimum = 1,
     .operands_maximum = 2,
     .last_operand = "entry",
     .options = {"as", "force"}},
    {.command = "projection",
     .verb = "abandon",
     .joined = true,
     .action = true,
     .operands_minimum = 1,
     .operands_maximum = 1,
     .options = {"as"}},
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

/* A path cut at its slashes, in a copy that is owned. */
struct segments {
    char *bytes;
    const char *at[SEGMENTS_MAX];
    size_t count;
};

static enum weir_status split(struct segments *segments, const char *path, struct weir_error *error)
{
    segments->bytes = strdup(path);
    if (!segments->bytes)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    for (char *at = segments->bytes, *slash; at; at = slash ? slash + 1 : NULL) {
        slash = strchr(at, '/');
        if (slash)
            *slash = '\0';
        if (segments->count == SEGMENTS_MAX)
            return weir_error_set(error, WEIR_INVALID, "too many operands");
        segments->at[segments->count++] = at;
    }
    return WEIR_OK;
}

static bool fits(const struct weir_route *route, const struct segments *segments, bool action)
{
    size_t verb = 1 + (size_t)route->verb_place;
    if (route->action != action || strcmp(route->command, segments->at[0]) != 0)
        return false;
    if (!route->verb)
        return !route->bare || segments->count <= verb;
    return segments->count > verb && strcmp(segments->at[verb], route->verb) == 0;
}

static const struct weir_route *find(const struct segments *segments, bool action)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        if (fits(&routes[i], segments, action))
            return &routes[i];
    return NULL;
}

/* ---- The words --------------------------------------------------------------------------- */

/* Texts one behind the other; where each begins. */
struct layout {
    struct weir_text bytes;
    size_t starts[WEIR_ROUTE_WORDS_MAX];
    size_t count;
};

static void add(struct layout *layout, const char *one, const char *other)
{
    if (layout->count == WEIR_ROUTE_WORDS_MAX) {
        layout->bytes.failed = true;
        return;
    }
    layout->starts[layout->count++] = layout->bytes.length;
    weir_text_append_string(&layout->bytes, one);
    weir_text_append_string(&layout->bytes, other);
    weir_text_append(&layout->bytes, "", 1);
}

static const struct weir_option *find_option(const struct weir_route *route,
                                             const struct weir_command *command, const char *name)
{
    bool listed = false;
    for (size_t i = 0; route->options[i]; i++)
        listed = listed || strcmp(route->options[i], name) == 0;
    for (const struct weir_option *option = command->options; listed && option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

static enum weir_status add_flag(struct layout *layout, const struct weir_option *option,
                                 const char *value, struct weir_error *error)
{
    char head[64];
    if (strcmp(value, "false") == 0)
        return WEIR_OK;
    if (*value && strcmp(value, "true") != 0)
        return weir_error_set(error, WEIR_INVALID, "%s: must be true or false", option->name);
    weir_copy(head, sizeof(head), "--");
    weir_copy(head + 2, sizeof(head) - 2, option->name);
    add(layout, head, "");
    return WEIR_OK;
}

static enum weir_status add_option(struct layout *layout, const struct weir_route *route,
                                   const struct weir_command *command,
                                   const struct weir_route_argument *argument,
                                   struct weir_error *error)
{
    int64_t limit;
    struct weir_text head = {0};
    const struct weir_option *option = find_option(route, command, argument->name);
    if (!option)
        return weir_error_set(error, WEIR_INVALID, "%.60s: no such option can be given here",
                              argument->name);
    if (option->kind == WEIR_OPTION_FLAG)
        return add_flag(layout, option, argument->value, error);
    if (strcmp(option->name, "limit") == 0 &&
        weir_parse_integer(argument->value, strlen(argument->value), &limit) && limit > LIMIT_MAX)
        return weir_error_set(error, WEIR_INVALID, "limit: at most %d", LIMIT_MAX);
    weir_text_format(&head, "--%s=", option->name);
    add(layout, head.at ? head.at : "", argument->value);
    layout->bytes.failed = layout->bytes.failed || head.failed;
    weir_text_close(&head);
    return WEIR_OK;
}

/* Where an option without a value stands in the list is all that matters: operands come last. */
static enum weir_status add_options(struct layout *layout, const struct weir_route *route,
                                    const struct weir_command *command,
                                    const struct weir_route_argument *arguments, size_t count,
                                    struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    if (route->fixed)
        add(layout, route->fixed, "");
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        if (!route->last_operand || strcmp(arguments[i].name, route->last_operand) != 0)
            status = add_option(layout, route, command, &arguments[i], error);
    return status;
}

static void add_joined(struct layout *layout, const struct segments *segments, size_t from)
{
    struct weir_text joined = {0};
    for (size_t i = from; i < segments->count; i++)
        weir_text_format(&joined, "%s%s", i > from ? "/" : "", segments->at[i]);
    add(layout, joined.at ? joined.at : "", "");
    layout->bytes.failed = layout->bytes.failed || joined.failed;
    weir_text_close(&joined);
}

/* Returns how many operands there are without the verb. */
static int add_operands(struct layout *layout, const struct weir_route *route,
                        const struct segments *segments,
                        const struct weir_route_argument *arguments, size_t count)
{
    int operands = 0;
    size_t at = 1, verb = 1 + (size_t)route->verb_place;
    add(layout, "--", "");
    for (; at < segments->count && !(route->joined && at > verb); at++) {
        add(layout, segments->at[at], "");
        operands += !route->verb || at != verb;
    }
    if (at < segments->count) {
        add_joined(layout, segments, at);
        operands++;
    }
    for (size_t i = 0; route->last_operand && i < count; i++) {
        if (strcmp(arguments[i].name, route->last_operand) != 0)
            continue;
        add(layout, arguments[i].value, "");
        operands++;
    }
    return operands;
}

/* The pointers, and behind them the texts. */
static enum weir_status finish(const struct layout *layout, struct weir_words *words,
                               struct weir_error *error)
{
    size_t room = (layout->count + 1) * sizeof(char *);
    words->words = layout->bytes.failed ? NULL : malloc(room + layout->bytes.length);
    if (!words->words)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    char *texts = (char *)words->words + room;
    memcpy(texts, layout->bytes.at, layout->bytes.length);
    for (size_t i = 0; i < layout->count; i++)
        words->words[i] = texts + layout->starts[i];
    words->words[layout->count] = NULL;
    words->count = (int)layout->count;
    return WEIR_OK;
}

static enum weir_status lay_out(const struct segments *segments,
                                const struct weir_route_argument *arguments, size_t count,
                                struct weir_words *words, struct weir_error *error)
{
    const struct weir_route *route = words->route;
    struct layout layout = {0};
    add(&layout, route->command, "");
    enum weir_status status = add_options(&layout, route, words->command, arguments, count, error);
    int operands = add_operands(&layout, route, segments, arguments, count);
    if (status == WEIR_OK &&
        (operands < route->operands_minimum || operands > route->operands_maximum))
        status = weir_error_set(error, WEIR_INVALID, "%s%s%s takes %s", route->command,
                                route->verb ? " " : "", route->verb ? route->verb : "",
                                words->command->operands);
    if (status == WEIR_OK)
        status = finish(&layout, words, error);
    weir_text_close(&layout.bytes);
    return status;
}

enum weir_status weir_route_words(const char *path, bool action,
                                  const struct weir_route_argument *arguments, size_t count,
                                  struct weir_words *words, struct weir_error *error)
{
    struct segments segments = {0};
    *words = (struct weir_words){0};
    enum weir_status status = split(&segments, path, error);
    if (status == WEIR_OK) {
        words->route = find(&segments, action);
        words->command = words->route ? weir_command_find(words->route->command) : NULL;
        status = words->command ? lay_out(&segments, arguments, count, words, error)
                                : weir_error_set(error, WEIR_NOT_FOUND, "there is nothing here");
    }
    free(segments.bytes);
    return status;
}

enum weir_status weir_route_words_of(const struct weir_target *target, const char *path,
                                     bool action, struct weir_words *words,
                                     struct weir_error *error)
{
    struct weir_route_argument arguments[WEIR_TARGET_ARGUMENTS_MAX];
    for (size_t i = 0; i < target->count; i++)
        arguments[i] =
            (struct weir_route_argument){target->arguments[i].name, target->arguments[i].value};
    return weir_route_words(path, action, arguments, target->count, words, error);
}

void weir_words_close(struct weir_words *words)
{
    free(words->words);
    *words = (struct weir_words){0};
}

char *weir_words_key(const struct weir_words *words)
{
    struct weir_text key = {0};
    for (int i = 0; i < words->count; i++) {
        weir_text_append_string(&key, words->words[i]);
        weir_text_append(&key, "\n", 1);
    }
    if (key.failed)
        weir_text_close(&key);
    return key.at;
}
