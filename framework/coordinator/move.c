/* What moves a saga that has begun: replies of its steps and its own timer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/json_memory.h"
#include "base/crash_point.h"
#include "coordinator/handlers.h"
#include "saga/record.h"
#include "service/measures.h"
#include "service/participant.h"

#define LET_PASS_MS 500
#define AWAIT_MS 300 /* for the start of a saga that an order speaks of */
#define AWAIT_DELIVERIES 4

/* ---- What a message is about ------------------------------------------------------------- */

/* A start without an id is known by the entry that it first was. */
const char *weir_saga_id(const weir_message *message)
{
    if (message->saga != NULL)
        return message->saga;
    return message->origin_entry != NULL ? message->origin_entry : message->entry;
}

int weir_saga_key(const weir_message *message, size_t index, char *rest, size_t room)
{
    return index > 0 ? 0 : snprintf(rest, room, "saga:%s", weir_saga_id(message));
}

/* ---- Applying an input ------------------------------------------------------------------- */

struct weir_saga_case weir_saga_case_of(weir_context *context, const char *id, char *key)
{
    const struct weir_runtime *runtime = context->runtime;
    return (struct weir_saga_case){
        .id = id,
        .key = weir_key_saga(key, runtime->prefix, id),
        .now = weir_context_now(context),
        .effects = context->effects,
        .prefix = runtime->prefix,
        .data_max = (size_t)runtime->settings->data_max,
        .command_life_ms = runtime->settings->seen_life_ms,
        .retention_ms = runtime->settings->retention_ms,
    };
}

static enum weir_outcome stale(weir_context *context, const struct weir_saga_case *one)
{
    struct weir_coordinator *coordinator = weir_user(context);
    coordinator->stale++;
    weir_log_message(context->runtime->log, WEIR_LOG_INFO, "saga.stale", context->message,
                     "state=%s", weir_saga_state_text(one->saga->state));
    return WEIR_DONE;
}

static enum weir_outcome fail(weir_context *context, const struct weir_saga_case *one, int verdict)
{
    weir_reason(context, "saga %s: %s", one->id, weir_status_text((enum weir_status) - verdict));
    return -verdict == WEIR_NO_MEMORY ? WEIR_RETRY : WEIR_REJECT;
}

static bool under_way(enum weir_saga_state state)
{
    return state == WEIR_SAGA_RUNNING || state == WEIR_SAGA_COMPENSATING;
}

/* An estimate between two counts of the server's: a conflict counts twice, for a second. */
static void count_in_flight(struct weir_coordinator *coordinator, enum weir_saga_state before,
                            enum weir_saga_state after)
{
    coordinator->in_flight += under_way(after) - under_way(before);
}

/* The timer has been set: this process may have to look at the schedule earlier than it meant to.
 */
static void hasten(weir_context *context, const struct weir_saga_case *one, int64_t wake_at)
{
    const struct weir_runtime *runtime = context->runtime;
    if (runtime->hasten != NULL && wake_at != 0)
        runtime->hasten(runtime->worker, wake_at - one->now);
}

static enum weir_outcome moved(weir_context *context, const struct weir_saga_case *one,
                               enum weir_saga_state before, struct weir_saga_effects *effects)
{
    struct weir_coordinator *coordinator = weir_user(context);
    struct weir_saga_commands commands = {0};
    int verdict = weir_saga_commands_compose(&commands, one, effects, &coordinator->random);
    if (verdict < 0)
        return fail(context, one, verdict);
    count_in_flight(coordinator, before, one->saga->state);
    weir_saga_carry_out(one, before, effects, &commands);
    if (weir_saga_timer_changes(one, effects))
        hasten(context, one, effects->wake_at);
    WEIR_CRASH_POINT(SAGA_CARRIED_OUT);
    weir_saga_commands_close(&commands);
    weir_context_will_move(context, weir_saga_moved(one, before));
    weir_measure_saga(context->delivery, one, before);
    return WEIR_DONE;
}

static enum weir_outcome woken_early(weir_context *context, const struct weir_saga_case *one,
                                     int64_t wake_at)
{
    weir_saga_expect_revision(one);
    weir_saga_set_timer(one, wake_at);
    hasten(context, one, wake_at);
    weir_log_message(context->runtime->log, WEIR_LOG_DEBUG, "saga.woken_early", context->message,
                     NULL);
    return WEIR_DONE;
}

