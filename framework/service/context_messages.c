/* The handling of one message: what it carries, and the messages that it causes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash_point.h"
#include "message/json_memory.h"
#include "redis/key_names.h"
#include "service/context.h"

#define PARTS_MAX 32

/* ---- What it carries --------------------------------------------------------------------- */

const char *weir_message_type(const weir_message *message)
{
    return message->type;
}

const char *weir_message_id(const weir_message *message)
{
    return message->id;
}

const char *weir_message_source(const weir_message *message)
{
    return message->source;
}

const char *weir_message_subject(const weir_message *message)
{
    return message->subject;
}

const char *weir_message_traceparent(const weir_message *message)
{
    return message->traceparent;
}

const char *weir_message_saga(const weir_message *message)
{
    return message->saga;
}

const char *weir_message_step(const weir_message *message)
{
    return message->step;
}

const char *weir_message_action(const weir_message *message)
{
    return message->action;
}

const char *weir_message_stream(const weir_message *message)
{
    return message->stream;
}

const char *weir_message_entry(const weir_message *message)
{
    return message->entry;
}

int64_t weir_message_version(const weir_message *message)
{
    return message->version;
}

json_t *weir_message_data(const weir_message *message)
{
    return weir_message_ask_object(message);
}

unsigned weir_message_deliveries(const weir_message *message)
{
    return message->deliveries;
}

unsigned weir_message_attempt(const weir_message *message)
{
    return message->attempt;
}

/* ---- Requirements ------------------------------------------------------------------------ */

static bool refuse(weir_context *context, const char *field, const char *rule)
{
    weir_reason(context, "%s: %s", field, rule);
    return false;
}

bool weir_require_id(weir_context *context, const char *field, const char **out)
{
    struct weir_value value = weir_message_value(context->message, field);
    if (value.kind == WEIR_VALUE_ABSENT)
        return refuse(context, field, "is missing");
    if (value.kind != WEIR_VALUE_TEXT || !weir_id_valid(value.text.at, value.text.length))
        return refuse(context, field, "must be a text of " WEIR_ID_FORM);
    *out = value.text.at;
    return true;
}

bool weir_require_text(weir_context *context, const char *field, const char **out)
{
    struct weir_value value = weir_message_value(context->message, field);
    if (value.kind == WEIR_VALUE_ABSENT)
        return refuse(context, field, "is missing");
    if (value.kind != WEIR_VALUE_TEXT || value.text.length > 1024)
        return refuse(context, field, "must be a text of 1024 bytes at most");
    *out = value.text.at;
    return true;
}

bool weir_require_integer(weir_context *context, const char *field, int64_t minimum,
                          int64_t maximum, int64_t *out)
{
    struct weir_value value = weir_message_value(context->message, field);
    char rule[96];
    if (value.kind == WEIR_VALUE_ABSENT)
        return refuse(context, field, "is missing");
    if (value.kind == WEIR_VALUE_INTEGER && value.integer >= minimum && value.integer <= maximum) {
        *out = value.integer;
        return true;
    }
    snprintf(rule, sizeof rule, "must be a whole number from %lld to %lld", (long long)minimum,
             (long long)maximum);
    return refuse(context, field, rule);
}

/* ---- Answers ----------------------------------------------------------------------------- */

void weir_reason(weir_context *context, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    weir_rare_error_set(&context->reason, WEIR_REFUSED, "%s", text);
}

void weir_retry_after(weir_context *context, int64_t ms)
{
    context->retry_after_ms = ms < 0 ? 0 : ms > WEIR_DELAY_MAX_MS ? WEIR_DELAY_MAX_MS : ms;
}

static json_t *pack(weir_context *context, const char *format, va_list arguments)
{
    json_error_t error;
    unsigned long failures = weir_json_failures();
    json_t *data = json_vpack_ex(&error, 0, format, arguments);
    if (weir_json_failures() != failures || (data == NULL && weir_json_ran_out(&error))) {
        json_decref(data);
        weir_rare_error_set(&context->effects->error, WEIR_NO_MEMORY, "no memory for data");
        return NULL;
    }
    if (data == NULL || !json_is_object(data)) {
        weir_rare_error_set(&context->effects->error, WEIR_INVALID, "data \"%s\": %s", format,
                            data == NULL ? error.text : "is not an object");
        json_decref(data);
        return NULL;
    }
    return data;
}

void weir_result(weir_context *context, const char *format, ...)
{
    va_list arguments;
    json_t *data;
    va_start(arguments, format);
    data = pack(context, format, arguments);
    va_end(arguments);
    if (data == NULL)
        return;
    json_decref(context->result);
    context->result = data;
}

/* ---- Messages that it causes ------------------------------------------------------------- */

struct parts {
    struct weir_slice at[PARTS_MAX];
    size_t count;
};

static void add(struct parts *parts, const char *name, const char *value)
{
    if (value == NULL || parts->count + 2 > PARTS_MAX)
        return;
    parts->at[parts->count++] = weir_slice_of(name);
    parts->at[parts->count++] = weir_slice_of(value);
}

/* Appends a message with these parts, its data and the trace that it belongs to. */
static void append(weir_context *context, const char *key, struct parts *parts, const json_t *data)
{
    char *text = weir_json_text(data);
    if (text == NULL) {
        weir_rare_error_set(&context->effects->error, WEIR_NO_MEMORY, "no memory for data");
        return;
    }
    add(parts, "traceparent", context->message->traceparent);
    add(parts, "data", text);
    weir_effects_append(context->effects, key, parts->at, parts->count);
    free(text);
}

