/* weir completion: scripts for shells, and the names that these ask for. */
#include <stdio.h>
#include <string.h>

#include "commands/completion.h"
#include "commands/output.h"
#include "commands/print.h"
#include "commands/values.h"
#include "redis/key_names.h"

#define NAMES_MAX 1000

static const struct weir_option options[] = {WEIR_COMMON_OPTIONS};

/* A name that a shell would take for something else is none to offer. */
static bool is_plain(struct weir_slice name)
{
    for (size_t i = 0; i < name.length; i++)
        if (!memchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/",
                    name.at[i], 66))
            return false;
    return name.length > 0;
}

static int print_names(struct weir_session *session, const char *what, const char *command,
                       const char *key)
{
    struct weir_error error = {0};
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    redisReply *reply = weir_client_ask(&session->client, &error, command, key, NULL);
    if (!reply)
        return weir_fail_by(&error);
    json_t *names = json_array();
    for (size_t i = 0; i < weir_value_count(reply) && i < NAMES_MAX; i++) {
        struct weir_slice name = weir_value_element(reply, i);
        if (!name.at || !is_plain(name))
            continue;
        json_array_append_new(names, weir_slice_json(name));
        if (!session->settings.json)
            fprintf(weir_output(), "%.*s\n", (int)name.length, name.at);
    }
    freeReplyObject(reply);
    if (session->settings.json)
        return weir_print_json(names);
    if (json_array_size(names) == 0)
        weir_remark("the server knows of no %s", what);
    json_decref(names);
    return WEIR_EXIT_FINE;
}

static int run(struct weir_session *session, int count, char **operands)
{
    const char *what = operands[0], *prefix = session->settings.prefix;
    char key[WEIR_KEY_MAX];
    bool script = strcmp(what, "bash") == 0 || strcmp(what, "zsh") == 0;
    (void)count;
    if (script && session->settings.json)
        return weir_fail(WEIR_EXIT_USAGE, "--json: the script for %s is no JSON", what);
    if (strcmp(what, "bash") == 0)
        weir_completion_bash(weir_output());
    else if (strcmp(what, "zsh") == 0)
        weir_completion_zsh(weir_output());
    else if (strcmp(what, "services") == 0)
        return print_names(session, what, "HKEYS", weir_key_named(key, prefix, "weir", "services"));
    else if (strcmp(what, "definitions") == 0)
        return print_names(session, what, "SMEMBERS", weir_key_definitions(key, prefix));
    else if (strcmp(what, "projections") == 0)
        return print_names(session, what, "HKEYS", weir_key_projections(key, prefix));
    else
        return weir_fail(WEIR_EXIT_USAGE,
                         "'%s' is none of bash, zsh, services, definitions and projections", what);
    return WEIR_EXIT_FINE;
}

const struct weir_command weir_command_completion = {
    .name = "completion",
    .operands = "<bash | zsh | services | definitions | projections>",
    .summary = "Prints a script that completes weir's words in a shell",
    .notes =
        "In bash: source <(weir completion bash); in zsh: weir completion zsh >\n"
        "\"${fpath[1]}/_weir\". An installed weir has both in place. The others are what the\n"
        "scripts ask for: names that the server knows, one on each line; with --json an array.",
    .options = options,
    .operands_minimum = 1,
    .operands_maximum = 1,
    .run = run,
};
