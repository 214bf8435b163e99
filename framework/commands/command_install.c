/* weir install: loads the function library into the server. */
#include <string.h>

#include "commands/action.h"
#include "commands/print.h"
#include "redis/function_library.h"
#include "redis/refusal.h"

static const struct weir_option options[] = {{.name = "force",
                                              .kind = WEIR_OPTION_FLAG,
                                              WEIR_SETTING(force),
                                              .help = "load it whatever the server has"},
                                             WEIR_OPERATOR_OPTION,
                                             WEIR_COMMON_OPTIONS};

/* The version that the server has, 0 for none; WEIR_OK or the error. */
static enum weir_status ask_version(struct weir_session *session, long long *version,
                                    struct weir_error *error)
{
    struct weir_error refusal = {0};
    redisReply *reply =
        weir_client_ask(&session->client, &refusal, "FCALL", "weir_version", "0", NULL);
    *version = reply && reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    if (reply)
        freeReplyObject(reply);
    else if (refusal.status == WEIR_REFUSED && strstr(refusal.text, "unknown command"))
        return weir_error_set(error, WEIR_REFUSED,
                              "%s has no functions; weir needs Redis 7.0 or newer, or Valkey 8",
                              session->client.server);
    else if (refusal.status != WEIR_REFUSED || !strstr(refusal.text, "Function not found"))
        return weir_error_set(error, refusal.status, "%s", refusal.text);
    return WEIR_OK;
}

static int report(const struct weir_session *session, long long before, bool loaded)
{
    int own = weir_function_library_version();
    if (session->settings.json)
        return weir_print_json(json_pack("{s:i, s:I, s:b}", "version", own, "before",
                                         (json_int_t)before, "loaded", loaded));
    if (loaded && before > 0)
        fprintf(weir_output(), "function library weir: version %d loaded in place of %lld\n", own,
                before);
    else if (loaded)
        fprintf(weir_output(), "function library weir: version %d loaded\n", own);
    else if (before == own)
        fprintf(weir_output(),
                "function library weir: the server has version %lld already; nothing done\n",
                before);
    else
        fprintf(weir_output(),
                "function library weir: the server has version %lld, newer than %d of this "
                "program; nothing done\n",
                before, own);
    return WEIR_EXIT_FINE;
}

static int run(struct weir_session *session, int count, char **operands)
{
    (void)count, (void)operands;
    struct weir_error error = {0};
    long long before = 0;
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (ask_version(session, &before, &error) != WEIR_OK)
        return weir_fail_by(&error);
    bool wanted = session->settings.force || before < weir_function_library_version();
    if (wanted) {
        weir_act(session, "install", "function library %d", weir_function_library_version());
        redisReply *reply = weir_client_ask(&session->client, &error, "FUNCTION", "LOAD", "REPLACE",
                                            weir_function_library_source(), NULL);
        if (!reply)
            return weir_fail_by(&error);
        freeReplyObject(reply);
    }
    return report(session, before, wanted);
}

const struct weir_command weir_command_install = {
    .name = "install",
    .operands = "",
    .summary = "Loads the function library into the server",
    .notes = "A server that has the same version, or a newer one, is left alone; coordinator and\n"
             "workers load the library by themselves too.",
    .options = options,
    .run = run,
};
