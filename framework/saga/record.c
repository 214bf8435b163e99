/* A saga as it is kept in its hash. */
#include "saga/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_MAX 128
#define STEP "step:"
#define SIGNAL "signal:"

/* ---- The fields ---------------------------------------------------------------------------- */

enum head_field {
    STATE,
    SUSPENDED_FROM,
    REASON,
    REASON_BEFORE,
    STARTED_AT,
    UPDATED_AT,
    ENDED_AT,
    DEADLINE,
    REVISION,
    HEAD_FIELDS,
};

enum step_field {
    STEP_STATE,
    ATTEMPTS,
    COMPENSATION_ATTEMPTS,
    NUMBER,
    FORGIVEN,
    BACKING_OFF,
    UNSENT,
    UNKNOWN,
    SENT_AT,
    STEP_ENDED_AT,
    DUE_AT,
    LATE,
    RESULT,
    ERROR,
    AWAITS,
    HEARD_AT,
    STEP_FIELDS,
};

static const char *const head_names[HEAD_FIELDS] = {
    [STATE] = "state",          [SUSPENDED_FROM] = "suspendedFrom",
    [REASON] = "reason",        [REASON_BEFORE] = "reasonBefore",
    [STARTED_AT] = "startedAt", [UPDATED_AT] = "updatedAt",
    [ENDED_AT] = "endedAt",     [DEADLINE] = "deadline",
    [REVISION] = "revision",
};

static const char *const step_names[STEP_FIELDS] = {
    [STEP_STATE] = "state",
    [ATTEMPTS] = "attempts",
    [COMPENSATION_ATTEMPTS] = "compensationAttempts",
    [NUMBER] = "number",
    [FORGIVEN] = "forgiven",
    [BACKING_OFF] = "backingOff",
    [UNSENT] = "unsent",
    [UNKNOWN] = "unknown",
    [SENT_AT] = "sentAt",
    [STEP_ENDED_AT] = "endedAt",
    [DUE_AT] = "dueAt",
    [LATE] = "late",
    [RESULT] = "result",
    [ERROR] = "error",
    [AWAITS] = "awaits",
    [HEARD_AT] = "heardAt",
};

/* The stored texts by their fields, borrowed; NULL: not there. */
struct view {
    const char *head[HEAD_FIELDS];
    const char *signals[WEIR_SAGA_STEPS_MAX]; /* by the step that waits for them */
    const char *steps[WEIR_SAGA_STEPS_MAX][STEP_FIELDS];
};

static size_t find_name(const char *const *names, size_t count, const char *name)
{
    size_t at = 0;
    while (at < count && strcmp(names[at], name) != 0)
        at++;
    return at;
}

static void place_step_field(struct view *view, const struct weir_saga_definition *definition,
                             const char *field, const char *value)
{
    const char *name = field + sizeof STEP - 1, *colon = strrchr(name, ':');
    int step;
    size_t at;
    if (colon == NULL)
        return;
    step = weir_saga_definition_step(definition, name, (size_t)(colon - name));
    at = find_name(step_names, STEP_FIELDS, colon + 1);
    if (step >= 0 && at < STEP_FIELDS)
        view->steps[step][at] = value;
}

static void place(struct view *view, const struct weir_saga_definition *definition,
                  const char *field, const char *value)
{
    size_t at;
    int step;
    if (strncmp(field, STEP, sizeof STEP - 1) == 0) {
        place_step_field(view, definition, field, value);
    } else if (strncmp(field, SIGNAL, sizeof SIGNAL - 1) == 0) {
        step = weir_saga_definition_waiting(definition, field + sizeof SIGNAL - 1);
        if (step >= 0)
            view->signals[step] = value;
    } else if ((at = find_name(head_names, HEAD_FIELDS, field)) < HEAD_FIELDS) {
        view->head[at] = value;
    }
}

/* One pass over the hash, for both reading and writing: a saga has some thirty fields, most of them
 * absent, and looking for each would cost more than all else. */
static void look_at(struct view *view, const struct weir_saga_definition *definition,
                    const struct weir_loaded *hash)
{
    memset(view->head, 0, sizeof view->head);
    memset(view->signals, 0, definition->step_count * sizeof *view->signals);
    memset(view->steps, 0, definition->step_count * sizeof *view->steps);
    for (size_t i = 0; hash != NULL && i < hash->field_count; i++)
        place(view, definition, hash->values[2 * i], hash->values[2 * i + 1]);
}

/* ---- Reading ----------------------------------------------------------------------------- */

/* Where a value is read from: names it for complaints. */
struct source {
    const char *const *values;
    const char *const *names;
    const char *step; /* NULL: the head */
    struct weir_error *error;
};

