/* One message in a worker's hands: what is committed for each way that its handling can end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/key_names.h"
#include "service/delivery.h"
#include "service/worker.h"

/* More parts than a server function can take; such a message is put away as one packed field. */
#define PARTS_MAX 6800

/* A step's record outlives every copy of the step's command: 30 days after its last change, far
 * beyond the end of any saga and of the retries of its commands. */
#define RECORD_LIFE_MS "2592000000"

static const char *const ending_texts[] = {
    [WEIR_ENDING_DONE] = "done",           [WEIR_ENDING_REJECTED] = "rejected",
    [WEIR_ENDING_RETRIED] = "retried",     [WEIR_ENDING_BURIED] = "dead",
    [WEIR_ENDING_DISCARDED] = "discarded", [WEIR_ENDING_REPEATED] = "repeated",
    [WEIR_ENDING_NULL] = "null",           [WEIR_ENDING_BARRED] = "barred",
    [WEIR_ENDING_HELD] = "held",
};

const char *weir_ending_text(enum weir_ending ending)
{
    return ending < WEIR_ENDINGS ? ending_texts[ending] : "unknown";
}

/* Drops what the handler wanted. What it read stays out of it, too: the ending stands on its own.
 */
static void begin(struct weir_delivery *delivery, enum weir_ending ending)
{
    weir_effects_clear(&delivery->effects);
    delivery->ending = ending;
}

/* Hands the effects over. Effects that cannot be committed at all end in a burial; if even that
 * fails the message stays pending on the server and comes back when its claim has run out. */
static void commit(struct weir_delivery *delivery, const char *function)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    struct weir_error error = delivery->effects.error;
    delivery->commit.effects = &delivery->effects;
    delivery->commit.function = function;
    delivery->commit.head_key = delivery->message->stream;
    delivery->commit_head[0] = runtime->settings->group;
    delivery->commit_head[1] = delivery->message->entry;
    delivery->commit_head[2] = delivery->own_stream ? "1" : "0";
    delivery->commit.head = delivery->commit_head;
    delivery->commit.head_count = 3;
    delivery->commit.user = delivery;
    delivery->commit.answered = weir_delivery_committed;
    if (delivery->state != WEIR_DELIVERY_COMMITTING)
        weir_delivery_move(delivery, WEIR_DELIVERY_COMMITTING);
    if (error.status == WEIR_OK)
        error.status = weir_committer_submit(runtime->committer, &delivery->commit);
    if (error.status == WEIR_OK)
        return;
    if (error.status == WEIR_NO_MEMORY || delivery->ending == WEIR_ENDING_BURIED)
        weir_delivery_give_up(delivery, error.text[0] ? error.text : "no memory");
    else
        weir_delivery_bury(delivery, error.text, true);
}

/* ---- A saga's steps ---------------------------------------------------------------------- */

static void record_key(const struct weir_delivery *delivery, char *key)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    weir_key_step(key, runtime->prefix, runtime->service, delivery->message->saga,
                  delivery->message->step);
}

/* What was read of the record has to be so still, or the decision does not hold. */
static void expect_record(struct weir_delivery *delivery)
{
    char key[WEIR_KEY_MAX];
    if (!delivery->is_step)
        return;
    record_key(delivery, key);
    weir_effects_expect(&delivery->effects, key, "execute", delivery->execute);
    weir_effects_expect(&delivery->effects, key, "compensate", delivery->compensate);
}

static void record_end(struct weir_delivery *delivery, const struct weir_step_end *end)
{
    char key[WEIR_KEY_MAX];
    struct weir_text field = {0};
    struct weir_slice life = weir_slice_of(RECORD_LIFE_MS);
    weir_step_end_write(&field, end);
    record_key(delivery, key);
    if (field.failed)
        weir_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the record");
    else
        weir_effects_set(&delivery->effects, key, delivery->compensating ? "compensate" : "execute",
                         (struct weir_slice){field.at, field.length});
    weir_effects_plain(&delivery->effects, "PEXPIRE", key, &life, 1);
    weir_text_close(&field);
}

static void reply(struct weir_delivery *delivery, bool succeeded, struct weir_slice data)
{
    const weir_message *message = delivery->message;
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX];
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

static void end_step(struct weir_delivery *delivery, enum weir_step_outcome outcome,
                     struct weir_slice data)
{
    struct weir_step_end end = {outcome, delivery->number, data};
    expect_record(delivery);
    record_end(delivery, &end);
    reply(delivery, outcome == WEIR_OUTCOME_SUCCEEDED, data);
}

static void end_step_failed(struct weir_delivery *delivery, const char *reason, bool unknown)
{
    struct weir_text data = {0};
    weir_text_append_string(&data, "{\"reason\":");
    weir_text_append_json(&data, reason, strlen(reason));
    weir_text_append_string(&data, unknown ? ",\"unknown\":true}" : "}");
    if (data.failed)
        weir_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the answer");
    else
        end_step(delivery, unknown ? WEIR_OUTCOME_UNKNOWN : WEIR_OUTCOME_FAILED,
                 (struct weir_slice){data.at, data.length});
    weir_text_close(&data);
}

