/* From decisions to effects: a transition as part of a commit. */
#include "saga/carry_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/envelope.h"
#include "redis/key_names.h"
#include "saga/input_map.h"
#include "saga/record.h"

#define PARTS_MAX 20

/* ---- The case ----------------------------------------------------------------------------- */

void weir_saga_case_take(struct weir_saga_case *one, const struct weir_loaded *stored)
{
    const char *retention = weir_loaded_value(stored, "retention");
    one->stored = stored;
    one->data = weir_loaded_value(stored, "data");
    one->traceparent = weir_loaded_value(stored, "traceparent");
    if (retention == NULL || !weir_parse_integer(retention, strlen(retention), &one->retention_ms))
        one->retention_ms = WEIR_SAGA_RETENTION_MS;
}

/* ---- Timer ------------------------------------------------------------------------------- */

bool weir_saga_timer_changes(const struct weir_saga_case *one,
                             const struct weir_saga_effects *effects)
{
    if (effects->wake_at == 0)
        return effects->wake_before != 0;
    return one->timer_consumed || effects->wake_before == 0 ||
           effects->wake_at < effects->wake_before;
}

void weir_saga_set_timer(const struct weir_saga_case *one, int64_t wake_at)
{
    const struct weir_slice parts[] = {weir_slice_of(one->id), weir_slice_of("type"),
                                       weir_slice_of("SagaWake"), weir_slice_of("saga"),
                                       weir_slice_of(one->id)};
    char key[WEIR_KEY_MAX], digits[24];
    struct weir_text member = {0};
    struct weir_slice arguments[2] = {{digits, 0}, {NULL, 0}};
    bool set = wake_at != 0;
    arguments[0].length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)wake_at);
    weir_parts_pack(&member, parts, sizeof parts / sizeof parts[0]);
    arguments[1] = (struct weir_slice){member.at, member.length};
    if (member.failed)
        weir_rare_error_set(&one->effects->error, WEIR_NO_MEMORY, "no memory for the timer");
    else
        weir_effects_plain(one->effects, set ? "ZADD" : "ZREM",
                           weir_key_scheduled(key, one->prefix, WEIR_SAGAS),
                           set ? arguments : arguments + 1, set ? 2 : 1);
    weir_text_close(&member);
}

/* ---- Messages ---------------------------------------------------------------------------- */

struct parts {
    struct weir_slice at[PARTS_MAX];
    size_t count;
};

static void add(struct parts *parts, const char *name, struct weir_slice value)
{
    if (value.at == NULL)
        return;
    parts->at[parts->count++] = weir_slice_of(name);
    parts->at[parts->count++] = value;
}

static struct weir_slice slice_or_none(const char *text)
{
    return text != NULL ? weir_slice_of(text) : (struct weir_slice){NULL, 0};
}

static void append(const struct weir_saga_case *one, const char *key, const struct parts *parts)
{
    weir_effects_append(one->effects, key, parts->at, parts->count);
}

/* ---- Commands ---------------------------------------------------------------------------- */

void weir_saga_commands_close(struct weir_saga_commands *commands)
{
    while (commands->count > 0)
        free(commands->data[--commands->count]);
}

int weir_saga_commands_compose(struct weir_saga_commands *commands,
                               const struct weir_saga_case *one, struct weir_saga_effects *effects,
                               struct weir_random *random)
{
    while (commands->count < effects->send_count) {
        struct weir_error error = {0};
        size_t step = effects->sends[commands->count].step;
        /* what could be sent forward can be sent back: a compensation has more room */
        size_t factor = effects->sends[commands->count].action == WEIR_STEP_COMPENSATE
                            ? WEIR_STEP_DATA_FACTOR
                            : WEIR_STEP_DATA_FACTOR / 2;
        char *data = weir_input_build(one->definition, step, one->saga, one->data,
                                      factor * one->data_max, &error);
        if (data != NULL) {
            commands->data[commands->count++] = data;
            continue;
        }
        weir_saga_commands_close(commands);
        if (error.status == WEIR_NO_MEMORY)
            return -(int)WEIR_NO_MEMORY;
        commands->given_back = true;
        int verdict = weir_saga_unsendable(one->definition, one->saga, step, error.text, one->now,
                                           random, effects);
        if (verdict != WEIR_SAGA_MOVED)
            return verdict < 0 ? verdict : -(int)WEIR_INVALID;
    }
    return WEIR_SAGA_MOVED;
}

