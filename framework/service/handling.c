/* A running service: the handler's turn, and what becomes of its commit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/worker.h"

#define RUNS_MAX 20 /* of one handler over state that keeps changing, before it is put off */

struct weir_deferral {
    struct weir_delivery *delivery; /* NULL: the message is no longer this handler's to finish */
};

/* ---- States ------------------------------------------------------------------------------ */

#define TO(state) (1u << WEIR_DELIVERY_##state)
static const unsigned moves[WEIR_DELIVERY_STATES] = {
    [WEIR_DELIVERY_ARRIVED] = TO(QUEUED) | TO(LOADING) | TO(ENDED),
    [WEIR_DELIVERY_QUEUED] = TO(LOADING) | TO(ENDED),
    [WEIR_DELIVERY_LOADING] = TO(LOADING) | TO(HANDLING) | TO(COMMITTING) | TO(ENDED),
    [WEIR_DELIVERY_HANDLING] = TO(DEFERRED) | TO(COMMITTING) | TO(ENDED),
    [WEIR_DELIVERY_DEFERRED] = TO(COMMITTING) | TO(ENDED),
    [WEIR_DELIVERY_COMMITTING] = TO(LOADING) | TO(COMMITTING) | TO(ENDED),
    [WEIR_DELIVERY_ENDED] = 0,
};

void weir_delivery_move(struct weir_delivery *delivery, enum weir_delivery_state next)
{
    if (!(moves[delivery->state] & 1u << next))
        weir_log_error(delivery->context.runtime->log, "delivery.unlisted_move",
                       "from=%d to=%d entry=%s", (int)delivery->state, (int)next,
                       delivery->message->entry);
    delivery->worker->deferred += next == WEIR_DELIVERY_DEFERRED;
    delivery->worker->deferred -= delivery->state == WEIR_DELIVERY_DEFERRED;
    delivery->state = next;
}

/* ---- Outcomes ---------------------------------------------------------------------------- */

static void finish(struct weir_delivery *delivery, enum weir_outcome outcome)
{
    struct weir_error mistake = delivery->effects.error;
    if (outcome == WEIR_DONE && mistake.status == WEIR_NO_MEMORY)
        outcome = WEIR_RETRY;
    else if (outcome == WEIR_DONE && mistake.status != WEIR_OK) {
        weir_delivery_bury(delivery, mistake.text, true);
        return;
    }
    switch (outcome) {
    case WEIR_DONE:
        weir_delivery_done(delivery);
        break;
    case WEIR_REJECT:
        weir_delivery_reject(delivery);
        break;
    case WEIR_DISCARD:
        weir_delivery_discard(delivery);
        break;
    case WEIR_DEFERRED: /* without weir_defer, or as the outcome of weir_finish */
        weir_reason(&delivery->context, "the handler deferred without weir_defer");
        weir_delivery_retry(delivery);
        break;
    case WEIR_RETRY:
    default:
        weir_delivery_retry(delivery);
        break;
    }
}

static void run_handler(struct weir_delivery *delivery)
{
    enum weir_outcome outcome;
    weir_delivery_move(delivery, WEIR_DELIVERY_HANDLING);
    delivery->begun_at = weir_clock_monotonic_ms();
    weir_context_begin(&delivery->context);
    delivery->context.unchecked = delivery->route->unchecked;
    outcome = delivery->route->handler(&delivery->context, delivery->message);
    if (outcome != WEIR_DEFERRED || delivery->deferral == NULL) {
        finish(delivery, outcome);
        return;
    }
    weir_delivery_move(delivery, WEIR_DELIVERY_DEFERRED);
    weir_worker_suspect_survived(delivery->worker, delivery);
    weir_worker_begin_suspect(delivery->worker);
}

/* The part of a step's command that does not need the handler; true where that was all. */
static bool take_part(struct weir_delivery *delivery)
{
    struct weir_participant_decision decision = weir_participant_decide(
        delivery->execute, delivery->compensate, delivery->compensating, delivery->number);
    switch (decision.verdict) {
    case WEIR_PARTICIPANT_REPEAT:
        weir_delivery_repeat(delivery, &decision.answer);
        return true;
    case WEIR_PARTICIPANT_NULL:
        weir_delivery_null(delivery);
        return true;
    case WEIR_PARTICIPANT_BARRED:
        weir_delivery_barred(delivery);
        return true;
    case WEIR_PARTICIPANT_HANDLE:
        break;
    }
    return false;
}

