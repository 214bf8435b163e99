/* A saga as it is kept in its hash. */
#include "saga/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_MAX 128

/* ---- Reading ----------------------------------------------------------------------------- */

struct reader {
    const struct weir_loaded *hash;
    struct weir_error *error;
    char prefix[FIELD_MAX]; /* "step:<name>:", or "" */
};

static const char *text_of(struct reader *reader, const char *name)
{
    char field[2 * FIELD_MAX];
    snprintf(field, sizeof field, "%s%s", reader->prefix, name);
    return weir_loaded_value(reader->hash, field);
}

static int64_t number_of(struct reader *reader, const char *name)
{
    const char *text = text_of(reader, name);
    int64_t number = 0;
    if (text != NULL && !weir_parse_integer(text, strlen(text), &number))
        weir_error_set(reader->error, WEIR_INVALID, "field %s%s: \"%.40s\" is not a whole number",
                       reader->prefix, name, text);
    return number;
}

static unsigned count_of(struct reader *reader, const char *name)
{
    int64_t number = number_of(reader, name);
    if (number < 0 || number > 1000000) {
        weir_error_set(reader->error, WEIR_INVALID, "field %s%s: out of range", reader->prefix,
                       name);
        return 0;
    }
    return (unsigned)number;
}

static char *copy_of(struct reader *reader, const char *name)
{
    const char *text = text_of(reader, name);
    char *copy = text != NULL ? strdup(text) : NULL;
    if (text != NULL && copy == NULL)
        weir_error_set(reader->error, WEIR_NO_MEMORY, "no memory for the saga");
    return copy;
}

static void read_state(struct reader *reader, const char *name, enum weir_saga_state *state)
{
    const char *text = text_of(reader, name);
    if (text != NULL && !weir_saga_state_parse(text, strlen(text), state))
        weir_error_set(reader->error, WEIR_INVALID, "field %s: unknown state \"%.40s\"", name,
                       text);
}

static char *signal_of(struct reader *reader, const char *signal)
{
    char field[FIELD_MAX];
    if (signal == NULL)
        return NULL;
    snprintf(field, sizeof field, "signal:%s", signal);
    return copy_of(reader, field);
}

static void read_step(struct reader *reader, const char *name, struct weir_step_record *step)
{
    const char *state;
    snprintf(reader->prefix, sizeof reader->prefix, "step:%s:", name);
    state = text_of(reader, "state");
    if (state != NULL && !weir_step_state_parse(state, strlen(state), &step->state))
        weir_error_set(reader->error, WEIR_INVALID, "field %sstate: unknown state \"%.40s\"",
                       reader->prefix, state);
    step->attempts = count_of(reader, "attempts");
    step->compensation_attempts = count_of(reader, "compensationAttempts");
    step->number = count_of(reader, "number");
    step->forgiven = count_of(reader, "forgiven");
    step->waiting_to_send = number_of(reader, "backingOff") != 0;
    step->unsent = number_of(reader, "unsent") != 0;
    step->may_have_effect = number_of(reader, "unknown") != 0;
    step->sent_at = number_of(reader, "sentAt");
    step->ended_at = number_of(reader, "endedAt");
    step->due_at = number_of(reader, "dueAt");
    step->late_at = number_of(reader, "late");
    step->result = copy_of(reader, "result");
    step->error = copy_of(reader, "error");
    step->awaits = copy_of(reader, "awaits");
    step->heard_at = number_of(reader, "heardAt");
    reader->prefix[0] = '\0';
}

enum weir_status weir_saga_record_read(const struct weir_saga_definition *definition,
                                       const struct weir_loaded *hash, struct weir_saga *saga,
                                       struct weir_error *error)
{
    struct reader reader = {.hash = hash, .error = error};
    read_state(&reader, "state", &saga->state);
    read_state(&reader, "suspendedFrom", &saga->suspended_from);
    saga->reason = copy_of(&reader, "reason");
    saga->reason_before = copy_of(&reader, "reasonBefore");
    saga->started_at = number_of(&reader, "startedAt");
    saga->updated_at = number_of(&reader, "updatedAt");
    saga->ended_at = number_of(&reader, "endedAt");
    saga->deadline = number_of(&reader, "deadline");
    saga->revision = number_of(&reader, "revision");
    for (size_t i = 0; i < definition->step_count; i++) {
        read_step(&reader, definition->steps[i].name, &saga->steps[i]);
        saga->steps[i].signal = signal_of(&reader, definition->steps[i].signal);
    }
    return error->status;
}

