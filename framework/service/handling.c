/* A running service: the handler's turn, and what becomes of its commit. */
#include "service/handling.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "message/json_memory.h"
#include "redis/key_names.h"
#include "saga/carry_out.h"
#include "service/ending.h"
#include "service/loading.h"
#include "service/measures.h"
#include "service/queue.h"
#include "service/step_answer.h"
#include "service/step_move.h"

#define RUNS_MAX 20 /* of one handler over state that keeps changing, before it is put off */
#define TOO_NEW_SAID_EVERY_MS 60000

static void on_committed(void *user, enum weir_commit_outcome outcome, const char *detail);
static void on_loaded(struct weir_delivery *delivery);

/* ---- Ways out ------------------------------------------------------------------------- */

/* Lets go of a message without acknowledging it: it comes back when its claim has run out. It is
 * released from the loop, not from inside this call. */
static void give_up(struct weir_delivery *delivery, const char *reason)
{
    weir_log_message(delivery->context.runtime->log, WEIR_LOG_ERROR, "message.left_pending",
                     delivery->message, "reason=%s", reason);
    delivery->row_next = delivery->worker->given_up;
    delivery->worker->given_up = delivery;
    ev_timer_start(delivery->context.runtime->loop, &delivery->worker->releasing);
}

/* What the worker is denied may be the saga's alone, which it can do without. */
static bool minds_denial(const struct weir_delivery *delivery)
{
    const struct weir_step_answer *end = delivery->is_step ? &delivery->step->end : NULL;
    return end != NULL && (end->moves_saga || (end->expects_saga && !end->was_denied));
}

/* Hands the effects over. Effects that cannot be committed at all end in a burial; if even that
 * fails the message stays pending on the server and comes back when its claim has run out. */
static void commit(struct weir_delivery *delivery, const char *function)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    const char *why = weir_rare_error_text(&delivery->effects.error);
    enum weir_status status = weir_rare_error_status(&delivery->effects.error);
    delivery->commit.effects = &delivery->effects;
    delivery->commit.function = function;
    delivery->commit.head_keys = (const char *const *)&delivery->message->stream;
    delivery->commit.head_key_count = 1;
    delivery->commit_head[0] = runtime->settings->group;
    delivery->commit_head[1] = delivery->message->entry;
    delivery->commit_head[2] = delivery->own_stream ? "1" : "0";
    delivery->commit.head = delivery->commit_head;
    delivery->commit.head_count = 3;
    delivery->commit.user = delivery;
    delivery->commit.answered = on_committed;
    delivery->commit.hears_denial = minds_denial(delivery);
    weir_measure_committing(delivery);
    WEIR_CRASH_POINT(COMMIT_SENDING);
    if (delivery->state != WEIR_DELIVERY_COMMITTING)
        weir_delivery_move(delivery, WEIR_DELIVERY_COMMITTING);
    if (status == WEIR_OK)
        status = weir_committer_submit(runtime->committer, &delivery->commit);
    WEIR_CRASH_POINT(COMMIT_SENT);
    if (status == WEIR_OK)
        return;
    if (status == WEIR_NO_MEMORY || delivery->ending == WEIR_ENDING_BURIED)
        give_up(delivery, why[0] ? why : "no memory");
    else
        commit(delivery, weir_ending_buried(delivery, why, true));
}

/* ---- Outcomes ---------------------------------------------------------------------------- */

