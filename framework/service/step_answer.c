/* The answer to a saga's command. */
#include "service/step_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/json_memory.h"
#include "redis/key_names.h"
#include "service/step_move.h"

static void record_key(const struct weir_delivery *delivery, char *key)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    weir_key_step(key, runtime->prefix, runtime->service, delivery->message->saga,
                  delivery->message->step);
}

/* ---- What is known ------------------------------------------------------------------------- */

static const char *saga_field(const struct weir_delivery *delivery, const char *name)
{
    char field[192];
    snprintf(field, sizeof field, "step:%s:%s", delivery->message->step, name);
    return weir_loaded_value(&delivery->saga, field);
}

struct weir_step_ends weir_step_ends_known(const struct weir_delivery *delivery,
                                           struct weir_text *room)
{
    struct weir_step_fields fields = {.state = saga_field(delivery, "state"),
                                      .number = saga_field(delivery, "number"),
                                      .unknown = saga_field(delivery, "unknown"),
                                      .result = saga_field(delivery, "result"),
                                      .error = saga_field(delivery, "error"),
                                      .compensation_attempts =
                                          saga_field(delivery, "compensationAttempts")};
    struct weir_step_ends ends =
        weir_step_ends_of_saga(&fields, delivery->compensating, delivery->number, room);
    ends.execute = weir_step_end_of_both(weir_step_end_parse(delivery->execute), ends.execute);
    ends.compensate =
        weir_step_end_of_both(weir_step_end_parse(delivery->compensate), ends.compensate);
    return ends;
}

/* ---- The record ---------------------------------------------------------------------------- */

void weir_step_expect_record(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    struct weir_slice absent = weir_slice_of("0");
    record_key(delivery, key);
    if (delivery->execute == NULL && delivery->compensate == NULL) {
        weir_effects_plain(delivery->answer, "EXISTS", key, &absent, 1);
        return;
    }
    weir_effects_expect(delivery->answer, key, "execute", delivery->execute);
    weir_effects_expect(delivery->answer, key, "compensate", delivery->compensate);
}

/* What ends the step without moving the saga must not come beside what moves it: that changes the
 * step's state, or its number. */
static void expect_saga(struct weir_delivery *delivery)
{
    static const char *const names[] = {"state", "number"};
    char key[WEIR_KEY_MAX], field[192];
    if (!delivery->saga.loaded)
        return;
    weir_key_saga(key, delivery->context.runtime->prefix, delivery->message->saga);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(field, sizeof field, "step:%s:%s", delivery->message->step, names[i]);
        weir_effects_expect(delivery->answer, key, field,
                            weir_loaded_value(&delivery->saga, field));
    }
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
    weir_effects_plain(delivery->answer, "BEFORE", key, &time, 1);
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
    weir_effects_plain(delivery->answer, expires > 0 ? "ZADD" : "SCHEDULE",
                       weir_key_named(key, runtime->prefix, runtime->service, "steps"), arguments,
                       2);
}

void weir_step_record_end(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    struct weir_text field = {0};
    struct weir_step_end end = {delivery->end.outcome, delivery->number,
                                weir_slice_of(delivery->end.data)};
    weir_step_end_write(&field, &end);
    record_key(delivery, key);
    if (field.failed)
        weir_rare_error_set(&delivery->answer->error, WEIR_NO_MEMORY, "no memory for the record");
    else
        weir_effects_set(delivery->answer, key, delivery->compensating ? "compensate" : "execute",
                         (struct weir_slice){field.at, field.length});
    index_record(delivery);
    weir_text_close(&field);
}

/* ---- The answer ---------------------------------------------------------------------------- */

/* What the end adds comes behind what the handler wants, and is laid down anew for each try.
 * false: no memory. */
static bool begin(struct weir_delivery *delivery)
{
    delivery->end.moves_saga = false;
    if (delivery->answer == NULL)
        delivery->answer = calloc(1, sizeof *delivery->answer);
    if (delivery->answer == NULL) {
        weir_rare_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the answer");
        return false;
    }
    weir_effects_clear(delivery->answer);
    delivery->effects.more = delivery->answer;
    return true;
}

static void reply(struct weir_delivery *delivery, bool succeeded, struct weir_slice data)
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
    weir_effects_append(delivery->answer, weir_key_replies(key, runtime->prefix), parts, count);
}

void weir_step_repeat(struct weir_delivery *delivery, const struct weir_step_end *first)
{
    if (begin(delivery))
        reply(delivery, first->outcome == WEIR_OUTCOME_SUCCEEDED, first->data);
}

void weir_step_bar(struct weir_delivery *delivery)
{
    if (!begin(delivery))
        return;
    weir_step_expect_record(delivery);
    reply(delivery, false, weir_slice_of("{\"reason\":\"barred: its compensation came first\"}"));
}

static void record_and_reply(struct weir_delivery *delivery)
{
    bool succeeded = delivery->end.outcome == WEIR_OUTCOME_SUCCEEDED;
    if (!begin(delivery))
        return;
    weir_step_expect_record(delivery);
    expect_saga(delivery);
    if (succeeded)
        expect_in_time(delivery);
    weir_step_record_end(delivery);
    reply(delivery, succeeded, weir_slice_of(delivery->end.data));
}

void weir_step_end_again(struct weir_delivery *delivery)
{
    if (begin(delivery) && !weir_step_move_saga(delivery))
        record_and_reply(delivery);
}

void weir_step_end_with(struct weir_delivery *delivery, enum weir_step_outcome outcome,
                        struct weir_slice data)
{
    char *kept = strndup(data.at, data.length);
    free(delivery->end.data);
    delivery->end.outcome = outcome;
    delivery->end.data = kept;
    if (kept != NULL)
        weir_step_end_again(delivery);
    else
        weir_rare_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the answer");
}

void weir_step_end_failed(struct weir_delivery *delivery, const char *reason, bool unknown)
{
    struct weir_text data = {0};
    weir_text_append_string(&data, "{\"reason\":");
    weir_text_append_json(&data, reason, strlen(reason));
    weir_text_append_string(&data, unknown ? ",\"unknown\":true}" : "}");
    if (data.failed)
        weir_rare_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the answer");
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
        weir_rare_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the result");
    else
        weir_step_end_with(delivery, WEIR_OUTCOME_SUCCEEDED, weir_slice_of(text));
    free(text);
}
