/* The moves that sagas and steps can make, and the doors that all of them go through. */
#include "saga/change.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_CAP_MS 60000
#define HEARD_LEAST_MS 60000 /* the reply comes again well within */
#define NO_EVENT (-1)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct saga_move {
    enum weir_saga_state from, to;
    int event;
} saga_moves[] = {
    {WEIR_SAGA_NONE, WEIR_SAGA_RUNNING, WEIR_SAGA_STARTED},
    {WEIR_SAGA_RUNNING, WEIR_SAGA_COMPLETED, WEIR_SAGA_EVENT_COMPLETED},
    {WEIR_SAGA_RUNNING, WEIR_SAGA_COMPENSATING, WEIR_SAGA_EVENT_COMPENSATING},
    {WEIR_SAGA_COMPENSATING, WEIR_SAGA_COMPENSATED, WEIR_SAGA_EVENT_COMPENSATED},
    {WEIR_SAGA_RUNNING, WEIR_SAGA_SUSPENDED, WEIR_SAGA_EVENT_SUSPENDED},
    {WEIR_SAGA_COMPENSATING, WEIR_SAGA_SUSPENDED, WEIR_SAGA_EVENT_SUSPENDED},
    {WEIR_SAGA_SUSPENDED, WEIR_SAGA_RUNNING, NO_EVENT}, /* only back to where it came from */
    {WEIR_SAGA_SUSPENDED, WEIR_SAGA_COMPENSATING, NO_EVENT},
};

static const struct step_move {
    enum weir_step_state from, to;
} step_moves[] = {
    {WEIR_STEP_PENDING, WEIR_STEP_RUNNING},
    {WEIR_STEP_PENDING, WEIR_STEP_SKIPPED},
    {WEIR_STEP_RUNNING, WEIR_STEP_SUCCEEDED},
    {WEIR_STEP_RUNNING, WEIR_STEP_FAILED},
    {WEIR_STEP_RUNNING, WEIR_STEP_TIMED_OUT},
    {WEIR_STEP_RUNNING, WEIR_STEP_SKIPPED},
    {WEIR_STEP_SUCCEEDED, WEIR_STEP_COMPENSATING},
    {WEIR_STEP_FAILED, WEIR_STEP_COMPENSATING}, /* only where it may have taken effect */
    {WEIR_STEP_TIMED_OUT, WEIR_STEP_COMPENSATING},
    {WEIR_STEP_COMPENSATING, WEIR_STEP_COMPENSATED},
    {WEIR_STEP_COMPENSATING, WEIR_STEP_SKIPPED},
};

static void fail(struct weir_saga_change *change, enum weir_status status)
{
    if (change->status == WEIR_OK)
        change->status = status;
}

static const struct saga_move *find_saga_move(enum weir_saga_state from, enum weir_saga_state to)
{
    for (size_t i = 0; i < COUNT(saga_moves); i++) {
        if (saga_moves[i].from == from && saga_moves[i].to == to)
            return &saga_moves[i];
    }
    return NULL;
}

static bool step_move_listed(enum weir_step_state from, enum weir_step_state to)
{
    for (size_t i = 0; i < COUNT(step_moves); i++) {
        if (step_moves[i].from == from && step_moves[i].to == to)
            return true;
    }
    return false;
}

static void publish(struct weir_saga_change *change, int event)
{
    struct weir_saga_effects *effects = change->effects;
    if (event == NO_EVENT)
        return;
    if (effects->event_count == COUNT(effects->events))
        fail(change, WEIR_INVALID);
    else
        effects->events[effects->event_count++] = (enum weir_saga_event)event;
}

static void enter_suspension(struct weir_saga *saga)
{
    saga->suspended_from = saga->state;
    free(saga->reason_before);
    saga->reason_before = saga->reason;
    saga->reason = NULL;
}

static void leave_suspension(struct weir_saga *saga)
{
    saga->suspended_from = WEIR_SAGA_NONE;
    free(saga->reason);
    saga->reason = saga->reason_before;
    saga->reason_before = NULL;
}