void weir_delivery_loaded(struct weir_delivery *delivery)
{
    if (delivery->load_error.status == WEIR_NO_MEMORY)
        weir_delivery_give_up(delivery, "no memory");
    else if (delivery->load_error.status != WEIR_OK)
        weir_delivery_bury(delivery, delivery->load_error.text, false);
    else if (delivery->is_step && take_part(delivery))
        return;
    else if (delivery->doom.status != WEIR_OK)
        weir_delivery_bury(delivery, delivery->doom.text, delivery->doomed_unknown);
    else if (delivery->route == NULL ||
             delivery->seen) /* an event nobody asked for; a repetition */
        weir_delivery_discard(delivery);
    else if (delivery->message->delay_ms > 0)
        weir_delivery_hold(delivery);
    else
        run_handler(delivery);
}

/* ---- After the commit -------------------------------------------------------------------- */

static void hasten_schedule(struct weir_delivery *delivery)
{
    int64_t delay_ms;
    if ((delivery->ending == WEIR_ENDING_RETRIED || delivery->ending == WEIR_ENDING_HELD) &&
        weir_parse_integer(delivery->retry_delay, strlen(delivery->retry_delay), &delay_ms))
        delivery->context.runtime->hasten(delivery->worker, delay_ms);
}

static void log_end(struct weir_delivery *delivery, bool fenced)
{
    const weir_message *message = delivery->message;
    weir_log_debug(delivery->context.runtime->log, fenced ? "message.fenced" : "message.handled",
                   "outcome=%s type=%s stream=%s entry=%s saga=%s step=%s deliveries=%u reason=%s",
                   weir_ending_text(delivery->ending), message->type, message->stream,
                   message->entry, message->saga, message->step, message->deliveries,
                   delivery->context.reason.status != WEIR_OK ? delivery->context.reason.text
                                                              : NULL);
}

/* Something that was read has changed: once more on fresh state, but not for ever. */
static void run_again(struct weir_delivery *delivery, const char *detail)
{
    delivery->worker->conflicts++;
    if (++delivery->runs < RUNS_MAX) {
        weir_effects_clear(&delivery->effects);
        weir_delivery_load(delivery);
        return;
    }
    weir_reason(&delivery->context, "%s kept changing", detail);
    weir_delivery_retry(delivery);
}

void weir_delivery_committed(void *user, enum weir_commit_outcome outcome, const char *detail)
{
    struct weir_delivery *delivery = user;
    struct weir_worker *worker = delivery->worker;
    switch (outcome) {
    case WEIR_COMMIT_DONE:
        worker->endings[delivery->ending]++;
        hasten_schedule(delivery);
        log_end(delivery, false);
        weir_delivery_release(delivery);
        break;
    case WEIR_COMMIT_FENCED:
        worker->fenced++;
        log_end(delivery, true);
        weir_delivery_release(delivery);
        break;
    case WEIR_COMMIT_CONFLICT:
        run_again(delivery, detail);
        break;
    case WEIR_COMMIT_REFUSED:
        if (delivery->ending == WEIR_ENDING_BURIED)
            weir_delivery_give_up(delivery, detail);
        else
            weir_delivery_bury(delivery, detail, true);
        break;
    }
}

void weir_delivery_give_up(struct weir_delivery *delivery, const char *reason)
{
    weir_log_error(delivery->context.runtime->log, "message.left_pending",
                   "type=%s stream=%s entry=%s reason=%s", delivery->message->type,
                   delivery->message->stream, delivery->message->entry, reason);
    delivery->spare_next = delivery->worker->given_up;
    delivery->worker->given_up = delivery;
    ev_timer_start(delivery->context.runtime->loop, &delivery->worker->releasing);
}

/* ---- Deferral ---------------------------------------------------------------------------- */

weir_deferral *weir_defer(weir_context *context)
{
    struct weir_delivery *delivery = context->delivery;
    if (delivery == NULL || delivery->deferral != NULL)
        return NULL;
    delivery->deferral = calloc(1, sizeof *delivery->deferral);
    if (delivery->deferral != NULL)
        delivery->deferral->delivery = delivery;
    return delivery->deferral;
}

void weir_deferral_cancel(weir_deferral *deferral)
{
    if (deferral->delivery != NULL)
        deferral->delivery->deferral = NULL;
    free(deferral);
}

weir_context *weir_deferral_context(weir_deferral *deferral)
{
    return deferral->delivery != NULL ? &deferral->delivery->context : NULL;
}

void weir_finish(weir_deferral *deferral, enum weir_outcome outcome)
{
    struct weir_delivery *delivery = deferral->delivery;
    free(deferral);
    if (delivery == NULL)
        return;
    delivery->deferral = NULL;
    finish(delivery, outcome);
}

void weir_delivery_time_out(struct weir_delivery *delivery)
{
    if (delivery->deferral != NULL)
        delivery->deferral->delivery = NULL; /* weir_finish comes too late */
    delivery->deferral = NULL;
    weir_reason(&delivery->context, "the handler gave no outcome within %lld ms",
                (long long)delivery->context.runtime->settings->handler_timeout_ms);
    weir_delivery_retry(delivery);
}