static void complain(const struct source *source, size_t field, const char *problem)
{
    if (source->step != NULL)
        weir_error_set(source->error, WEIR_INVALID, "field " STEP "%s:%s: %s", source->step,
                       source->names[field], problem);
    else
        weir_error_set(source->error, WEIR_INVALID, "field %s: %s", source->names[field], problem);
}

static int64_t number_of(const struct source *source, size_t field)
{
    const char *text = source->values[field];
    char problem[96];
    int64_t number = 0;
    if (text == NULL || weir_parse_integer(text, strlen(text), &number))
        return number;
    snprintf(problem, sizeof problem, "\"%.40s\" is not a whole number", text);
    complain(source, field, problem);
    return 0;
}

static unsigned count_of(const struct source *source, size_t field)
{
    int64_t number = number_of(source, field);
    if (number >= 0 && number <= 1000000)
        return (unsigned)number;
    complain(source, field, "out of range");
    return 0;
}

static char *copy_of(const struct source *source, const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    if (text != NULL && copy == NULL)
        weir_error_set(source->error, WEIR_NO_MEMORY, "no memory for the saga");
    return copy;
}

static void read_state(const struct source *source, size_t field, enum weir_saga_state *state)
{
    const char *text = source->values[field];
    char problem[96];
    if (text == NULL || weir_saga_state_parse(text, strlen(text), state))
        return;
    snprintf(problem, sizeof problem, "unknown state \"%.40s\"", text);
    complain(source, field, problem);
}

static void read_step_state(const struct source *source, enum weir_step_state *state)
{
    const char *text = source->values[STEP_STATE];
    char problem[96];
    if (text == NULL || weir_step_state_parse(text, strlen(text), state))
        return;
    snprintf(problem, sizeof problem, "unknown state \"%.40s\"", text);
    complain(source, STEP_STATE, problem);
}

/* The number of a command that has one and does not say so. */
static unsigned usual_number(const struct weir_step_definition *definition,
                             const struct weir_step_record *step)
{
    return definition->signal == NULL && step->state != WEIR_STEP_PENDING;
}

/* The time limit of a command that is with its service; 0: none is. */
static int64_t usual_due_at(const struct weir_step_definition *definition,
                            const struct weir_step_record *step)
{
    bool with_service =
        (step->state == WEIR_STEP_RUNNING || step->state == WEIR_STEP_COMPENSATING) &&
        !step->waiting_to_send && step->sent_at != 0;
    return with_service ? step->sent_at + definition->timeout_ms : 0;
}

static void read_step(const struct source *source, const struct weir_step_definition *definition,
                      struct weir_step_record *step)
{
    read_step_state(source, &step->state);
    step->attempts = count_of(source, ATTEMPTS);
    step->compensation_attempts = count_of(source, COMPENSATION_ATTEMPTS);
    step->number =
        source->values[NUMBER] != NULL ? count_of(source, NUMBER) : usual_number(definition, step);
    step->forgiven = count_of(source, FORGIVEN);
    step->waiting_to_send = number_of(source, BACKING_OFF) != 0;
    step->unsent = number_of(source, UNSENT) != 0;
    step->may_have_effect = number_of(source, UNKNOWN) != 0;
    step->sent_at = number_of(source, SENT_AT);
    step->ended_at = number_of(source, STEP_ENDED_AT);
    step->due_at =
        source->values[DUE_AT] != NULL ? number_of(source, DUE_AT) : usual_due_at(definition, step);
    step->late_at = number_of(source, LATE);
    step->result = copy_of(source, source->values[RESULT]);
    step->error = copy_of(source, source->values[ERROR]);
    step->awaits = copy_of(source, source->values[AWAITS]);
    step->heard_at = number_of(source, HEARD_AT);
}

enum weir_status weir_saga_record_read(const struct weir_saga_definition *definition,
                                       const struct weir_loaded *hash, struct weir_saga *saga,
                                       struct weir_error *error)
{
    struct view view;
    struct source head = {view.head, head_names, NULL, error};
    look_at(&view, definition, hash);
    read_state(&head, STATE, &saga->state);
    read_state(&head, SUSPENDED_FROM, &saga->suspended_from);
    saga->reason = copy_of(&head, view.head[REASON]);
    saga->reason_before = copy_of(&head, view.head[REASON_BEFORE]);
    saga->started_at = number_of(&head, STARTED_AT);
    saga->updated_at = number_of(&head, UPDATED_AT);
    saga->ended_at = number_of(&head, ENDED_AT);
    saga->deadline = number_of(&head, DEADLINE);
    saga->revision = number_of(&head, REVISION);
    for (size_t i = 0; i < definition->step_count; i++) {
        struct source source = {view.steps[i], step_names, definition->steps[i].name, error};
        read_step(&source, &definition->steps[i], &saga->steps[i]);
        saga->steps[i].signal = copy_of(&source, view.signals[i]);
    }
    return error->status;
}