/* ---- Writing ----------------------------------------------------------------------------- */

struct writer {
    weir_context *context;
    const char *key;
    const struct weir_loaded *stored; /* what the saga's hash held; NULL: nothing */
    char prefix[FIELD_MAX];
};

/* Only what has changed is written. NULL: the field is not to be there. */
static void write_text(struct writer *writer, const char *name, const char *value)
{
    char field[2 * FIELD_MAX];
    const char *stored;
    snprintf(field, sizeof field, "%s%s", writer->prefix, name);
    stored = writer->stored != NULL ? weir_loaded_value(writer->stored, field) : NULL;
    if (value == NULL && stored != NULL)
        weir_hdel(writer->context, writer->key, field);
    else if (value != NULL && (stored == NULL || strcmp(stored, value) != 0))
        weir_hset(writer->context, writer->key, field, value);
}

/* Zero is the same as absent: fields that were never set take no room. */
static void write_number(struct writer *writer, const char *name, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    write_text(writer, name, value != 0 ? digits : NULL);
}

static void write_step(struct writer *writer, const char *name, const struct weir_step_record *step)
{
    snprintf(writer->prefix, sizeof writer->prefix, "step:%s:", name);
    write_text(writer, "state", weir_step_state_text(step->state));
    write_number(writer, "attempts", step->attempts);
    write_number(writer, "compensationAttempts", step->compensation_attempts);
    write_number(writer, "number", step->number);
    write_number(writer, "forgiven", step->forgiven);
    write_number(writer, "backingOff", step->waiting_to_send);
    write_number(writer, "unsent", step->unsent);
    write_number(writer, "unknown", step->may_have_effect);
    write_number(writer, "sentAt", step->sent_at);
    write_number(writer, "endedAt", step->ended_at);
    write_number(writer, "dueAt", step->due_at);
    write_number(writer, "late", step->late_at);
    write_text(writer, "result", step->result);
    write_text(writer, "error", step->error);
    write_text(writer, "awaits", step->awaits);
    write_number(writer, "heardAt", step->heard_at);
    writer->prefix[0] = '\0';
}

/* What has come before the step that waits for it. */
static void write_signal(struct writer *writer, const char *signal, const char *data)
{
    char field[FIELD_MAX];
    snprintf(field, sizeof field, "signal:%s", signal);
    write_text(writer, field, data);
}

void weir_saga_record_write(weir_context *context, const char *key,
                            const struct weir_saga_definition *definition,
                            const struct weir_saga *saga, uint64_t changed)
{
    struct writer writer = {
        .context = context, .key = key, .stored = weir_context_loaded(context, key)};
    write_text(&writer, "state", weir_saga_state_text(saga->state));
    write_text(&writer, "suspendedFrom",
               saga->state == WEIR_SAGA_SUSPENDED ? weir_saga_state_text(saga->suspended_from)
                                                  : NULL);
    write_text(&writer, "reason", saga->reason);
    write_text(&writer, "reasonBefore", saga->reason_before);
    write_number(&writer, "startedAt", saga->started_at);
    write_number(&writer, "updatedAt", saga->updated_at);
    write_number(&writer, "endedAt", saga->ended_at);
    write_number(&writer, "deadline", saga->deadline);
    write_number(&writer, "revision", saga->revision);
    for (size_t i = 0; i < definition->step_count; i++) {
        if ((changed & UINT64_C(1) << i) == 0)
            continue;
        write_step(&writer, definition->steps[i].name, &saga->steps[i]);
        if (definition->steps[i].signal != NULL)
            write_signal(&writer, definition->steps[i].signal, saga->steps[i].signal);
    }
}
