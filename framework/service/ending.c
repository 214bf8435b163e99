/* What is committed for each way that the handling of a message can end. */
#include "service/ending.h"

#include <stdio.h>
#include <string.h>

#include "message/mark.h"
#include "redis/key_names.h"
#include "service/measures.h"
#include "service/put_away.h"
#include "service/step_answer.h"
#include "service/worker_state.h"

#define COMMIT WEIR_COMMIT_PLAN
#define SETTLE "weir_settle" /* writes nothing else: carried out without memory, too */
#define UNCOUNTED_RETRY_MS 200
#define ESSENTIAL_RETRY_MS 5000 /* of what would be buried, but must not be */

static const char *const ending_texts[] = {
    [WEIR_ENDING_DONE] = "done",           [WEIR_ENDING_REJECTED] = "rejected",
    [WEIR_ENDING_RETRIED] = "retried",     [WEIR_ENDING_BURIED] = "dead",
    [WEIR_ENDING_DISCARDED] = "discarded", [WEIR_ENDING_REPEATED] = "repeated",
    [WEIR_ENDING_NULL] = "null",           [WEIR_ENDING_BARRED] = "barred",
    [WEIR_ENDING_HELD] = "held",           [WEIR_ENDING_UNKNOWN] = "unknown",
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
    weir_context_will_move(&delivery->context, NULL);
    weir_rare_error_clear(&delivery->buried_for);
    if (delivery->is_step)
        delivery->step->end.moves_saga = delivery->step->end.expects_saga = false;
    delivery->saga_ended = NULL;
    delivery->ending = ending;
}

/* Whether an id of its own says to the sender what became of it. */
static bool leaves_mark(const struct weir_delivery *delivery)
{
    return delivery->message->id != NULL && delivery->own_stream && !delivery->is_step &&
           !(delivery->route != NULL && delivery->route->plain);
}

static void mark_as(struct weir_delivery *delivery, const char *verb, struct weir_slice text,
                    struct weir_slice more)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX], life[WEIR_DIGITS_MAX];
    struct weir_slice mark[] = {{life, 0}, text, more};
    mark[0].length = weir_digits(runtime->settings->seen_life_ms, life);
    weir_key_seen(key, runtime->prefix, runtime->service, delivery->message->id);
    weir_effects_plain(&delivery->effects, verb, key, mark, more.length > 0 ? 3 : 2);
}

/* That no other copy has left one since the mark was looked for: then this one has had its outcome.
 * A mark that could not be looked at is not expected to be absent: that would never hold. */
static void expect_no_mark(struct weir_delivery *delivery)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    const struct weir_slice absent = weir_slice_of("0");
    char key[WEIR_KEY_MAX];
    if (!delivery->expects_no_mark)
        return;
    weir_key_seen(key, runtime->prefix, runtime->service, delivery->message->id);
    weir_effects_plain(&delivery->effects, "EXISTS", key, &absent, 1);
}

static void mark_done(struct weir_delivery *delivery)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    char events[WEIR_KEY_MAX], need[WEIR_DURABILITY_TEXT_MAX];
    expect_no_mark(delivery);
    if (leaves_mark(delivery))
        mark_as(delivery, "DONE",
                weir_slice_of(weir_key_events(events, runtime->prefix, runtime->service)),
                weir_slice_of(weir_durability_write(runtime->need, need)));
}

static void mark_failed(struct weir_delivery *delivery, const char *reason, bool unknown)
{
    const weir_message *message = delivery->message;
    char text[WEIR_MARK_MAX];
    struct weir_mark mark = {.kind = unknown ? WEIR_MARK_UNKNOWN : WEIR_MARK_REFUSED};
    expect_no_mark(delivery);
    if (!leaves_mark(delivery))
        return;
    mark.entry = weir_slice_of(message->origin_entry ? message->origin_entry : message->entry);
    mark.reason = weir_slice_of(reason);
    mark_as(delivery, "FAILED", weir_mark_write(&mark, text), (struct weir_slice){"", 0});
}

const char *weir_ending_done(struct weir_delivery *delivery)
{
    delivery->ending = WEIR_ENDING_DONE;
    if (delivery->is_step)
        weir_step_end_succeeded(delivery);
    else
        mark_done(delivery);
    return delivery->effects.effect_count == 0 && !delivery->is_step ? SETTLE : COMMIT;
}

static const char *reason_or(const struct weir_delivery *delivery, const char *otherwise)
{
    const struct weir_rare_error *reason = &delivery->context.reason;
    return weir_rare_error_status(reason) != WEIR_OK ? weir_rare_error_text(reason) : otherwise;
}

const char *weir_ending_rejected(struct weir_delivery *delivery)
{
    const char *reason = reason_or(delivery, "rejected without a reason");
    if (!delivery->is_step)
        return weir_ending_buried(delivery, reason, false);
    begin(delivery, WEIR_ENDING_REJECTED);
    weir_step_end_failed(delivery, reason, false);
    return COMMIT;
}

static const char *put_off(struct weir_delivery *delivery, enum weir_ending ending,
                           int64_t delay_ms, unsigned deliveries)
{
    begin(delivery, ending);
    weir_put_off(delivery, delay_ms, deliveries);
    return COMMIT;
}

