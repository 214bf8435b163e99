/* The answer to a saga's command: record and reply. */
#include "service/step_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/json_memory.h"
#include "redis/key_names.h"

static void record_key(const struct weir_delivery *delivery, char *key)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    weir_key_step(key, runtime->prefix, runtime->service, delivery->message->saga,
                  delivery->message->step);
}

/* What was read of the record has to be so still, or the decision does not hold. */
void weir_step_expect_record(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    if (!delivery->is_step)
        return;
    record_key(delivery, key);
    weir_effects_expect(&delivery->effects, key, "execute", delivery->execute);
    weir_effects_expect(&delivery->effects, key, "compensate", delivery->compensate);
}

/* A command that has expired may find its record gone: it has no effect any more. */
static void expect_in_time(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX], digits[24];
    struct weir_slice time = {digits, 0};
    if (delivery->message->expires_at == 0)
        return;
    time.length =
        (size_t)snprintf(digits, sizeof digits, "%lld", (long long)delivery->message->expires_at);
    record_key(delivery, key);
    weir_effects_plain(&delivery->effects, "BEFORE", key, &time, 1);
}

/* The record stays until its saga has ended and no copy of this command can have an effect any
 * more (forgetting.c). One sent by hand says nothing of its end: it counts as a repetition for as
 * long as any message with an id. */
static void index_record(struct weir_delivery *delivery)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    const weir_message *message = delivery->message;
    char key[WEIR_KEY_MAX], member[256], time[24];
    int64_t expires = message->expires_at;
    struct weir_slice arguments[] = {{time, 0}, {member, 0}};
    arguments[0].length =
        (size_t)snprintf(time, sizeof time, "%lld",
                         (long long)(expires > 0 ? expires : runtime->settings->seen_life_ms));
    arguments[1].length =
        (size_t)snprintf(member, sizeof member, "%s/%s", message->saga, message->step);
    weir_effects_plain(&delivery->effects, expires > 0 ? "ZADD" : "SCHEDULE",
                       weir_key_named(key, runtime->prefix, runtime->service, "steps"), arguments,
                       2);
}

static void record_end(struct weir_delivery *delivery, const struct weir_step_end *end)
{
    char key[WEIR_KEY_MAX];
    struct weir_text field = {0};
    weir_step_end_write(&field, end);
    record_key(delivery, key);
    if (field.failed)
        weir_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the record");
    else
        weir_effects_set(&delivery->effects, key, delivery->compensating ? "compensate" : "execute",
                         (struct weir_slice){field.at, field.length});
    index_record(delivery);
    weir_text_close(&field);
}

void weir_step_reply(struct weir_delivery *delivery, bool succeeded, struct weir_slice data)
{
    const weir_message *message = delivery->message;
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX], need[WEIR_DURABILITY_TEXT_MAX];
    bool wanted = succeeded && weir_durability_wanted(runtime->need);
    const struct {
        const char *name, *value;
    } fields[] = {
        {"type", succeeded ? "StepSucceeded" : "StepFailed"},
        {"saga", message->saga},
        {"step", message->step},
        {"action", message->action},
        {"id", message->id},
        {"source", runtime->service},
        {"traceparent", message->traceparent},
        {WEIR_FIELD_DURABILITY, wanted ? weir_durability_write(runtime->need, need) : NULL},
    };
    struct weir_slice parts[2 * sizeof fields / sizeof fields[0] + 2];
    size_t count = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].value == NULL)
            continue;
        parts[count++] = weir_slice_of(fields[i].name);
        parts[count++] = weir_slice_of(fields[i].value);
    }
    parts[count++] = weir_slice_of("data");
    parts[count++] = data;
    weir_effects_append(&delivery->effects, weir_key_replies(key, runtime->prefix), parts, count);
}

void weir_step_end_with(struct weir_delivery *delivery, enum weir_step_outcome outcome,
                        struct weir_slice data)
{
    struct weir_step_end end = {outcome, delivery->number, data};
    weir_step_expect_record(delivery);
    if (outcome == WEIR_OUTCOME_SUCCEEDED)
        expect_in_time(delivery);
    record_end(delivery, &end);
    weir_step_reply(delivery, outcome == WEIR_OUTCOME_SUCCEEDED, data);
}

void weir_step_end_failed(struct weir_delivery *delivery, const char *reason, bool unknown)
{
    struct weir_text data = {0};
    weir_text_append_string(&data, "{\"reason\":");
    weir_text_append_json(&data, reason, strlen(reason));
    weir_text_append_string(&data, unknown ? ",\"unknown\":true}" : "}");
    if (data.failed)
        weir_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the answer");
    else
        weir_step_end_with(delivery, unknown ? WEIR_OUTCOME_UNKNOWN : WEIR_OUTCOME_FAILED,
                           (struct weir_slice){data.at, data.length});
    weir_text_close(&data);
}

void weir_step_end_succeeded(struct weir_delivery *delivery)
{
    json_t *result = delivery->context.result;
    char *text = result != NULL ? weir_json_text(result) : strdup("{}");
    if (text == NULL)
        weir_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the result");
    else
        weir_step_end_with(delivery, WEIR_OUTCOME_SUCCEEDED, weir_slice_of(text));
    free(text);
}