static void end_step_succeeded(struct weir_delivery *delivery)
{
    json_t *result = delivery->context.result;
    char *text = result != NULL ? json_dumps(result, JSON_COMPACT) : strdup("{}");
    if (text == NULL)
        weir_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the result");
    else
        end_step(delivery, WEIR_OUTCOME_SUCCEEDED, weir_slice_of(text));
    free(text);
}

/* ---- Deduplication by id ----------------------------------------------------------------- */

static void mark_seen(struct weir_delivery *delivery)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX], life[24];
    struct weir_slice absent = weir_slice_of("0");
    struct weir_slice mark[] = {weir_slice_of("1"), {life, 0}};
    if (delivery->message->id == NULL || !delivery->own_stream || delivery->route->plain)
        return;
    mark[1].length =
        (size_t)snprintf(life, sizeof life, "%lld", (long long)runtime->settings->seen_life_ms);
    weir_key_seen(key, runtime->prefix, runtime->service, delivery->message->id);
    weir_effects_plain(&delivery->effects, "EXISTS", key, &absent, 1);
    weir_effects_plain(&delivery->effects, "SET", key, mark, 2);
}

/* ---- The message itself, put away or put off --------------------------------------------- */

/* Fields of weir's own are written anew each time that a message is put off. */
static bool own_field(const struct weir_field *field)
{
    static const char *const own[] = {WEIR_FIELD_DELIVERIES, WEIR_FIELD_ORIGIN_STREAM,
                                      WEIR_FIELD_ORIGIN_ENTRY};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (weir_slice_equals(field->name, own[i]))
            return true;
    return false;
}

/* The message's fields, and room for `more` further parts: the sender's own for a dead letter,
 * the ones to carry on for the schedule. */
static struct weir_slice *copy_parts(const weir_message *message, bool dead, size_t more,
                                     size_t *count)
{
    struct weir_slice *parts = malloc((2 * message->field_count + more) * sizeof *parts);
    bool was_put_off = message->origin_stream != NULL;
    *count = 0;
    for (size_t i = 0; parts != NULL && i < message->field_count; i++) {
        const struct weir_field *field = &message->fields[i];
        if ((own_field(field) && (was_put_off || !dead)) ||
            (!dead && weir_slice_equals(field->name, "delay")))
            continue;
        parts[(*count)++] = field->name;
        parts[(*count)++] = field->value;
    }
    return parts;
}

static void add_part(struct weir_slice *parts, size_t *count, const char *name, const char *value)
{
    parts[(*count)++] = weir_slice_of(name);
    parts[(*count)++] = weir_slice_of(value);
}

/* Too many fields for one entry made by a function: all of them as one packed text. */
static bool pack_parts(struct weir_slice *parts, size_t *count, struct weir_text *packed)
{
    if (*count <= PARTS_MAX)
        return true;
    weir_parts_pack(packed, parts, *count);
    parts[0] = weir_slice_of("packed");
    parts[1] = (struct weir_slice){packed->at, packed->length};
    *count = 2;
    return !packed->failed;
}

static void add_dead_letter(struct weir_delivery *delivery, const char *reason)
{
    const weir_message *message = delivery->message;
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX], deliveries[16];
    struct weir_text packed = {0};
    size_t count;
    struct weir_slice *parts = copy_parts(message, true, 8, &count);
    if (parts == NULL || !pack_parts(parts, &count, &packed)) {
        weir_error_set(&delivery->effects.error, WEIR_NO_MEMORY, "no memory for the dead letter");
    } else {
        snprintf(deliveries, sizeof deliveries, "%u", message->deliveries);
        add_part(parts, &count, "reason", reason);
        add_part(parts, &count, "deliveries", deliveries);
        add_part(parts, &count, "stream",
                 message->origin_stream ? message->origin_stream : message->stream);
        add_part(parts, &count, "entry",
                 message->origin_entry ? message->origin_entry : message->entry);
        weir_effects_append(&delivery->effects,
                            weir_key_dead(key, runtime->prefix, runtime->service), parts, count);
    }
    weir_text_close(&packed);
    free(parts);
}

/* Puts the message on the schedule of this service: under the entry that it is now, so that a
 * message put off again is another member. */