const char *weir_ending_retried(struct weir_delivery *delivery)
{
    const struct weir_context *context = &delivery->context;
    unsigned deliveries = delivery->message->deliveries;
    struct weir_retry_verdict verdict =
        weir_retry_verdict(&delivery->worker->retry_policy, deliveries, context->retry_after_ms,
                           &delivery->worker->random);
    char reason[WEIR_REASON_MAX];
    if (context->uncounted)
        return put_off(delivery, WEIR_ENDING_RETRIED,
                       context->retry_after_ms < 0 ? UNCOUNTED_RETRY_MS : context->retry_after_ms,
                       deliveries - 1);
    if (verdict.bury && weir_delivery_is_essential(delivery))
        return put_off(delivery, WEIR_ENDING_RETRIED, ESSENTIAL_RETRY_MS, deliveries - 1);
    if (!verdict.bury)
        return put_off(delivery, WEIR_ENDING_RETRIED, verdict.delay_ms, deliveries);
    if (delivery->handler_missing)
        return weir_ending_buried(delivery, weir_rare_error_text(&delivery->doom), false);
    snprintf(reason, sizeof reason, "gave up after %u deliveries: %s", deliveries,
             reason_or(delivery, "asked for a retry"));
    return weir_ending_buried(delivery, reason, true);
}

const char *weir_ending_held(struct weir_delivery *delivery)
{
    return put_off(delivery, WEIR_ENDING_HELD, delivery->message->delay_ms,
                   delivery->message->deliveries - 1);
}

/* A suspect was not counted before it began, so there is nothing to take back: the worker that died
 * with it may have been a newer one, and the death its fault. */
const char *weir_ending_too_new(struct weir_delivery *delivery)
{
    unsigned deliveries = delivery->message->deliveries;
    return put_off(delivery, WEIR_ENDING_HELD, weir_event_pause_ms(delivery->message),
                   delivery->suspect ? deliveries : deliveries - 1);
}

const char *weir_ending_buried(struct weir_delivery *delivery, const char *reason, bool unknown)
{
    char kept[WEIR_REASON_MAX]; /* the reason may live in what is cleared */
    snprintf(kept, sizeof kept, "%s", reason);
    begin(delivery, WEIR_ENDING_BURIED);
    weir_rare_error_set(&delivery->buried_for, WEIR_REFUSED, "%s", kept);
    weir_put_to_dead_letters(delivery, kept);
    if (delivery->is_step)
        weir_step_end_failed(delivery, kept, unknown);
    else
        mark_failed(delivery, kept, unknown);
    return COMMIT;
}

const char *weir_ending_refused(struct weir_delivery *delivery, const char *why)
{
    const weir_message *message = delivery->message;
    if (!weir_delivery_is_essential(delivery))
        return weir_ending_buried(delivery, why, true);
    weir_log_message(delivery->context.runtime->log, WEIR_LOG_ERROR, "message.refused", message,
                     "reason=%s", why);
    return put_off(delivery, WEIR_ENDING_RETRIED, ESSENTIAL_RETRY_MS, message->deliveries - 1);
}

const char *weir_ending_discarded(struct weir_delivery *delivery)
{
    begin(delivery, WEIR_ENDING_DISCARDED);
    return SETTLE;
}

const char *weir_ending_repeated(struct weir_delivery *delivery, const struct weir_step_end *first)
{
    begin(delivery, WEIR_ENDING_REPEATED);
    weir_step_repeat(delivery, first);
    return COMMIT;
}

const char *weir_ending_null(struct weir_delivery *delivery)
{
    begin(delivery, WEIR_ENDING_NULL);
    weir_step_end_with(delivery, WEIR_OUTCOME_SUCCEEDED, weir_slice_of("{}"));
    return COMMIT;
}

const char *weir_ending_barred(struct weir_delivery *delivery)
{
    begin(delivery, WEIR_ENDING_BARRED);
    weir_step_bar(delivery);
    return COMMIT;
}

const char *weir_ending_again(struct weir_delivery *delivery)
{
    weir_step_end_again(delivery);
    return COMMIT;
}

/* ---- Once it is committed ---------------------------------------------------------------- */

/* Who has finished the message before is another worker only where no answer of ours was lost. */
static void count(struct weir_delivery *delivery, bool fenced)
{
    struct weir_worker *worker = delivery->worker;
    if (fenced && !delivery->commit.doubtful) {
        worker->fenced++;
        return;
    }
    if (fenced) {
        delivery->ending = WEIR_ENDING_UNKNOWN;
        delivery->saga_ended = NULL;
    }
    worker->endings[delivery->ending]++;
    weir_measure_ended(delivery);
}

/* A client that repeats itself must not fill the log: how often each happens, its worker's sign of
 * life tells. */
static void log_end(const struct weir_delivery *delivery, bool fenced)
{
    const weir_message *message = delivery->message;
    struct weir_log *log = delivery->context.runtime->log;
    if (!fenced && delivery->ending == WEIR_ENDING_BURIED)
        weir_log_message(log, WEIR_LOG_WARNING, "message.dead", message, "deliveries=%u reason=%s",
                         message->deliveries, weir_rare_error_text(&delivery->buried_for));
    weir_log_message(log, WEIR_LOG_DEBUG, fenced ? "message.fenced" : "message.handled", message,
                     "outcome=%s deliveries=%u reason=%s", weir_ending_text(delivery->ending),
                     message->deliveries, reason_or(delivery, NULL));
}

void weir_ending_tell(struct weir_delivery *delivery, bool fenced)
{
    count(delivery, fenced);
    log_end(delivery, fenced);
}