void weir_handling_finish(struct weir_delivery *delivery, enum weir_outcome outcome)
{
    enum weir_status mistake = weir_rare_error_status(&delivery->effects.error);
    weir_measure_handled(delivery);
    if (mistake == WEIR_NO_MEMORY || delivery->torn || delivery->message->torn) {
        weir_reason(&delivery->context, "no memory");
        outcome = WEIR_RETRY;
    }
    if (outcome == WEIR_DONE && mistake != WEIR_OK) {
        commit(delivery,
               weir_ending_buried(delivery, weir_rare_error_text(&delivery->effects.error), true));
        return;
    }
    switch (outcome) {
    case WEIR_DONE:
        commit(delivery, weir_ending_done(delivery));
        break;
    case WEIR_REJECT:
        commit(delivery, weir_ending_rejected(delivery));
        break;
    case WEIR_DISCARD:
        commit(delivery, weir_ending_discarded(delivery));
        break;
    case WEIR_DEFERRED: /* without weir_defer, or as the outcome of weir_finish */
    case WEIR_AGAIN:    /* without having waited */
    case WEIR_RETRY:
    default:
        commit(delivery, weir_ending_retried(delivery));
        break;
    }
}

/* Others for the same key go on while this one waits; commits check what was read anyhow. */
static void give_way(struct weir_delivery *delivery)
{
    struct weir_delivery *next = weir_queue_leave(delivery);
    delivery->lane = NULL;
    delivery->lane_next = NULL;
    if (next != NULL)
        weir_handling_begin(next);
}

static void run_handler(struct weir_delivery *delivery)
{
    enum weir_outcome outcome;
    unsigned long failures;
    if (weir_message_object(delivery->message) == NULL) {
        give_up(delivery, "no memory for its data");
        return;
    }
    failures = weir_json_failures();
    weir_delivery_move(delivery, WEIR_DELIVERY_HANDLING);
    delivery->begun_at = weir_clock_monotonic_ms();
    weir_context_begin(&delivery->context);
    delivery->context.unchecked = delivery->route->unchecked;
    delivery->finished_at_once = false;
    weir_measure_begun(delivery);
    WEIR_CRASH_POINT(HANDLE_BEGINNING);
    outcome = delivery->route->handler(&delivery->context, delivery->message);
    WEIR_CRASH_POINT(HANDLE_RETURNED);
    delivery->torn = weir_json_failures() != failures;
    weir_message_leave_object(delivery->message);
    if (outcome == WEIR_DEFERRED && delivery->finished_at_once)
        outcome = delivery->early_outcome;
    else if (outcome == WEIR_DEFERRED && delivery->deferral == NULL)
        weir_reason(&delivery->context, "the handler deferred without weir_defer");
    if (outcome != WEIR_DEFERRED || delivery->deferral == NULL) {
        weir_delivery_forget_deferral(delivery);
        weir_handling_finish(delivery, outcome);
        return;
    }
    weir_delivery_move(delivery, WEIR_DELIVERY_DEFERRED);
    WEIR_CRASH_POINT(HANDLE_DEFERRED);
    give_way(delivery);
    weir_queue_suspect_survived(delivery->worker, delivery);
    weir_queue_begin_suspect(delivery->worker);
    delivery->worker->room_changed(delivery->worker);
}

/* The part of a step's command that does not need the handler; true where that was all. */
static bool take_part(struct weir_delivery *delivery)
{
    struct weir_text room = {0};
    struct weir_step_ends ends = weir_step_ends_known(delivery, &room);
    struct weir_participant_decision decision =
        weir_participant_decide(&ends, delivery->compensating, delivery->number);
    switch (decision.verdict) {
    case WEIR_PARTICIPANT_REPEAT:
        commit(delivery, weir_ending_repeated(delivery, &decision.answer));
        break;
    case WEIR_PARTICIPANT_NULL:
        commit(delivery, weir_ending_null(delivery));
        break;
    case WEIR_PARTICIPANT_BARRED:
        commit(delivery, weir_ending_barred(delivery));
        break;
    case WEIR_PARTICIPANT_HANDLE:
        break;
    }
    weir_text_close(&room);
    return decision.verdict != WEIR_PARTICIPANT_HANDLE;
}

/* A newer worker of this service may know the command: it is offered again, until the limit of
 * deliveries buries it. A saga is not failed by the first old worker that its command meets. */
