/* Records what operators have done. */
#include "commands/action.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "message/envelope.h"
#include "redis/key_names.h"

#define NAME_MAX_BYTES 128
#define TARGETS_NAMED 100

int weir_action_check(const struct weir_session *session)
{
    const char *name = session->settings.operator_name;
    bool fit =
        !name || (*name && strlen(name) <= NAME_MAX_BYTES && weir_utf8_valid(name, strlen(name)));
    for (const char *at = name; fit && at && *at; at++)
        fit = (unsigned char)*at >= ' ' && *at != 0x7f;
    if (fit)
        return WEIR_EXIT_FINE;
    return weir_fail(WEIR_EXIT_USAGE,
                     "--as: must be 1 to %d bytes of UTF-8 without control characters",
                     NAME_MAX_BYTES);
}

/* ---- What is noted ----------------------------------------------------------------------- */

void weir_act(struct weir_session *session, const char *action, const char *target_format, ...)
{
    va_list arguments;
    va_start(arguments, target_format);
    vsnprintf(session->acted.target, sizeof(session->acted.target), target_format, arguments);
    va_end(arguments);
    session->acted.action = action;
}

void weir_act_on(struct weir_session *session, const char *action, const char *where,
                 const char *nouns, const char *target)
{
    json_t *targets = json_object_get(session->acted.more, "targets");
    if (!targets)
        weir_act_detail(session, "targets", targets = json_array());
    if (json_array_size(targets) < TARGETS_NAMED)
        json_array_append_new(targets, json_string(target));
    else
        weir_act_detail(session, "unnamed",
                        json_integer((json_int_t)(session->acted.targets + 1 - TARGETS_NAMED)));
    if (++session->acted.targets == 1)
        weir_act(session, action, "%s%s", where, target);
    else
        weir_act(session, action, "%s%zu %s", where, session->acted.targets, nouns);
}

void weir_act_detail(struct weir_session *session, const char *name, json_t *value_take)
{
    if (!session->acted.more)
        session->acted.more = json_object();
    json_object_set_new(session->acted.more, name, value_take);
}

void weir_act_outcome(struct weir_session *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(session->acted.outcome, sizeof(session->acted.outcome), format, arguments);
    va_end(arguments);
}

char *weir_act_who(const struct weir_session *session, char *who, size_t room)
{
    char host[64] = "", names[1024];
    struct passwd user, *found = NULL;
    if (session->who || session->settings.operator_name) {
        snprintf(who, room, "%s", session->who ? session->who : session->settings.operator_name);
        return who;
    }
    if (gethostname(host, sizeof(host) - 1) != 0)
        snprintf(host, sizeof(host), "unknown");
    if (getpwuid_r(getuid(), &user, names, sizeof(names), &found) == 0 && found)
        snprintf(who, room, "%s@%s", user.pw_name, host);
    else
        snprintf(who, room, "%u@%s", (unsigned)getuid(), host);
    return who;
}

/* ---- The flags --------------------------------------------------------------------------- */

/* Those that say nothing of what was done, and the message's data, which is nobody's business
 * here. */