enum weir_outcome weir_saga_apply(weir_context *context, struct weir_saga_case *one,
                                  const struct weir_saga_input *input)
{
    struct weir_coordinator *coordinator = weir_user(context);
    struct weir_saga_effects effects;
    enum weir_saga_state before = one->saga->state;
    int verdict = weir_saga_advance(one->definition, one->saga, input, one->now,
                                    &coordinator->random, &effects);
    one->timer_consumed = input->kind == WEIR_SAGA_WAKE;
    if (verdict < 0)
        return fail(context, one, verdict);
    WEIR_CRASH_POINT(SAGA_DECIDED);
    if (verdict == WEIR_SAGA_MOVED)
        return moved(context, one, before, &effects);
    if (input->unconfirmed != NULL)
        return WEIR_DONE; /* that is known already */
    if (verdict == WEIR_SAGA_REFUSED) {
        weir_reason(context, "%s", effects.refusal);
        return WEIR_REJECT;
    }
    if (input->kind == WEIR_SAGA_WAKE && effects.wake_at != 0)
        return woken_early(context, one, effects.wake_at);
    return stale(context, one);
}

/* ---- Replies and timers ------------------------------------------------------------------ */

static unsigned answered_number(const weir_message *message)
{
    return message->id != NULL ? weir_command_number(message->id) : 0;
}

/* The stronger of what the step asks and what its service does. A need that cannot be read is of a
 * newer version, and is not to be taken for none. */
static bool need_of(weir_context *context, const struct weir_saga_case *one, size_t step,
                    struct weir_durability *need)
{
    const struct weir_field *field = weir_message_field(context->message, WEIR_FIELD_DURABILITY);
    struct weir_durability asked = {0};
    if (field != NULL && !weir_durability_read(field->value, &asked)) {
        weir_reason(context, "durability: must be replicas:N, disk or replicas:N,disk");
        return false;
    }
    *need = weir_durability_stronger(one->definition->steps[step].durability, asked);
    return true;
}

/* A success that the saga waits for counts only once it is durable. Until then the saga says so,
 * and the reply comes again. */
static enum weir_outcome apply_success(weir_context *context, struct weir_saga_case *one,
                                       struct weir_saga_input *input)
{
    struct weir_durability need;
    char words[WEIR_DURABILITY_TEXT_MAX];
    if (!need_of(context, one, input->step, &need))
        return WEIR_REJECT;
    if (!weir_durability_wanted(need) || context->confirmation == WEIR_CONFIRMED ||
        !weir_saga_awaits(one->saga, input))
        return weir_saga_apply(context, one, input);
    if (context->confirmation == WEIR_CONFIRMATION_UNASKED) {
        if (weir_context_is_deferred(context)) /* by what it had to fetch first */
            return WEIR_AGAIN;
        if (weir_saga_confirm(context, need))
            return WEIR_DEFERRED;
    }
    input->unconfirmed = weir_durability_describe(need, words);
    weir_saga_hear_again(context);
    return weir_saga_apply(context, one, input);
}

static enum weir_outcome apply_reply(weir_context *context, struct weir_saga_case *one)
{
    const weir_message *message = context->message;
    struct weir_saga_input input = {.kind = WEIR_SAGA_REPLY, .number = answered_number(message)};
    int step = weir_saga_definition_step(one->definition, message->step, strlen(message->step));
    char *result = NULL;
    enum weir_outcome outcome = WEIR_RETRY;
    if (step < 0 ||
        !weir_command_id_fits(message->id, message->saga, message->step, message->action) ||
        !weir_step_action_parse(message->action, strlen(message->action), &input.action))
        return stale(context, one);
    input.step = (size_t)step;
    input.succeeded = strcmp(message->type, "StepSucceeded") == 0;
    if (input.succeeded) {
        result = weir_json_text(weir_message_data(message));
        input.result = result;
    } else {
        input.reason = json_string_value(json_object_get(weir_message_data(message), "reason"));
        input.unknown = json_is_true(json_object_get(weir_message_data(message), "unknown"));
    }
    if (input.succeeded && result != NULL)
        outcome = apply_success(context, one, &input);
    else if (!input.succeeded)
        outcome = weir_saga_apply(context, one, &input);
    free(result);
    return outcome;
}

static enum weir_outcome apply_message(weir_context *context, struct weir_saga_case *one)
{
    const weir_message *message = context->message;
    struct weir_saga_input wake = {.kind = WEIR_SAGA_WAKE};
    if (strcmp(message->type, "SagaWake") == 0)
        return weir_saga_apply(context, one, &wake);
    if (strncmp(message->type, "Step", 4) == 0)
        return apply_reply(context, one);
    return weir_saga_apply_order(context, one);
}