void weir_change_saga_move(struct weir_saga_change *change, enum weir_saga_state to)
{
    struct weir_saga *saga = change->saga;
    const struct saga_move *move = find_saga_move(saga->state, to);
    if (move == NULL || (saga->state == WEIR_SAGA_SUSPENDED && to != saga->suspended_from)) {
        fail(change, WEIR_INVALID);
        return;
    }
    if (to == WEIR_SAGA_SUSPENDED)
        enter_suspension(saga);
    else if (saga->state == WEIR_SAGA_SUSPENDED)
        leave_suspension(saga);
    if (to == WEIR_SAGA_COMPLETED || to == WEIR_SAGA_COMPENSATED)
        saga->ended_at = change->now;
    saga->state = to;
    publish(change, move->event);
}

static struct weir_step_record *touch(struct weir_saga_change *change, size_t step)
{
    change->effects->changed_steps |= weir_step_bit(step);
    return &change->saga->steps[step];
}

static bool is_active(enum weir_step_state state)
{
    return state == WEIR_STEP_RUNNING || state == WEIR_STEP_COMPENSATING;
}

void weir_change_step_move(struct weir_saga_change *change, size_t step, enum weir_step_state to)
{
    struct weir_step_record *record = touch(change, step);
    if (!step_move_listed(record->state, to)) {
        fail(change, WEIR_INVALID);
        return;
    }
    weir_change_rest(change, step);
    record->state = to;
    record->ended_at = is_active(to) ? 0 : change->now;
}

static void forget_heard(struct weir_step_record *record)
{
    free(record->awaits);
    record->awaits = NULL;
    record->heard_at = 0;
}

void weir_change_rest(struct weir_saga_change *change, size_t step)
{
    struct weir_step_record *record = touch(change, step);
    forget_heard(record);
    record->waiting_to_send = false;
    record->due_at = 0;
}

void weir_change_begin(struct weir_saga_change *change, size_t step, enum weir_step_action action)
{
    struct weir_step_record *record = touch(change, step);
    weir_change_step_move(change, step,
                          action == WEIR_STEP_EXECUTE ? WEIR_STEP_RUNNING : WEIR_STEP_COMPENSATING);
    record->number = 1;
    record->forgiven = 0;
    weir_change_send(change, step);
}

void weir_change_await_signal(struct weir_saga_change *change, size_t step)
{
    if (change->saga->steps[step].state == WEIR_STEP_PENDING)
        weir_change_step_move(change, step, WEIR_STEP_RUNNING);
    touch(change, step)->due_at = change->now + change->definition->steps[step].timeout_ms;
}

void weir_change_forgive(struct weir_saga_change *change, size_t step)
{
    struct weir_step_record *record = touch(change, step);
    record->forgiven = weir_step_attempts(record);
    record->waiting_to_send = true;
    record->due_at = change->now;
}

/* Of the action that the step is in. */
static unsigned *attempts_of(struct weir_step_record *record)
{
    return record->state == WEIR_STEP_COMPENSATING ? &record->compensation_attempts
                                                   : &record->attempts;
}

void weir_change_send(struct weir_saga_change *change, size_t step)
{
    struct weir_saga_effects *effects = change->effects;
    struct weir_step_record *record = touch(change, step);
    if (effects->send_count == COUNT(effects->sends)) {
        fail(change, WEIR_INVALID);
        return;
    }
    bool is_new = record->unsent || *attempts_of(record) == 0;
    forget_heard(record);
    ++*attempts_of(record);
    record->waiting_to_send = false;
    record->unsent = false;
    record->sent_at = change->now;
    record->due_at = change->now + change->definition->steps[step].timeout_ms;
    effects->sends[effects->send_count++] = (struct weir_saga_send){
        .step = step,
        .action =
            record->state == WEIR_STEP_COMPENSATING ? WEIR_STEP_COMPENSATE : WEIR_STEP_EXECUTE,
        .number = record->number,
        .attempt = weir_step_attempts(record),
        .is_new = is_new,
    };
}