static void wait_for_handler(struct weir_delivery *delivery)
{
    weir_log_message(delivery->context.runtime->log, WEIR_LOG_ERROR, "handler.missing",
                     delivery->message, "deliveries=%u", delivery->message->deliveries);
    weir_reason(&delivery->context, "%s", weir_rare_error_text(&delivery->doom));
    commit(delivery, weir_ending_retried(delivery));
}

/* Says so for each route at most once in a while: many may come, and each comes again and again. */
static void warn_too_new(const struct weir_delivery *delivery)
{
    const weir_message *message = delivery->message;
    const struct weir_service *service = delivery->worker->service;
    int64_t *said_at = &delivery->worker->too_new_said_at[delivery->route - service->routes];
    int64_t now = weir_clock_monotonic_ms();
    if (*said_at != 0 && now - *said_at < TOO_NEW_SAID_EVERY_MS)
        return;
    *said_at = now;
    weir_log_message(delivery->context.runtime->log, WEIR_LOG_WARNING, "event.too_new", message,
                     "version=%lld understood=%lld", (long long)message->version,
                     (long long)weir_event_newest(service, delivery->route->source, message->type));
}

static void on_loaded(struct weir_delivery *delivery)
{
    if (delivery->out_of_memory)
        give_up(delivery, "no memory");
    else if (delivery->is_step && !delivery->step_unreadable && take_part(delivery))
        return; /* for that the handler's state is not needed */
    else if (delivery->seen && delivery->message->once) /* whatever is wrong with this copy */
        commit(delivery, weir_ending_discarded(delivery));
    else if (weir_rare_error_status(&delivery->load_error) != WEIR_OK)
        commit(delivery, weir_ending_buried(delivery, weir_rare_error_text(&delivery->load_error),
                                            delivery->step_unreadable));
    else if (delivery->handler_missing)
        wait_for_handler(delivery);
    else if (weir_rare_error_status(&delivery->doom) != WEIR_OK)
        commit(delivery, weir_ending_buried(delivery, weir_rare_error_text(&delivery->doom),
                                            delivery->doomed_unknown));
    else if (delivery->route == NULL ||
             delivery->seen) /* an event nobody asked for; a repetition */
        commit(delivery, weir_ending_discarded(delivery));
    else if (delivery->message->delay_ms > 0)
        commit(delivery, weir_ending_held(delivery));
    else if (delivery->too_new) {
        warn_too_new(delivery);
        commit(delivery, weir_ending_too_new(delivery));
    } else
        run_handler(delivery);
}

/* ---- After the commit -------------------------------------------------------------------- */

static void hasten_schedule(struct weir_delivery *delivery)
{
    if (delivery->ending == WEIR_ENDING_RETRIED || delivery->ending == WEIR_ENDING_HELD)
        delivery->context.runtime->hasten(delivery->worker, delivery->retry_delay_ms);
}

/* Whether the commit under way carries out the transition of the step's saga. */
static bool moves_saga(const struct weir_delivery *delivery)
{
    return delivery->is_step && delivery->step->end.moves_saga;
}

/* Something that was read has changed: once more on fresh state, but not for ever. Where that ends
 * in a burial, which another copy's end is in the way of, fresh state is looked at again. */
static void run_again(struct weir_delivery *delivery, const char *detail)
{
    delivery->worker->conflicts++;
    if (++delivery->runs % RUNS_MAX != 0) {
        weir_effects_clear(&delivery->effects);
        weir_delivery_load(delivery, on_loaded);
        return;
    }
    weir_context_begin(&delivery->context); /* what the handler said was for an outcome that fell */
    weir_reason(&delivery->context, "%s kept changing", detail);
    commit(delivery, weir_ending_retried(delivery));
}

/* What needed no handler then may need it now: an execution has come before its compensation. */
static void on_step_loaded(struct weir_delivery *delivery)
{
    if (weir_rare_error_status(&delivery->load_error) != WEIR_OK)
        commit(delivery,
               weir_ending_buried(delivery, weir_rare_error_text(&delivery->load_error), true));
    else if (take_part(delivery))
        return;
    else if (delivery->ending == WEIR_ENDING_NULL)
        run_again(delivery, "its step");
    else
        commit(delivery, weir_ending_again(delivery));
}

