/* The command line's connection and its sentences about what went wrong. */
#include "commands/command.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "commands/output.h"
#include "commands/values.h"
#include "commands/visible.h"

#define ANSWER_LIMIT_MS 5000
#define AGAIN_LIMIT_MS 1000
#define WATCH_LIMIT_MS 3000 /* a screen that stands still looks as if all were well */

static void complain(const char *format, va_list arguments) WEIR_PRINTF(1, 0);

static void complain(const char *format, va_list arguments)
{
    char sentence[1024];
    struct weir_text line = {0};
    int length = vsnprintf(sentence, sizeof(sentence), format, arguments);
    weir_hide_login(sentence, length >= (int)sizeof(sentence));
    weir_text_append_string(&line, "weir: ");
    weir_visible_append(&line, weir_slice_of(sentence));
    fprintf(weir_remarks(), "%s\n", line.at ? line.at : "weir: memory ran out");
    weir_text_close(&line);
}

int weir_fail(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(format, arguments);
    va_end(arguments);
    return code;
}

void weir_remark(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(format, arguments);
    va_end(arguments);
}

static _Thread_local bool answer_lost, not_there;

int weir_fail_missing(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(format, arguments);
    va_end(arguments);
    not_there = true;
    return WEIR_EXIT_FAILED;
}

bool weir_failed_missing(void)
{
    bool missing = not_there;
    not_there = false;
    return missing;
}

bool weir_failed_unknown(void)
{
    bool lost = answer_lost;
    answer_lost = false;
    return lost;
}

int weir_fail_by(const struct weir_error *error)
{
    answer_lost = answer_lost || error->status == WEIR_UNKNOWN;
    not_there = not_there || error->status == WEIR_NOT_FOUND;
    int code = WEIR_EXIT_FAILED;
    if (error->status == WEIR_UNAVAILABLE)
        code = WEIR_EXIT_NO_SERVER;
    else if (error->status == WEIR_INVALID || error->status == WEIR_TOO_LARGE)
        code = WEIR_EXIT_DATA;
    return weir_fail(code, "%s", error->text);
}

int weir_session_fail_by(const struct weir_session *session, const struct weir_error *error)
{
    int code = weir_fail_by(error);
    bool there = weir_client_connected(&session->client);
    return code == WEIR_EXIT_NO_SERVER && there ? WEIR_EXIT_FAILED : code;
}

int weir_session_connect(struct weir_session *session)
{
    struct weir_error error = {0};
    if (weir_client_connected(&session->client))
        return WEIR_EXIT_FINE;
    weir_client_close(&session->client);
    int64_t limit = session->settings.watch_ms > 0 ? WATCH_LIMIT_MS : ANSWER_LIMIT_MS;
    if (weir_client_open(&session->client, &session->endpoint, limit, &error) != WEIR_OK)
        return weir_fail_by(&error);
    return WEIR_EXIT_FINE;
}

enum weir_status weir_session_reconnect(struct weir_session *session, struct weir_error *error)
{
    if (session->client.connection && session->client.connection->err == 0)
        return WEIR_OK;
    weir_client_close(&session->client);
    return weir_client_open(&session->client, &session->endpoint, AGAIN_LIMIT_MS, error);
}

enum weir_status weir_session_now(struct weir_session *session, int64_t *now_ms,
                                  struct weir_error *error)
{
    redisReply *reply = weir_client_ask(&session->client, error, "TIME", NULL);
    if (!reply)
        return error->status;
    int64_t seconds = 0, microseconds = 0;
    bool understood = weir_slice_integer(weir_value_element(reply, 0), &seconds) &&
                      weir_slice_integer(weir_value_element(reply, 1), &microseconds);
    freeReplyObject(reply);
    if (!understood)
        return weir_error_set(error, WEIR_REFUSED, "%s gave no time", session->client.server);
    *now_ms = seconds * 1000 + microseconds / 1000;
    return WEIR_OK;
}
