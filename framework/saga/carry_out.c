/* From decisions to effects: a transition as the commit of a handler. */
#include "saga/carry_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "saga/input_map.h"
#include "saga/record.h"

/* ---- Timer ------------------------------------------------------------------------------- */

void weir_saga_set_timer(const struct weir_saga_case *one, int64_t wake_at)
{
    const struct weir_runtime *runtime = one->context->runtime;
    struct weir_slice parts[] = {weir_slice_of("type"), weir_slice_of("SagaWake"),
                                 weir_slice_of("saga"), weir_slice_of(one->id)};
    if (wake_at == 0) {
        weir_context_unschedule(one->context, one->id, parts, 4);
        return;
    }
    weir_context_schedule_at(one->context, wake_at, one->id, parts, 4);
    if (runtime->hasten != NULL)
        runtime->hasten(runtime->worker, wake_at - weir_context_now(one->context));
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
    size_t data_max = (size_t)one->context->runtime->settings->data_max;
    while (commands->count < effects->send_count) {
        struct weir_error error = {0};
        size_t step = effects->sends[commands->count].step;
        /* what could be sent forward can be sent back: a compensation has more room */
        size_t factor = effects->sends[commands->count].action == WEIR_STEP_COMPENSATE
                            ? WEIR_STEP_DATA_FACTOR
                            : WEIR_STEP_DATA_FACTOR / 2;
        char *data = weir_input_build(one->definition, step, one->saga, one->data,
                                      factor * data_max, &error);
        if (data != NULL) {
            commands->data[commands->count++] = data;
            continue;
        }
        weir_saga_commands_close(commands);
        if (error.status == WEIR_NO_MEMORY)
            return -(int)WEIR_NO_MEMORY;
        int verdict = weir_saga_unsendable(one->definition, one->saga, step, error.text,
                                           weir_context_now(one->context), random, effects);
        if (verdict != WEIR_SAGA_MOVED)
            return verdict < 0 ? verdict : -(int)WEIR_INVALID;
    }
    return WEIR_SAGA_MOVED;
}

static void send_command(const struct weir_saga_case *one, const struct weir_saga_send *send,
                         const char *data)
{
    const struct weir_step_definition *step = &one->definition->steps[send->step];
    const char *action = weir_step_action_text(send->action);
    bool compensate = send->action == WEIR_STEP_COMPENSATE;
    struct weir_text id = {0};
    char attempt[16], expires[24];
    struct weir_slice parts[20];
    size_t count = 0;

    weir_text_format(&id, "%s/%s/%s", one->id, step->name, action);
    if (send->number > 1)
        weir_text_format(&id, "#%u", send->number);
    snprintf(attempt, sizeof attempt, "%u", send->attempt);
    snprintf(expires, sizeof expires, "%lld",
             (long long)(weir_context_now(one->context) +
                         one->context->runtime->settings->seen_life_ms));
    const struct {
        const char *name;
        struct weir_slice value;
    } fields[] = {
        {"type", weir_slice_of(compensate ? step->compensation : step->command)},
        {"id", {id.at, id.length}},
        {"source", weir_slice_of(one->context->runtime->service)},
        {"saga", weir_slice_of(one->id)},
        {"step", weir_slice_of(step->name)},
        {"action", weir_slice_of(action)},
        {WEIR_FIELD_ATTEMPT, weir_slice_of(attempt)},
        {WEIR_FIELD_EXPIRES, weir_slice_of(expires)},
        {"data", weir_slice_of(data)},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        parts[count++] = weir_slice_of(fields[i].name);
        parts[count++] = fields[i].value;
    }
    if (one->traceparent != NULL) {
        parts[count++] = weir_slice_of("traceparent");
        parts[count++] = weir_slice_of(one->traceparent);
    }
    if (id.failed)
        weir_error_set(&one->context->effects->error, WEIR_NO_MEMORY, "no memory for a command");
    else
        weir_context_send_parts(one->context, step->service, parts, count);
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

static void publish_event(const struct weir_saga_case *one, enum weir_saga_event event)
{
    const char *reason = one->saga->reason;
    weir_publish(one->context, weir_saga_event_text(event), one->id, "{s:s, s:s, s:I, s:s, s:s}",
                 "saga", one->id, "definition", one->definition->name, "version",
                 (json_int_t)one->definition->version, "state",
                 weir_saga_state_text(event_states[event]), "reason", reason != NULL ? reason : "");
}

static void move_index(const struct weir_saga_case *one, enum weir_saga_state before)
{
    char key[64];
    if (before == one->saga->state)
        return;
    if (before != WEIR_SAGA_NONE) {
        snprintf(key, sizeof key, "state:%s", weir_saga_state_text(before));
        weir_zrem(one->context, key, one->id);
    }
    snprintf(key, sizeof key, "state:%s", weir_saga_state_text(one->saga->state));
    weir_zadd(one->context, key, weir_context_now(one->context), one->id);
}

static bool ended(enum weir_saga_state state)
{
    return state == WEIR_SAGA_COMPLETED || state == WEIR_SAGA_COMPENSATED;
}

void weir_saga_carry_out(const struct weir_saga_case *one, enum weir_saga_state before,
                         const struct weir_saga_effects *effects,
                         const struct weir_saga_commands *commands)
{
    uint64_t changed = before == WEIR_SAGA_NONE ? ~UINT64_C(0) : effects->changed_steps;
    weir_saga_record_write(one->context, one->key, one->definition, one->saga, changed);
    move_index(one, before);
    if (effects->wake_at != 0 || before != WEIR_SAGA_NONE)
        weir_saga_set_timer(one, effects->wake_at);
    for (size_t i = 0; i < effects->send_count; i++)
        send_command(one, &effects->sends[i], commands->data[i]);
    for (size_t i = 0; i < effects->event_count; i++)
        publish_event(one, effects->events[i]);
    if (ended(one->saga->state) && !ended(before) && one->retention_ms > 0)
        weir_expire(one->context, one->key, one->retention_ms);
}
