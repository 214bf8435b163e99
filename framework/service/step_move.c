/* A worker moves the saga of the step that it has ended. */
#include "service/step_move.h"

#include <stdio.h>
#include <string.h>

#include "message/json_memory.h"
#include "redis/key_names.h"
#include "saga/carry_out.h"
#include "saga/record.h"
#include "service/measures.h"
#include "service/step_answer.h"
#include "service/worker_state.h"

#define OUTRUN_MAX 5

/* ---- What is at hand ----------------------------------------------------------------------- */

static bool number_field(const struct weir_delivery *delivery, const char *field, int64_t *number)
{
    const char *text = weir_loaded_value(&delivery->step->saga, field);
    return text != NULL && weir_parse_integer(text, strlen(text), number);
}

static const struct weir_saga_definition *definition_of(struct weir_delivery *delivery)
{
    const char *name = weir_loaded_value(&delivery->step->saga, "definition");
    int64_t version, checksum;
    if (name == NULL || !weir_name_valid(name, strlen(name)) ||
        !number_field(delivery, "version", &version) ||
        !number_field(delivery, "checksum", &checksum))
        return NULL;
    return weir_definitions_find(&delivery->worker->definitions, name, version, (uint32_t)checksum);
}

static struct weir_saga_case case_of(struct weir_delivery *delivery, char *key)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    struct weir_saga_case one = {
        .id = delivery->message->saga,
        .key = weir_key_saga(key, runtime->prefix, delivery->message->saga),
        .now = weir_step_server_ms(delivery),
        .effects = &delivery->step->answer,
        .prefix = runtime->prefix,
        .data_max = (size_t)runtime->settings->data_max,
        .command_life_ms = weir_step_command_life_ms(delivery),
    };
    weir_saga_case_take(&one, &delivery->step->saga);
    return one;
}

/* That one has no effect any more is the reply's commit to find. */
static bool has_expired(const struct weir_delivery *delivery)
{
    int64_t expires = delivery->message->expires_at;
    return expires != 0 && expires <= weir_step_server_ms(delivery);
}

/* A reply's data has the limit of any message. */
static bool may_move(const struct weir_delivery *delivery)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    const char *data = weir_loaded_value(&delivery->step->saga, "data");
    return delivery->worker->saga_right == WEIR_SAGAS_MOVE &&
           delivery->step->end.outrun < OUTRUN_MAX && !weir_durability_wanted(runtime->need) &&
           data != NULL && data[0] == '{' && delivery->message->id != NULL &&
           !has_expired(delivery) &&
           strlen(delivery->step->end.data) <= (size_t)runtime->settings->data_max;
}

/* ---- The transition ------------------------------------------------------------------------ */

/* The answer as the coordinator would hear it. `failure` is what the texts of a refusal live in. */
static bool as_input(const struct weir_delivery *delivery,
                     const struct weir_saga_definition *definition, json_t **failure,
                     struct weir_saga_input *input)
{
    const weir_message *message = delivery->message;
    const char *data = delivery->step->end.data;
    json_error_t problem;
    int step = weir_saga_definition_step(definition, message->step, strlen(message->step));
    *input = (struct weir_saga_input){.kind = WEIR_SAGA_REPLY,
                                      .number = delivery->number,
                                      .succeeded =
                                          delivery->step->end.outcome == WEIR_OUTCOME_SUCCEEDED};
    if (step < 0 || weir_durability_wanted(definition->steps[step].durability) ||
        !weir_step_action_parse(message->action, strlen(message->action), &input->action) ||
        !weir_command_id_fits(message->id, message->saga, message->step, message->action))
        return false;
    input->step = (size_t)step;
    if (input->succeeded) {
        input->result = data;
        return true;
    }
    *failure = weir_json_load(data, strlen(data), 0, &problem);
    input->reason = json_string_value(json_object_get(*failure, "reason"));
    input->unknown = delivery->step->end.outcome == WEIR_OUTCOME_UNKNOWN;
    return *failure != NULL;
}

/* Once the saga's hash is gone, nothing but a record would keep a late copy of the command from
 * being executed again, or one that its compensation has barred from being executed at all. */
static void record_if_it_outlives(struct weir_delivery *delivery, const struct weir_saga_case *one)
{
    int64_t until = weir_step_matters_until(delivery, one->now);
    weir_step_expect_record(delivery);
    if (until == 0 || (one->retention_ms > 0 && one->retention_ms < until - one->now))
        weir_step_record_end(delivery);
}

static bool carry_out(struct weir_delivery *delivery, struct weir_saga_case *one,
                      const struct weir_saga_input *input)
{
    struct weir_worker *worker = delivery->worker;
    enum weir_saga_state before = one->saga->state;
    struct weir_saga_effects effects;
    struct weir_saga_commands commands = {0};
    if (!weir_saga_awaits(one->saga, input) ||
        weir_saga_advance(one->definition, one->saga, input, one->now, &worker->random, &effects) !=
            WEIR_SAGA_MOVED ||
        (effects.wake_at != 0 && weir_saga_timer_changes(one, &effects)))
        return false;
    if (weir_saga_commands_compose(&commands, one, &effects, &worker->random) != WEIR_SAGA_MOVED ||
        commands.given_back) {
        weir_saga_commands_close(&commands);
        return false;
    }
    record_if_it_outlives(delivery, one);
    weir_saga_carry_out(one, before, &effects, &commands);
    weir_saga_commands_close(&commands);
    weir_context_will_move(&delivery->context, weir_saga_moved(one, before));
    weir_measure_saga(delivery, one, before);
    return true;
}

static bool move(struct weir_delivery *delivery, const struct weir_saga_definition *definition)
{
    char key[WEIR_KEY_MAX];
    struct weir_saga saga = {0};
    struct weir_error error = {0};
    struct weir_saga_input input;
    json_t *failure = NULL;
    struct weir_saga_case one = case_of(delivery, key);
    bool moved;
    one.definition = definition;
    one.saga = &saga;
    moved = as_input(delivery, definition, &failure, &input) &&
            weir_saga_init(&saga, definition) == WEIR_OK &&
            weir_saga_record_read(definition, &delivery->step->saga, &saga, &error) == WEIR_OK &&
            carry_out(delivery, &one, &input);
    weir_saga_close(&saga);
    json_decref(failure);
    return moved;
}

void weir_step_leave_saga(struct weir_delivery *delivery)
{
    delivery->step->end.outrun = OUTRUN_MAX;
}

void weir_step_lose_right(struct weir_worker *worker, enum weir_saga_right left, const char *why)
{
    if (worker->saga_right == WEIR_SAGAS_MOVE)
        weir_log_info(worker->runtime.log, "sagas.left", "reason=%s", why);
    if (worker->saga_right < left)
        worker->saga_right = left;
}

bool weir_step_move_saga(struct weir_delivery *delivery)
{
    const struct weir_saga_definition *definition =
        may_move(delivery) ? definition_of(delivery) : NULL;
    delivery->saga_ended = NULL;
    delivery->step->end.moves_saga = definition != NULL && move(delivery, definition);
    return delivery->step->end.moves_saga;
}