/* ---- Writing ----------------------------------------------------------------------------- */

struct writer {
    struct weir_effects *effects;
    const char *key;
    const char *const *stored;
    const char *const *names;
    char field[2 * FIELD_MAX];
    size_t prefix_length; /* of "step:<name>:" in `field`, or 0 */
};

/* Only what has changed is written. NULL: the field is not to be there. */
static void write_text_at(struct writer *writer, const char *name, const char *stored,
                          const char *value)
{
    if (value == NULL ? stored == NULL : stored != NULL && strcmp(stored, value) == 0)
        return;
    snprintf(writer->field + writer->prefix_length, sizeof writer->field - writer->prefix_length,
             "%s", name);
    if (value == NULL)
        weir_effects_remove(writer->effects, writer->key, writer->field);
    else
        weir_effects_set(writer->effects, writer->key, writer->field, weir_slice_of(value));
}

static void write_text(struct writer *writer, size_t field, const char *value)
{
    write_text_at(writer, writer->names[field], writer->stored[field], value);
}

/* `usual` is what the field stands for where it is not there. */
static void write_unusual(struct writer *writer, size_t field, int64_t value, int64_t usual)
{
    char digits[24];
    if (value == usual) {
        write_text(writer, field, NULL);
        return;
    }
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    write_text(writer, field, digits);
}

/* Zero is the same as absent: fields that were never set take no room. */
static void write_number(struct writer *writer, size_t field, int64_t value)
{
    write_unusual(writer, field, value, 0);
}

static void write_step(struct writer *writer, const struct weir_step_definition *definition,
                       const struct weir_step_record *step)
{
    write_text(writer, STEP_STATE, weir_step_state_text(step->state));
    write_number(writer, ATTEMPTS, step->attempts);
    write_number(writer, COMPENSATION_ATTEMPTS, step->compensation_attempts);
    write_unusual(writer, NUMBER, step->number, usual_number(definition, step));
    write_number(writer, FORGIVEN, step->forgiven);
    write_number(writer, BACKING_OFF, step->waiting_to_send);
    write_number(writer, UNSENT, step->unsent);
    write_number(writer, UNKNOWN, step->may_have_effect);
    write_number(writer, SENT_AT, step->sent_at);
    write_number(writer, STEP_ENDED_AT, step->ended_at);
    write_unusual(writer, DUE_AT, step->due_at, usual_due_at(definition, step));
    write_number(writer, LATE, step->late_at);
    write_text(writer, RESULT, step->result);
    write_text(writer, ERROR, step->error);
    write_text(writer, AWAITS, step->awaits);
    write_number(writer, HEARD_AT, step->heard_at);
}

static void write_head(struct writer *writer, const struct weir_saga *saga)
{
    bool suspended = saga->state == WEIR_SAGA_SUSPENDED;
    write_text(writer, STATE, weir_saga_state_text(saga->state));
    write_text(writer, SUSPENDED_FROM,
               suspended ? weir_saga_state_text(saga->suspended_from) : NULL);
    write_text(writer, REASON, saga->reason);
    write_text(writer, REASON_BEFORE, saga->reason_before);
    write_number(writer, STARTED_AT, saga->started_at);
    write_number(writer, UPDATED_AT, saga->updated_at);
    write_number(writer, ENDED_AT, saga->ended_at);
    write_number(writer, DEADLINE, saga->deadline);
    write_number(writer, REVISION, saga->revision);
}

/* What has come before the step that waits for it. */
static void write_signal(struct writer *writer, const char *signal, const char *stored,
                         const char *data)
{
    char name[FIELD_MAX];
    if (signal == NULL)
        return;
    snprintf(name, sizeof name, SIGNAL "%s", signal);
    writer->prefix_length = 0;
    write_text_at(writer, name, stored, data);
}

void weir_saga_record_write(struct weir_effects *effects, const char *key,
                            const struct weir_loaded *stored,
                            const struct weir_saga_definition *definition,
                            const struct weir_saga *saga, uint64_t changed)
{
    struct view view;
    struct writer writer = {
        .effects = effects, .key = key, .stored = view.head, .names = head_names};
    look_at(&view, definition, stored);
    write_head(&writer, saga);
    writer.names = step_names;
    for (size_t i = 0; i < definition->step_count; i++) {
        const struct weir_step_definition *step = &definition->steps[i];
        if ((changed & UINT64_C(1) << i) == 0)
            continue;
        writer.stored = view.steps[i];
        writer.prefix_length =
            (size_t)snprintf(writer.field, sizeof writer.field, STEP "%s:", step->name);
        write_step(&writer, step, &saga->steps[i]);
        write_signal(&writer, step->signal, view.signals[i], saga->steps[i].signal);
    }
}