/* With the definition at hand: read the saga from its hash and apply the message. */
static enum weir_outcome go_on(weir_context *context, const weir_message *message,
                               const struct weir_saga_definition *definition)
{
    char key[WEIR_KEY_MAX];
    struct weir_saga saga = {0};
    struct weir_error error = {0};
    enum weir_outcome outcome = WEIR_RETRY;
    struct weir_saga_case one = weir_saga_case_of(context, message->saga, key);
    one.definition = definition;
    one.saga = &saga;
    weir_saga_case_take(&one, weir_context_loaded(context, NULL));
    if (weir_saga_init(&saga, definition) != WEIR_OK)
        return WEIR_RETRY;
    if (one.data == NULL || one.data[0] != '{')
        weir_error_set(&error, WEIR_INVALID, "field data: is not a JSON object");
    if (error.status == WEIR_OK)
        (void)!weir_saga_record_read(definition, one.stored, &saga, &error);
    if (error.status == WEIR_OK)
        outcome = apply_message(context, &one);
    else if (error.status != WEIR_NO_MEMORY) {
        weir_reason(context, "%s: %s", key, error.text);
        outcome = WEIR_REJECT;
    }
    weir_saga_close(&saga);
    return outcome;
}

/* ---- Handlers ---------------------------------------------------------------------------- */

static bool complete_reply(weir_context *context, const weir_message *message)
{
    const char *missing = message->saga == NULL     ? "saga"
                          : message->step == NULL   ? "step"
                          : message->action == NULL ? "action"
                                                    : NULL;
    if (missing != NULL)
        weir_reason(context, "%s: is missing", missing);
    return missing == NULL;
}

/* An order may have overtaken the start of its saga: in another coordinator's hands, or held back.
 * It is put off a few times; while starts are held back, for as long as that, and so while what was
 * sent before it is in the hands of a coordinator that has died: until --claim-idle is over. */
static enum weir_outcome await_saga(weir_context *context, const weir_message *message)
{
    bool may_come = !weir_saga_may_begin(weir_user(context)) || weir_context_stranded(context);
    weir_reason(context, "saga: there is no saga %s", message->saga);
    if (!may_come && (message->deliveries >= AWAIT_DELIVERIES ||
                      message->deliveries >= context->runtime->settings->max_deliveries))
        return WEIR_REJECT;
    context->uncounted = may_come;
    weir_retry_after(context, AWAIT_MS);
    return WEIR_RETRY;
}

/* What nobody asked for is only counted; an order is answered. */
static enum weir_outcome unknown_saga(weir_context *context, const weir_message *message)
{
    struct weir_coordinator *coordinator = weir_user(context);
    if (weir_saga_is_order(message))
        return await_saga(context, message);
    coordinator->stale++;
    weir_log_message(context->runtime->log, WEIR_LOG_WARNING, "saga.unknown", message, NULL);
    return WEIR_DONE;
}

static enum weir_outcome on_move(weir_context *context, const weir_message *message)
{
    struct weir_coordinator *coordinator = weir_user(context);
    const struct weir_loaded *hash = weir_context_loaded(context, NULL);
    const struct weir_saga_definition *definition;
    const char *name, *version_text, *checksum_text;
    int64_t version = 0, checksum = 0;

    if (hash == NULL || hash->field_count == 0)
        return unknown_saga(context, message);
    name = weir_loaded_value(hash, "definition");
    version_text = weir_loaded_value(hash, "version");
    checksum_text = weir_loaded_value(hash, "checksum");
    if (name == NULL || !weir_name_valid(name, strlen(name)) || version_text == NULL ||
        !weir_parse_integer(version_text, strlen(version_text), &version)) {
        weir_reason(context, "{sagas}:saga:%s: has no definition and version", message->saga);
        return WEIR_REJECT;
    }
    if (checksum_text != NULL)
        (void)!weir_parse_integer(checksum_text, strlen(checksum_text), &checksum);
    definition =
        weir_definition_cache_find(&coordinator->definitions, name, version, (uint32_t)checksum);
    return definition != NULL ? go_on(context, message, definition)
                              : weir_saga_fetch(context, name, version, (uint32_t)checksum, go_on);
}

enum weir_outcome weir_saga_on_reply(weir_context *context, const weir_message *message)
{
    return complete_reply(context, message) ? on_move(context, message) : WEIR_REJECT;
}

enum weir_outcome weir_saga_on_order(weir_context *context, const weir_message *message)
{
    return weir_saga_order_complete(context, message) ? on_move(context, message) : WEIR_REJECT;
}

/* Answers that have come are to be heard before the deadlines of their steps. Replies are read
 * first; but some may be in the hands of a coordinator that has died with them. A timer lets those
 * pass: until another has taken them over, which --claim-idle bounds. */
static bool lets_replies_pass(weir_context *context)
{
    if (!weir_context_stranded(context))
        return false;
    weir_reason(context, "replies are waiting for their take-over");
    weir_retry_after(context, LET_PASS_MS);
    context->uncounted = true;
    return true;
}

enum weir_outcome weir_saga_on_wake(weir_context *context, const weir_message *message)
{
    if (message->saga == NULL) {
        weir_reason(context, "saga: is missing");
        return WEIR_REJECT;
    }
    WEIR_CRASH_POINT(SAGA_WOKEN);
    return lets_replies_pass(context) ? WEIR_RETRY : on_move(context, message);
}