/* Another branch of the saga, or its timer, has moved it meanwhile. What the handler wants stands;
 * only what follows from it for the saga is decided anew. */
static bool outrun(struct weir_delivery *delivery, const char *detail)
{
    char key[WEIR_KEY_MAX];
    if (!moves_saga(delivery) ||
        strcmp(detail,
               weir_key_saga(key, delivery->context.runtime->prefix, delivery->message->saga)) != 0)
        return false;
    delivery->step->end.outrun++;
    weir_delivery_load_step(delivery, on_step_loaded);
    return true;
}

/* Not even what is done about a refused commit is taken. */
static bool stays_pending(const struct weir_delivery *delivery)
{
    return delivery->ending == WEIR_ENDING_BURIED ||
           (delivery->ending == WEIR_ENDING_RETRIED && weir_delivery_is_essential(delivery));
}

/* What was refused may be the saga's next command alone, for a service whose inbox takes none. */
static void refused(struct weir_delivery *delivery, const char *detail)
{
    if (moves_saga(delivery)) {
        weir_step_leave_saga(delivery);
        commit(delivery, weir_ending_again(delivery));
    } else if (stays_pending(delivery)) {
        give_up(delivery, detail);
    } else {
        commit(delivery, weir_ending_refused(delivery, detail));
    }
}

/* First a reply in place of the move; then one that does not name the saga, if that is to blame. */
static void denied(struct weir_delivery *delivery, const char *why)
{
    if (delivery->step->end.moves_saga) {
        weir_step_lose_right(delivery->worker, WEIR_SAGAS_EXPECT, why);
        commit(delivery, weir_ending_again(delivery));
        return;
    }
    delivery->step->end.was_denied = true;
    weir_delivery_load_step(delivery, on_step_loaded);
}

static void on_committed(void *user, enum weir_commit_outcome outcome, const char *detail)
{
    struct weir_delivery *delivery = user;
    struct weir_worker *worker = delivery->worker;
    WEIR_CRASH_POINT(COMMIT_ANSWERED);
    switch (outcome) {
    case WEIR_COMMIT_DONE:
        worker->runtime.committed(worker, worker->streams[delivery->stream],
                                  delivery->message->entry, delivery->message->saga);
        hasten_schedule(delivery);
        if (delivery->context.moved != NULL)
            weir_saga_log_moved(worker->runtime.log, delivery->context.moved);
        weir_ending_tell(delivery, false);
        weir_handling_release(delivery);
        break;
    case WEIR_COMMIT_FENCED:
        weir_ending_tell(delivery, true);
        weir_handling_release(delivery);
        break;
    case WEIR_COMMIT_CONFLICT:
    case WEIR_COMMIT_HELD: /* never said of messages */
        if (!outrun(delivery, detail))
            run_again(delivery, detail);
        break;
    case WEIR_COMMIT_REFUSED:
        weir_watching_hasten(&worker->watching);
        refused(delivery, detail);
        break;
    case WEIR_COMMIT_DENIED:
        denied(delivery, detail);
        break;
    }
}

/* ---- Begin and end ----------------------------------------------------------------------- */

void weir_handling_begin(struct weir_delivery *delivery)
{
    weir_delivery_load(delivery, on_loaded);
}

void weir_handling_give_up(struct weir_delivery *delivery, const char *reason)
{
    give_up(delivery, reason);
}

void weir_handling_release(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    struct weir_delivery *next = weir_queue_leave(delivery);
    weir_delivery_move(delivery, WEIR_DELIVERY_ENDED);
    weir_queue_suspect_survived(worker, delivery);
    weir_delivery_free(delivery);
    WEIR_CRASH_POINT(COMMIT_RELEASED);
    if (next != NULL)
        weir_handling_begin(next);
    weir_queue_begin_suspect(worker);
    worker->room_changed(worker);
}
