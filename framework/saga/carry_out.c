/* From decisions to effects: a transition as the commit of a handler. */
#include "saga/carry_out.h"

#include <stdio.h>
#include <string.h>

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

/* The saga's data with the results so far beside it, under "steps". Both are JSON text already. */
static void compose_data(const struct weir_saga_case *one, struct weir_text *out)
{
    size_t length = strlen(one->data);
    bool first = true;
    weir_text_append(out, one->data, length - 1); /* without the closing brace */
    weir_text_append_string(out, length > 2 ? ",\"steps\":{" : "\"steps\":{");
    for (size_t i = 0; i < one->definition->step_count; i++) {
        const char *name = one->definition->steps[i].name;
        if (one->saga->steps[i].result == NULL)
            continue;
        weir_text_append_string(out, first ? "" : ",");
        weir_text_append_json(out, name, strlen(name));
        weir_text_append_string(out, ":");
        weir_text_append_string(out, one->saga->steps[i].result);
        first = false;
    }
    weir_text_append_string(out, "}}");
}

static void send_command(const struct weir_saga_case *one, const struct weir_saga_send *send)
{
    const struct weir_step_definition *step = &one->definition->steps[send->step];
    const char *action = weir_step_action_text(send->action);
    bool compensate = send->action == WEIR_STEP_COMPENSATE;
    struct weir_text data = {0}, id = {0};
    char attempt[16];
    struct weir_slice parts[20];
    size_t count = 0;

    weir_text_format(&id, "%s/%s/%s", one->id, step->name, action);
    if (send->number > 1)
        weir_text_format(&id, "#%u", send->number);
    compose_data(one, &data);
    snprintf(attempt, sizeof attempt, "%u", send->attempt);
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
        {"data", {data.at, data.length}},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        parts[count++] = weir_slice_of(fields[i].name);
        parts[count++] = fields[i].value;
    }
    if (one->traceparent != NULL) {
        parts[count++] = weir_slice_of("traceparent");
        parts[count++] = weir_slice_of(one->traceparent);
    }
    if (data.failed || id.failed)
        weir_error_set(&one->context->effects->error, WEIR_NO_MEMORY, "no memory for a command");
    else
        weir_context_send_parts(one->context, step->service, parts, count);
    weir_text_close(&data);
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
                         const struct weir_saga_effects *effects)
{
    uint64_t changed = before == WEIR_SAGA_NONE ? ~UINT64_C(0) : effects->changed_steps;
    weir_saga_record_write(one->context, one->key, one->definition, one->saga, changed);
    move_index(one, before);
    if (effects->wake_at != 0 || before != WEIR_SAGA_NONE)
        weir_saga_set_timer(one, effects->wake_at);
    for (size_t i = 0; i < effects->send_count; i++)
        send_command(one, &effects->sends[i]);
    for (size_t i = 0; i < effects->event_count; i++)
        publish_event(one, effects->events[i]);
    if (ended(one->saga->state) && !ended(before) && one->retention_ms > 0)
        weir_expire(one->context, one->key, one->retention_ms);
}