/* A message that a rebuild would send once more has no place in a projection. */
static bool type_fits(weir_context *context, const char *type)
{
    if (context->folding != NULL) {
        weir_rare_error_set(
            &context->effects->error, WEIR_INVALID,
            "a projection writes read models and nothing else: send and publish from a "
            "handler of weir_on_event");
        return false;
    }
    if (type != NULL && weir_type_name_valid(type, strlen(type)))
        return true;
    weir_rare_error_set(&context->effects->error, WEIR_INVALID, "type: \"%s\" is not a type's name",
                        type != NULL ? type : "");
    return false;
}

void weir_publish_data(weir_context *context, const char *type, const char *subject,
                       const json_t *data)
{
    char key[WEIR_KEY_MAX], digits[WEIR_DIGITS_MAX];
    struct parts parts = {.count = 0};
    int64_t version;
    if (!type_fits(context, type))
        return;
    version = weir_event_published_version(context->runtime->versions, type);
    weir_digits(version, digits);
    add(&parts, "type", type);
    add(&parts, "version", version > 1 ? digits : NULL);
    add(&parts, "source", context->runtime->service);
    add(&parts, "subject", subject != NULL ? subject : context->message->subject);
    append(context, weir_key_events(key, context->runtime->prefix, context->runtime->service),
           &parts, data);
    WEIR_CRASH_POINT(HANDLE_PUBLISHED);
}

void weir_publish(weir_context *context, const char *type, const char *subject, const char *format,
                  ...)
{
    va_list arguments;
    json_t *data;
    va_start(arguments, format);
    data = pack(context, format, arguments);
    va_end(arguments);
    if (data != NULL)
        weir_publish_data(context, type, subject, data);
    json_decref(data);
}

void weir_send(weir_context *context, const char *service, const char *type, const char *id,
               int64_t delay_ms, const char *format, ...)
{
    char key[WEIR_KEY_MAX], delay[24];
    struct parts parts = {.count = 0};
    va_list arguments;
    json_t *data;
    if (!type_fits(context, type))
        return;
    if (service == NULL || !weir_name_valid(service, strlen(service))) {
        weir_rare_error_set(&context->effects->error, WEIR_INVALID, "send: no name of a service");
        return;
    }
    va_start(arguments, format);
    data = pack(context, format, arguments);
    va_end(arguments);
    if (data == NULL)
        return;
    snprintf(delay, sizeof delay, "%lld", (long long)delay_ms);
    add(&parts, "type", type);
    add(&parts, "source", context->runtime->service);
    add(&parts, "id", id);
    add(&parts, "delay", delay_ms > 0 ? delay : NULL);
    append(context, weir_key_commands(key, context->runtime->prefix, service), &parts, data);
    json_decref(data);
}

void weir_context_send_parts(weir_context *context, const char *service,
                             const struct weir_slice *parts, size_t count)
{
    char key[WEIR_KEY_MAX];
    weir_effects_append(context->effects, weir_key_commands(key, context->runtime->prefix, service),
                        parts, count);
}

/* ---- The schedule ------------------------------------------------------------------------ */

static void pack_member(struct weir_text *member, const char *token, const struct weir_slice *parts,
                        size_t count)
{
    struct weir_slice unique = weir_slice_of(token);
    weir_parts_pack(member, &unique, 1);
    weir_parts_pack(member, parts, count);
}

static void change_schedule(weir_context *context, const char *verb, int64_t due_at,
                            const char *token, const struct weir_slice *parts, size_t count)
{
    char key[WEIR_KEY_MAX], due[24];
    struct weir_text member = {0};
    struct weir_slice arguments[2] = {{due, 0}, {NULL, 0}};
    bool dated = due_at >= 0;
    arguments[0].length = (size_t)snprintf(due, sizeof due, "%lld", (long long)due_at);
    pack_member(&member, token, parts, count);
    arguments[1] = (struct weir_slice){member.at, member.length};
    if (member.failed)
        weir_rare_error_set(&context->effects->error, WEIR_NO_MEMORY, "no memory for the schedule");
    else
        weir_effects_plain(
            context->effects, verb,
            weir_key_scheduled(key, context->runtime->prefix, context->runtime->service),
            dated ? arguments : arguments + 1, dated ? 2 : 1);
    weir_text_close(&member);
}

void weir_context_schedule_at(weir_context *context, int64_t due_at, const char *token,
                              const struct weir_slice *parts, size_t count)
{
    change_schedule(context, "ZADD", due_at < 0 ? 0 : due_at, token, parts, count);
}

void weir_context_unschedule(weir_context *context, const char *token,
                             const struct weir_slice *parts, size_t count)
{
    change_schedule(context, "ZREM", -1, token, parts, count);
}

/* ---- Surroundings ------------------------------------------------------------------------ */

struct ev_loop *weir_loop(weir_context *context)
{
    return context->runtime->loop;
}

void *weir_user(weir_context *context)
{
    return context->runtime->user;
}

const char *weir_idempotency_key(weir_context *context)
{
    weir_message *message = context->message;
    struct weir_text key = {0};
    const char *stream = message->origin_stream ? message->origin_stream : message->stream;
    const char *entry = message->origin_entry ? message->origin_entry : message->entry;
    if (message->id != NULL)
        return message->id;
    if (message->idempotency_key == NULL) {
        weir_text_format(&key, "%s/%s", stream, entry);
        message->idempotency_key = key.at; /* freed with the message */
    }
    return message->idempotency_key != NULL ? message->idempotency_key : entry;
}

void weir_note(weir_context *context, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    weir_log_message_list(context->runtime->log, WEIR_LOG_INFO, event, context->message, format,
                          arguments);
    va_end(arguments);
}