static void write_id(struct weir_text *id, const struct weir_saga_case *one,
                     const struct weir_saga_send *send)
{
    weir_text_format(id, "%s/%s/%s", one->id, one->definition->steps[send->step].name,
                     weir_step_action_text(send->action));
    if (send->number > 1)
        weir_text_format(id, "#%u", send->number);
}

static void send_command(const struct weir_saga_case *one, const struct weir_saga_send *send,
                         const char *data)
{
    const struct weir_step_definition *step = &one->definition->steps[send->step];
    bool compensate = send->action == WEIR_STEP_COMPENSATE;
    struct weir_text id = {0};
    char key[WEIR_KEY_MAX], attempt[16], expires[24];
    struct parts parts = {.count = 0};

    write_id(&id, one, send);
    snprintf(attempt, sizeof attempt, "%u", send->attempt);
    snprintf(expires, sizeof expires, "%lld", (long long)(one->now + one->command_life_ms));
    add(&parts, "type", weir_slice_of(compensate ? step->compensation : step->command));
    add(&parts, "id", (struct weir_slice){id.at, id.length});
    add(&parts, "source", weir_slice_of(WEIR_SAGAS));
    add(&parts, "saga", weir_slice_of(one->id));
    add(&parts, "step", weir_slice_of(step->name));
    add(&parts, "action", weir_slice_of(weir_step_action_text(send->action)));
    add(&parts, WEIR_FIELD_ATTEMPT, slice_or_none(send->attempt > 1 ? attempt : NULL));
    add(&parts, WEIR_FIELD_EXPIRES, weir_slice_of(expires));
    add(&parts, "data", weir_slice_of(data));
    add(&parts, "traceparent", slice_or_none(one->traceparent));
    if (id.failed)
        weir_rare_error_set(&one->effects->error, WEIR_NO_MEMORY, "no memory for a command");
    else
        append(one, weir_key_commands(key, one->prefix, step->service), &parts);
    weir_text_close(&id);
}

/* ---- Events and indexes ------------------------------------------------------------------ */

/* The state that an event tells of; one input may bring a saga through several. */
static const enum weir_saga_state event_states[] = {
    [WEIR_SAGA_STARTED] = WEIR_SAGA_RUNNING,
    [WEIR_SAGA_EVENT_COMPLETED] = WEIR_SAGA_COMPLETED,
    [WEIR_SAGA_EVENT_COMPENSATING] = WEIR_SAGA_COMPENSATING,
    [WEIR_SAGA_EVENT_COMPENSATED] = WEIR_SAGA_COMPENSATED,
    [WEIR_SAGA_EVENT_SUSPENDED] = WEIR_SAGA_SUSPENDED,
};

static void write_event_data(struct weir_text *data, const struct weir_saga_case *one,
                             enum weir_saga_event event)
{
    const char *reason = one->saga->reason != NULL ? one->saga->reason : "";
    weir_text_append_string(data, "{\"saga\":");
    weir_text_append_json(data, one->id, strlen(one->id));
    /* names and states need no escaping */
    weir_text_format(data, ",\"definition\":\"%s\",\"version\":%lld,\"state\":\"%s\",\"reason\":",
                     one->definition->name, (long long)one->definition->version,
                     weir_saga_state_text(event_states[event]));
    weir_text_append_json(data, reason, strlen(reason));
    weir_text_append_string(data, "}");
}

static void publish_event(const struct weir_saga_case *one, enum weir_saga_event event)
{
    char key[WEIR_KEY_MAX];
    struct weir_text data = {0};
    struct parts parts = {.count = 0};
    write_event_data(&data, one, event);
    add(&parts, "type", weir_slice_of(weir_saga_event_text(event)));
    add(&parts, "source", weir_slice_of(WEIR_SAGAS));
    add(&parts, "subject", weir_slice_of(one->id));
    add(&parts, "traceparent", slice_or_none(one->traceparent));
    add(&parts, "data", (struct weir_slice){data.at, data.length});
    if (data.failed)
        weir_rare_error_set(&one->effects->error, WEIR_NO_MEMORY, "no memory for an event");
    else
        append(one, weir_key_events(key, one->prefix, WEIR_SAGAS), &parts);
    weir_text_close(&data);
}