static void put_off(struct weir_delivery *delivery, int64_t delay_ms, unsigned deliveries)
{
    const weir_message *message = delivery->message;
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX], count_text[16];
    struct weir_text member = {0};
    size_t count;
    struct weir_slice token, arguments[2];
    struct weir_slice *parts = copy_parts(message, false, 6, &count);
    if (parts != NULL && count <= PARTS_MAX) {
        snprintf(count_text, sizeof count_text, "%u", deliveries);
        add_part(parts, &count, WEIR_FIELD_DELIVERIES, count_text);
        add_part(parts, &count, WEIR_FIELD_ORIGIN_STREAM,
                 message->origin_stream ? message->origin_stream : message->stream);
        add_part(parts, &count, WEIR_FIELD_ORIGIN_ENTRY,
                 message->origin_entry ? message->origin_entry : message->entry);
        token = weir_slice_of(delivery->name);
        weir_parts_pack(&member, &token, 1);
        weir_parts_pack(&member, parts, count);
    }
    if (parts == NULL || member.failed || member.length == 0) {
        weir_error_set(&delivery->effects.error, WEIR_TOO_LARGE,
                       "too many fields to put it off, or no memory");
    } else {
        snprintf(delivery->retry_delay, sizeof delivery->retry_delay, "%lld", (long long)delay_ms);
        arguments[0] = weir_slice_of(delivery->retry_delay);
        arguments[1] = (struct weir_slice){member.at, member.length};
        weir_effects_plain(&delivery->effects, "SCHEDULE",
                           weir_key_scheduled(key, runtime->prefix, runtime->service), arguments,
                           2);
    }
    weir_text_close(&member);
    free(parts);
}

/* ---- Endings ----------------------------------------------------------------------------- */

void weir_delivery_done(struct weir_delivery *delivery)
{
    delivery->ending = WEIR_ENDING_DONE;
    if (delivery->is_step)
        end_step_succeeded(delivery);
    else
        mark_seen(delivery);
    commit(delivery, delivery->effects.effect_count == 0 ? "weir_settle" : "weir_commit");
}

void weir_delivery_reject(struct weir_delivery *delivery)
{
    const char *reason = delivery->context.reason.status != WEIR_OK ? delivery->context.reason.text
                                                                    : "rejected without a reason";
    if (!delivery->is_step) {
        weir_delivery_bury(delivery, reason, false);
        return;
    }
    begin(delivery, WEIR_ENDING_REJECTED);
    end_step_failed(delivery, reason, false);
    commit(delivery, "weir_commit");
}

void weir_delivery_retry(struct weir_delivery *delivery)
{
    struct weir_retry_verdict verdict =
        weir_retry_verdict(&delivery->worker->retry_policy, delivery->message->deliveries,
                           delivery->context.retry_after_ms, &delivery->worker->random);
    char reason[WEIR_REASON_MAX];
    if (delivery->context.uncounted) {
        begin(delivery, WEIR_ENDING_RETRIED);
        put_off(delivery, delivery->context.retry_after_ms, delivery->message->deliveries - 1);
        commit(delivery, "weir_commit");
        return;
    }
    if (verdict.bury) {
        snprintf(reason, sizeof reason, "gave up after %u deliveries: %s",
                 delivery->message->deliveries,
                 delivery->context.reason.status != WEIR_OK ? delivery->context.reason.text
                                                            : "asked for a retry");
        weir_delivery_bury(delivery, reason, true);
        return;
    }
    begin(delivery, WEIR_ENDING_RETRIED);
    put_off(delivery, verdict.delay_ms, delivery->message->deliveries);
    commit(delivery, "weir_commit");
}

void weir_delivery_hold(struct weir_delivery *delivery)
{
    begin(delivery, WEIR_ENDING_HELD);
    put_off(delivery, delivery->message->delay_ms, delivery->message->deliveries - 1);
    commit(delivery, "weir_commit");
}

void weir_delivery_bury(struct weir_delivery *delivery, const char *reason, bool unknown)
{
    char kept[WEIR_REASON_MAX]; /* the reason may live in what is cleared */
    snprintf(kept, sizeof kept, "%s", reason);
    begin(delivery, WEIR_ENDING_BURIED);
    weir_log_warning(delivery->context.runtime->log, "message.dead",
                     "type=%s stream=%s entry=%s saga=%s deliveries=%u reason=%s",
                     delivery->message->type, delivery->message->stream, delivery->message->entry,
                     delivery->message->saga, delivery->message->deliveries, kept);
    add_dead_letter(delivery, kept);
    if (delivery->is_step)
        end_step_failed(delivery, kept, unknown);
    commit(delivery, "weir_commit");
}

void weir_delivery_discard(struct weir_delivery *delivery)
{
    begin(delivery, WEIR_ENDING_DISCARDED);
    commit(delivery, "weir_settle");
}

void weir_delivery_repeat(struct weir_delivery *delivery, const struct weir_step_end *first)
{
    begin(delivery, WEIR_ENDING_REPEATED);
    reply(delivery, first->outcome == WEIR_OUTCOME_SUCCEEDED, first->data);
    commit(delivery, "weir_commit");
}

void weir_delivery_null(struct weir_delivery *delivery)
{
    begin(delivery, WEIR_ENDING_NULL);
    end_step(delivery, WEIR_OUTCOME_SUCCEEDED, weir_slice_of("{}"));
    commit(delivery, "weir_commit");
}

void weir_delivery_barred(struct weir_delivery *delivery)
{
    begin(delivery, WEIR_ENDING_BARRED);
    expect_record(delivery);
    reply(delivery, false, weir_slice_of("{\"reason\":\"barred: its compensation came first\"}"));
    commit(delivery, "weir_commit");
}
