/* weir query: shows a read model, as new as is asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call/asking.h"
#include "call/page.h"
#include "commands/command.h"
#include "commands/print.h"
#include "commands/values.h"
#include "commands/visible.h"
#include "redis/key_names.h"

#define TOKENS_MAX 64
#define NAME_WIDTH 12

static const struct weir_option options[] = {
    {.name = "after",
     .kind = WEIR_OPTION_TEXTS,
     WEIR_SETTING(after),
     .value_name = "TOKEN",
     .help = "wait until it shows this; several joined by commas, or the flag again"},
    {.name = "projection",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(projection),
     .value_name = "NAME",
     .help = "the one to wait for; else all that read the token's events"},
    {.name = "wait",
     .kind = WEIR_OPTION_DURATION,
     WEIR_SETTING(wait_ms),
     .initial = "10s",
     .minimum = 0,
     .maximum = 86400000,
     .value_name = "TIME",
     .help = "so long for --after, as 2s or 500ms"},
    {.name = "limit",
     .kind = WEIR_OPTION_INTEGER,
     WEIR_SETTING(limit),
     .initial = "100",
     .minimum = 1,
     .maximum = WEIR_PAGE_MAX,
     .value_name = "N",
     .help = "about so many fields or members"},
    {.name = "cursor",
     .kind = WEIR_OPTION_TEXT,
     WEIR_SETTING(cursor),
     .value_name = "C",
     .help = "go on where the page before has ended"},
    {.name = "reverse",
     .kind = WEIR_OPTION_FLAG,
     WEIR_SETTING(reverse),
     .help = "a sorted set from its greatest score down"},
    WEIR_WATCH_OPTION,
    WEIR_COMMON_OPTIONS};

/* ---- Tokens ------------------------------------------------------------------------------ */

struct tokens {
    struct weir_token at[TOKENS_MAX];
    size_t count;
};

/* A token's own text may hold a comma, in its namespace: one ends where an id does. */
static int take_tokens(const char *list, struct tokens *tokens)
{
    char text[WEIR_TOKEN_MAX];
    while (*list) {
        const char *slash = strchr(list, '/');
        size_t length = slash ? (size_t)(slash - list) + strcspn(slash, ",") : strlen(list);
        snprintf(text, sizeof(text), "%.*s", (int)length, list);
        if (tokens->count == TOKENS_MAX)
            return weir_fail(WEIR_EXIT_DATA, "--after: more than %d tokens", TOKENS_MAX);
        if (length >= sizeof(text) || length == 0 ||
            !weir_token_read(text, &tokens->at[tokens->count++]))
            return weir_fail(WEIR_EXIT_DATA,
                             "--after: '%.100s' is no token; it looks like "
                             "{orders}:events/1700000000000-0",
                             text);
        list += length + (list[length] == ',');
    }
    return WEIR_EXIT_FINE;
}

static int read_tokens(const struct weir_texts *after, struct tokens *tokens)
{
    int code = WEIR_EXIT_FINE;
    for (size_t i = 0; code == WEIR_EXIT_FINE && i < after->count; i++)
        code = take_tokens(after->at[i], tokens);
    return code;
}

/* ---- Printing ---------------------------------------------------------------------------- */

static void print_pair(const char *name, const json_t *value)
{
    struct weir_text line = {0};
    weir_visible_append(&line, weir_slice_of(name));
    while (line.length < NAME_WIDTH)
        weir_text_append_string(&line, " ");
    weir_text_append_string(&line, "  ");
    weir_value_append(&line, value);
    weir_print_line(&line);
    weir_text_close(&line);
}

static void print_value(const json_t *value)
{
    struct weir_text line = {0};
    weir_value_append(&line, value);
    weir_print_line(&line);
    weir_text_close(&line);
}

static void print_page(json_t *page)
{
    const char *name;
    json_t *value;
    if (json_is_string(page))
        print_value(page);
    json_object_foreach(page, name, value) print_pair(name, value);
    for (size_t i = 0; i < json_array_size(page); i++) {
        value = json_array_get(page, i);
        if (json_is_object(value))
            print_pair(json_string_value(json_object_get(value, "member")),
                       json_object_get(value, "score"));
        else
            print_value(value);
    }
}