bool weir_change_take_back(struct weir_saga_change *change, size_t step)
{
    struct weir_saga_effects *effects = change->effects;
    size_t at = 0;
    while (at < effects->send_count && effects->sends[at].step != step)
        at++;
    if (at == effects->send_count)
        return false;
    bool is_new = effects->sends[at].is_new;
    effects->send_count--;
    for (; at < effects->send_count; at++)
        effects->sends[at] = effects->sends[at + 1];
    struct weir_step_record *record = touch(change, step);
    record->unsent = is_new;
    if (--*attempts_of(record) == 0)
        record->sent_at = 0;
    return true;
}

void weir_change_wait(struct weir_saga_change *change, size_t step)
{
    struct weir_step_record *record = touch(change, step);
    int64_t base = change->definition->steps[step].backoff_ms;
    int64_t cap = base > BACKOFF_CAP_MS ? base : BACKOFF_CAP_MS;
    forget_heard(record);
    record->waiting_to_send = true;
    record->due_at =
        change->now + weir_backoff_ms(base, cap, weir_step_attempts_spent(record), change->random);
}

void weir_change_renumber(struct weir_saga_change *change, size_t step)
{
    struct weir_step_record *record = touch(change, step);
    record->number++;
    record->unsent = true;
}

static void replace(struct weir_saga_change *change, char **to, char *text)
{
    if (text == NULL)
        fail(change, WEIR_NO_MEMORY);
    free(*to);
    *to = text;
}

void weir_change_keep_signal(struct weir_saga_change *change, size_t step, const char *data)
{
    struct weir_step_record *record = touch(change, step);
    free(record->signal);
    record->signal = NULL;
    if (data != NULL)
        replace(change, &record->signal, strdup(data));
}

bool weir_change_heard(struct weir_saga_change *change, size_t step, const char *awaits)
{
    struct weir_step_record *record = &change->saga->steps[step];
    int64_t timeout = change->definition->steps[step].timeout_ms;
    int64_t life = timeout > HEARD_LEAST_MS ? timeout : HEARD_LEAST_MS;
    bool is_news = record->awaits == NULL || strcmp(record->awaits, awaits) != 0;
    if (!is_news && (record->due_at == 0 || record->due_at - change->now > life / 2))
        return false;
    touch(change, step)->waiting_to_send = false;
    if (record->due_at != 0) /* a step that is stuck stays so */
        record->due_at = change->now + life;
    if (is_news) {
        record->heard_at = change->now;
        replace(change, &record->awaits, strdup(awaits));
    }
    return true;
}

void weir_change_late(struct weir_saga_change *change, size_t step)
{
    touch(change, step)->late_at = change->now;
}

void weir_change_result(struct weir_saga_change *change, size_t step, const char *result)
{
    replace(change, &touch(change, step)->result, strdup(result != NULL ? result : "{}"));
}

/* One byte more than is kept shows whether the cut falls within a character. */
WEIR_PRINTF(1, 0) static char *format_text(const char *format, va_list arguments)
{
    char text[WEIR_SAGA_TEXT_MAX + 2];
    int length = vsnprintf(text, sizeof text, format, arguments);
    size_t end = length < 0 ? 0 : (size_t)length;
    if (end > WEIR_SAGA_TEXT_MAX) {
        end = WEIR_SAGA_TEXT_MAX;
        while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
            end--;
    }
    return strndup(text, end);
}

void weir_change_error(struct weir_saga_change *change, size_t step, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    replace(change, &touch(change, step)->error, format_text(format, arguments));
    va_end(arguments);
}

void weir_change_reason(struct weir_saga_change *change, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    replace(change, &change->saga->reason, format_text(format, arguments));
    va_end(arguments);
}

unsigned weir_step_attempts(const struct weir_step_record *record)
{
    return record->state == WEIR_STEP_COMPENSATING ? record->compensation_attempts
                                                   : record->attempts;
}

unsigned weir_step_attempts_spent(const struct weir_step_record *record)
{
    return weir_step_attempts(record) - record->forgiven;
}

bool weir_change_attempts_left(const struct weir_saga_change *change, size_t step)
{
    return weir_step_attempts_spent(&change->saga->steps[step]) <
           change->definition->steps[step].attempts;
}