static void move_index(const struct weir_saga_case *one, enum weir_saga_state before)
{
    enum weir_saga_state after = one->saga->state;
    char key[WEIR_KEY_MAX], now[24];
    struct weir_slice arguments[] = {{now, 0}, weir_slice_of(one->id)};
    if (before == after)
        return;
    arguments[0].length = (size_t)snprintf(now, sizeof now, "%lld", (long long)one->now);
    if (before != WEIR_SAGA_NONE)
        weir_effects_plain(one->effects, "ZREM",
                           weir_key_saga_state(key, one->prefix, weir_saga_state_text(before)),
                           &arguments[1], 1);
    weir_effects_plain(one->effects, "ZADD",
                       weir_key_saga_state(key, one->prefix, weir_saga_state_text(after)),
                       arguments, 2);
}

static bool ended(enum weir_saga_state state)
{
    return state == WEIR_SAGA_COMPLETED || state == WEIR_SAGA_COMPENSATED;
}

static void expire(const struct weir_saga_case *one)
{
    char digits[24];
    struct weir_slice life = {digits, 0};
    life.length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)one->retention_ms);
    weir_effects_plain(one->effects, "PEXPIRE", one->key, &life, 1);
}

/* ---- The beginning ------------------------------------------------------------------------ */

static void write(const struct weir_saga_case *one, const char *field, const char *value)
{
    weir_effects_set(one->effects, one->key, field, weir_slice_of(value));
}

static void write_number(const struct weir_saga_case *one, const char *field, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    write(one, field, digits);
}

void weir_saga_write_origin(const struct weir_saga_case *one, uint32_t checksum)
{
    write(one, "definition", one->definition->name);
    write_number(one, "version", one->definition->version);
    write_number(one, "checksum", checksum);
    write(one, "data", one->data);
    if (one->traceparent != NULL)
        write(one, "traceparent", one->traceparent);
    if (one->retention_ms != WEIR_SAGA_RETENTION_MS)
        write_number(one, "retention", one->retention_ms);
}

/* ---- All of it --------------------------------------------------------------------------- */

void weir_saga_expect_revision(const struct weir_saga_case *one)
{
    weir_effects_expect(one->effects, one->key, "revision",
                        one->stored != NULL ? weir_loaded_value(one->stored, "revision") : NULL);
}

void weir_saga_carry_out(const struct weir_saga_case *one, enum weir_saga_state before,
                         const struct weir_saga_effects *effects,
                         const struct weir_saga_commands *commands)
{
    uint64_t changed = before == WEIR_SAGA_NONE ? ~UINT64_C(0) : effects->changed_steps;
    weir_saga_expect_revision(one);
    weir_saga_record_write(one->effects, one->key, one->stored, one->definition, one->saga,
                           changed);
    move_index(one, before);
    if (weir_saga_timer_changes(one, effects))
        weir_saga_set_timer(one, effects->wake_at);
    for (size_t i = 0; i < effects->send_count; i++)
        send_command(one, &effects->sends[i], commands->data[i]);
    for (size_t i = 0; i < effects->event_count; i++)
        publish_event(one, effects->events[i]);
    if (ended(one->saga->state) && !ended(before) && one->retention_ms > 0)
        expire(one);
}

struct weir_saga_moved *weir_saga_moved(const struct weir_saga_case *one,
                                        enum weir_saga_state before)
{
    const char *reason = one->saga->reason != NULL ? one->saga->reason : "";
    size_t length = strlen(reason);
    struct weir_saga_moved *moved;
    if (before == one->saga->state || (moved = calloc(1, sizeof *moved + length + 1)) == NULL)
        return NULL;
    moved->from = before;
    moved->to = one->saga->state;
    weir_copy(moved->id, sizeof moved->id, one->id);
    weir_copy(moved->definition, sizeof moved->definition, one->definition->name);
    weir_trace_id(moved->trace, one->traceparent);
    memcpy(moved->reason, reason, length);
    return moved;
}

void weir_saga_log_moved(struct weir_log *log, const struct weir_saga_moved *moved)
{
    weir_log_info(log, "saga.moved", "saga=%s definition=%s from=%s to=%s reason=%s trace=%s",
                  moved->id, moved->definition, weir_saga_state_text(moved->from),
                  weir_saga_state_text(moved->to), moved->reason[0] ? moved->reason : NULL,
                  moved->trace[0] ? moved->trace : NULL);
}