static int print_found(const struct weir_session *session, char **operands,
                       const struct weir_query_answer *answer)
{
    if (session->settings.json)
        return weir_print_json(json_pack("{s:s, s:o, s:s, s:O, s:s}", "view", operands[0], "key",
                                         weir_slice_json(weir_slice_of(operands[1])), "type",
                                         answer->type, "value", answer->value, "cursor",
                                         answer->cursor));
    print_page(answer->value);
    if (answer->cursor[0])
        weir_remark("there is more: --cursor %s", answer->cursor);
    return WEIR_EXIT_FINE;
}

/* ---- Asking ------------------------------------------------------------------------------ */

static int ask(struct weir_session *session, char **operands,
               const struct weir_query_options *wanted)
{
    struct weir_query_answer answer;
    struct weir_error error = {0};
    int code = WEIR_EXIT_FAILED;
    switch (weir_query_ask(&session->client, session->settings.prefix, operands[0], operands[1],
                           wanted, &answer, &error)) {
    case WEIR_QUERY_FOUND:
        code = print_found(session, operands, &answer);
        break;
    case WEIR_QUERY_ABSENT:
        code = weir_fail(WEIR_EXIT_FAILED, "%s", answer.reason);
        break;
    case WEIR_QUERY_WAITED:
        code = weir_fail(WEIR_EXIT_WAITED, "%s", answer.reason);
        break;
    case WEIR_QUERY_FAILED:
    case WEIR_QUERY_OTHER:
        code = error.status == WEIR_NOT_FOUND
                   ? weir_fail(WEIR_EXIT_FAILED, "%s with --projection", error.text)
                   : weir_fail_by(&error);
        break;
    }
    json_decref(answer.value);
    return code;
}

/* One that is misspelled would be waited for in vain. Where that cannot be asked, it is. */
static int check_projection(struct weir_session *session, const char *view,
                            const struct weir_query_options *wanted)
{
    char key[WEIR_KEY_MAX], field[WEIR_KEY_MAX];
    struct weir_error error = {0};
    if (!wanted->projection || wanted->after_count == 0)
        return WEIR_EXIT_FINE;
    weir_key_projections(key, session->settings.prefix);
    snprintf(field, sizeof(field), "%s/%s", view, wanted->projection);
    redisReply *reply = weir_client_ask(&session->client, &error, "HEXISTS", key, field, NULL);
    bool absent = reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == 0;
    if (reply)
        freeReplyObject(reply);
    return absent ? weir_fail(WEIR_EXIT_FAILED, "no projection %s of %s is registered",
                              wanted->projection, view)
                  : WEIR_EXIT_FINE;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count;
    const struct weir_settings *settings = &session->settings;
    struct tokens tokens = {.count = 0};
    struct weir_error error = {0};
    int code = read_tokens(&settings->after, &tokens);
    struct weir_query_options wanted = {.after = tokens.at,
                                        .after_count = tokens.count,
                                        .projection = settings->projection,
                                        .limit_ms = settings->wait_ms,
                                        .page = settings->limit,
                                        .cursor = settings->cursor,
                                        .reverse = settings->reverse};
    if (code == WEIR_EXIT_FINE &&
        weir_query_check(operands[0], operands[1], &wanted, &error) != WEIR_OK)
        code = weir_fail(WEIR_EXIT_USAGE, "%s", error.text);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code == WEIR_EXIT_FINE)
        code = check_projection(session, operands[0], &wanted);
    return code == WEIR_EXIT_FINE ? ask(session, operands, &wanted) : code;
}

const struct weir_command weir_command_query = {
    .name = "query",
    .operands = "<view> <key>",
    .summary = "Shows a read model: a hash, a text, a set or a sorted set",
    .notes = "The key is written without the view's name: weir query views order:o1. Tokens come\n"
             "from weir send --wait and weir start --wait. Exit codes: 0 found, 1 there is none,\n"
             "5 not as new as --after within --wait.",
    .options = options,
    .operands_minimum = 2,
    .operands_maximum = 2,
    .run = run,
};
