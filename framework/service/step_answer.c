/* The answer to a saga's command. */
#include "service/step_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "message/json_memory.h"
#include "redis/key_names.h"
#include "service/step_move.h"
#include "service/worker_state.h"

#define COMMAND_LIFE_LEAST_MS (INT64_C(24) * 60 * 60 * 1000)
#define TIME_MAX (INT64_C(1) << 53) /* as on the server */

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
    return weir_loaded_value(&delivery->step->saga, field);
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
    ends.execute =
        weir_step_end_of_both(weir_step_end_parse(delivery->step->execute), ends.execute);
    ends.compensate =
        weir_step_end_of_both(weir_step_end_parse(delivery->step->compensate), ends.compensate);
    return ends;
}

/* ---- How long commands live ---------------------------------------------------------------- */

/* For how long this service remembers ids is its own affair: what it sends to others for a saga
 * must not expire while they are away. */
int64_t weir_step_command_life_ms(const struct weir_delivery *delivery)
{
    int64_t life_ms = delivery->context.runtime->settings->seen_life_ms;
    return life_ms > COMMAND_LIFE_LEAST_MS ? life_ms : COMMAND_LIFE_LEAST_MS;
}

/* The server's time when the message was laid down; 0: not known, an id made by hand. */
static int64_t laid_down_at(const weir_message *message)
{
    int64_t at;
    bool read = weir_parse_integer(message->entry, strcspn(message->entry, "-"), &at);
    return read && at < TIME_MAX ? at : 0;
}

/* A handler may take as long as a time limit: counted from before it began, the next step's would
 * be over before its command is out. Only how long that took is by this machine's clock: never more
 * than it was, or the next step would end before this one has. */
int64_t weir_step_server_ms(const struct weir_delivery *delivery)
{
    int64_t loaded_at = delivery->context.now_ms;
    return loaded_at != 0 ? loaded_at + weir_clock_passed_ms(delivery->time_taken_at,
                                                             weir_clock_monotonic_ms())
                          : laid_down_at(delivery->message);
}

/* What a compensation bars, and copies of a command, may have been sent by somebody whose commands
 * live longer, and copies just now. */
int64_t weir_step_matters_until(const struct weir_delivery *delivery, int64_t now)
{
    int64_t expires = delivery->message->expires_at;
    int64_t until = now + weir_step_command_life_ms(delivery);
    return expires == 0 || expires > until ? expires : until;
}

/* ---- The record ---------------------------------------------------------------------------- */

void weir_step_expect_record(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    struct weir_slice absent = weir_slice_of("0");
    record_key(delivery, key);
    if (delivery->step->execute == NULL && delivery->step->compensate == NULL) {
        weir_effects_plain(&delivery->step->answer, "EXISTS", key, &absent, 1);
        return;
    }
    weir_effects_expect(&delivery->step->answer, key, "execute", delivery->step->execute);
    weir_effects_expect(&delivery->step->answer, key, "compensate", delivery->step->compensate);
}

/* What ends the step without moving the saga must not come beside what moves it: that changes the
 * step's state, or its number. */
static void expect_saga(struct weir_delivery *delivery)
{
    static const char *const names[] = {"state", "number"};
    char key[WEIR_KEY_MAX], field[192];
    if (!delivery->step->saga.loaded || delivery->worker->saga_right > WEIR_SAGAS_EXPECT)
        return;
    delivery->step->end.expects_saga = true;
    weir_key_saga(key, delivery->context.runtime->prefix, delivery->message->saga);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(field, sizeof field, "step:%s:%s", delivery->message->step, names[i]);
        weir_effects_expect(&delivery->step->answer, key, field,
                            weir_loaded_value(&delivery->step->saga, field));
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
    weir_effects_plain(&delivery->step->answer, "BEFORE", key, &time, 1);
}

/* The record stays until its saga has ended and no copy of this command, or of what it bars, can
 * have an effect any more (forgetting.c). One sent by hand says nothing of its end: it counts as a
 * repetition for as long as any message with an id. */
static void index_record(struct weir_delivery *delivery)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    const weir_message *message = delivery->message;
    char key[WEIR_KEY_MAX], member[256], time[24];
    int64_t until = weir_step_matters_until(delivery, weir_step_server_ms(delivery));
    struct weir_slice arguments[] = {{time, 0}, {member, 0}};
    arguments[0].length =
        (size_t)snprintf(time, sizeof time, "%lld",
                         (long long)(until > 0 ? until : runtime->settings->seen_life_ms));
    arguments[1].length =
        (size_t)snprintf(member, sizeof member, "%s/%s", message->saga, message->step);
    weir_effects_plain(&delivery->step->answer, until > 0 ? "ZADD" : "SCHEDULE",
                       weir_key_named(key, runtime->prefix, runtime->service, "steps"), arguments,
                       2);
}

void weir_step_record_end(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    struct weir_text field = {0};
    struct weir_step_end end = {delivery->step->end.outcome, delivery->number,
                                weir_slice_of(delivery->step->end.data)};
    weir_step_end_write(&field, &end);
    record_key(delivery, key);
    if (field.failed)
        weir_rare_error_set(&delivery->step->answer.error, WEIR_NO_MEMORY,
                            "no memory for the record");
    else
        weir_effects_set(&delivery->step->answer, key,
                         delivery->compensating ? "compensate" : "execute",
                         (struct weir_slice){field.at, field.length});
    index_record(delivery);
    weir_text_close(&field);
}

/* ---- The answer ---------------------------------------------------------------------------- */

/* What the end adds comes behind what the handler wants, and is laid down anew for each try. */
static void begin(struct weir_delivery *delivery)
{
    weir_effects_clear(&delivery->step->answer);
    weir_context_will_move(&delivery->context, NULL);
    delivery->effects.more = &delivery->step->answer;
    delivery->step->end.moves_saga = delivery->step->end.expects_saga = false;
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
    weir_effects_append(&delivery->step->answer, weir_key_replies(key, runtime->prefix), parts,
                        count);
}

void weir_step_repeat(struct weir_delivery *delivery, const struct weir_step_end *first)
{
    begin(delivery);
    reply(delivery, first->outcome == WEIR_OUTCOME_SUCCEEDED, first->data);
}

void weir_step_bar(struct weir_delivery *delivery)
{
    begin(delivery);
    weir_step_expect_record(delivery);
    reply(delivery, false, weir_slice_of("{\"reason\":\"barred: its compensation came first\"}"));
}

static void record_and_reply(struct weir_delivery *delivery)
{
    bool succeeded = delivery->step->end.outcome == WEIR_OUTCOME_SUCCEEDED;
    begin(delivery);
    weir_step_expect_record(delivery);
    expect_saga(delivery);
    if (succeeded)
        expect_in_time(delivery);
    weir_step_record_end(delivery);
    reply(delivery, succeeded, weir_slice_of(delivery->step->end.data));
}

void weir_step_end_again(struct weir_delivery *delivery)
{
    begin(delivery);
    if (!weir_step_move_saga(delivery))
        record_and_reply(delivery);
}

void weir_step_end_with(struct weir_delivery *delivery, enum weir_step_outcome outcome,
                        struct weir_slice data)
{
    char *kept = strndup(data.at, data.length);
    free(delivery->step->end.data);
    delivery->step->end.outcome = outcome;
    delivery->step->end.data = kept;
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