static bool is_left_out(const char *name)
{
    static const char *const names[] = {"redis",   "namespace", "json", "help",
                                        "version", "as",        "yes",  "data"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static json_t *texts_json(const struct weir_texts *texts)
{
    json_t *array = json_array();
    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(array, json_string(texts->at[i]));
    return texts->count > 0 ? array : (json_decref(array), NULL);
}

/* The option's value, NULL where it is the same without the flag. */
static json_t *flag_json(const struct weir_option *option, const struct weir_settings *settings,
                         const struct weir_settings *without)
{
    const void *value = (const char *)settings + option->offset;
    const void *other = (const char *)without + option->offset;
    const char *text;
    switch (option->kind) {
    case WEIR_OPTION_FLAG:
        return *(const bool *)value ? json_true() : NULL;
    case WEIR_OPTION_TEXT:
        text = *(const char *const *)value;
        return text && text != *(const char *const *)other ? weir_text_json(weir_slice_of(text))
                                                           : NULL;
    case WEIR_OPTION_TEXTS:
        return texts_json(value);
    case WEIR_OPTION_CHOICE:
        return *(const int *)value != *(const int *)other
                   ? json_string(option->choices[*(const int *)value])
                   : NULL;
    default:
        return *(const int64_t *)value != *(const int64_t *)other
                   ? json_integer(*(const int64_t *)value)
                   : NULL;
    }
}

static json_t *make_details(const struct weir_session *session)
{
    const struct weir_option *options = session->command->options;
    struct weir_settings without = {0};
    struct weir_error ignored = {0};
    char *nothing[] = {NULL, NULL};
    int operands;
    json_t *details = json_object();
    if (weir_options_parse(options, &without, 1, nothing, &operands, &ignored) != WEIR_OK)
        without = (struct weir_settings){0};
    for (const struct weir_option *option = options; option->name; option++) {
        json_t *value =
            is_left_out(option->name) ? NULL : flag_json(option, &session->settings, &without);
        if (value)
            json_object_set_new(details, option->name, value);
    }
    if (session->acted.more)
        json_object_update(details, session->acted.more);
    return details;
}

/* ---- The entry --------------------------------------------------------------------------- */

static const char *outcome_of(int code)
{
    switch (code) {
    case WEIR_EXIT_FINE:
    case WEIR_EXIT_COMPENSATED: /* it is the saga that has ended so, as was waited for */
    case WEIR_EXIT_SUSPENDED:
        return "done";
    case WEIR_EXIT_WAITED:
        return "sent, but not seen to be done in time";
    case WEIR_EXIT_INTERRUPTED:
        return "interrupted";
    default:
        return "failed";
    }
}

static enum weir_status write_entry(struct weir_session *session, const char *details,
                                    const char *outcome, struct weir_error *error)
{
    char key[WEIR_KEY_MAX], who[256];
    if (weir_session_reconnect(session, error) != WEIR_OK)
        return error->status;
    redisReply *reply = weir_client_ask(
        &session->client, error, "XADD", weir_key_actions(key, session->settings.prefix), "MAXLEN",
        "~", WEIR_ACTIONS_KEPT, "*", "who", weir_act_who(session, who, sizeof(who)), "via",
        session->via ? session->via : "weir", "action", session->acted.action, "target",
        session->acted.target, "details", details, "outcome", outcome, NULL);
    if (!reply)
        return error->status;
    if (reply->type != REDIS_REPLY_STRING) /* within a transaction that was broken off */
        weir_error_set(error, WEIR_REFUSED, "the connection is in the midst of something else");
    freeReplyObject(reply);
    return error->status;
}

static void record(struct weir_session *session, const char *outcome)
{
    struct weir_error error = {0};
    json_t *details = make_details(session);
    char *text = json_dumps(details, JSON_COMPACT);
    if (!text)
        weir_error_set(&error, WEIR_NO_MEMORY, "memory ran out");
    else
        (void)!write_entry(session, text, outcome, &error);
    if (error.status != WEIR_OK)
        weir_remark("this could not be recorded for weir actions: %s", error.text);
    free(text);
    json_decref(details);
}

void weir_act_begun(struct weir_session *session, const char *action, const char *where,
                    const char *nouns, const json_t *targets)
{
    const json_t *target;
    size_t i;
    json_array_foreach(targets, i, target)
    {
        weir_act_on(session, action, where, nouns, json_string_value(target));
    }
    record(session, "begun");
    json_object_del(session->acted.more, "targets");
    json_object_del(session->acted.more, "unnamed");
    session->acted.targets = 0;
    session->acted.action = NULL;
}

void weir_action_record(struct weir_session *session, int code)
{
    struct weir_acted *acted = &session->acted;
    bool unknown = weir_failed_unknown() && code != WEIR_EXIT_FINE;
    if (!*acted->outcome)
        weir_act_outcome(session, "%s", unknown ? "unknown: an answer was lost" : outcome_of(code));
    session->unknown = session->unknown || (unknown && acted->action);
    if (acted->action)
        record(session, acted->outcome);
    json_decref(acted->more);
    *acted = (struct weir_acted){0};
}
