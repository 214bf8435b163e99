/* One order: checked against the saga as it stands, and sent. */
#include "commands/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/action.h"
#include "commands/stored_saga.h"
#include "commands/unbegun.h"
#include "commands/values.h"
#include "commands/wait.h"
#include "redis/key_names.h"

struct giving {
    struct weir_session *session;
    struct weir_saga_input input;
    struct weir_stored_saga stored;
    struct weir_awaited *awaited;
};

/* ---- Checking ---------------------------------------------------------------------------- */

/* Names the step that is stuck; "", which the decision refuses, where none is. */
static enum weir_status choose_step(struct giving *giving, struct weir_error *error)
{
    const struct weir_stored_saga *stored = &giving->stored;
    uint64_t stuck = weir_saga_stuck_steps(&stored->saga);
    struct weir_text names = {0};
    giving->input.name = "";
    if (stored->saga.state != WEIR_SAGA_SUSPENDED)
        return WEIR_OK;
    for (size_t i = 0; i < stored->saga.step_count; i++) {
        if ((stuck & UINT64_C(1) << i) == 0)
            continue;
        giving->input.name = stored->definition->steps[i].name;
        weir_text_format(&names, "%s%s", names.length > 0 ? ", " : "", giving->input.name);
    }
    if ((stuck & (stuck - 1)) != 0) /* more than one bit */
        weir_error_set(error, WEIR_REFUSED, "name one of its stuck steps with --step: %s",
                       names.at ? names.at : "");
    weir_text_close(&names);
    return error->status;
}

/* Lets the coordinator's own decision say what would become of the order now. `useful`: it would
 * move the saga. */
static enum weir_status decide(struct giving *giving, bool *useful, struct weir_error *error)
{
    struct weir_saga_effects effects;
    struct weir_random random;
    int64_t now_ms;
    if (weir_session_now(giving->session, &now_ms, error) != WEIR_OK)
        return error->status;
    weir_random_init(&random, 0); /* its jitter is thrown away with the rest */
    int verdict = weir_saga_advance(giving->stored.definition, &giving->stored.saga, &giving->input,
                                    now_ms, &random, &effects);
    *useful = verdict == WEIR_SAGA_MOVED;
    if (verdict == WEIR_SAGA_REFUSED)
        return weir_error_set(error, WEIR_REFUSED, "%s", effects.refusal);
    if (verdict < 0)
        return weir_error_set(error, WEIR_REFUSED, "%s",
                              weir_status_text((enum weir_status) - verdict));
    return WEIR_OK;
}

static bool has_ended(const struct weir_saga *saga)
{
    return saga->state == WEIR_SAGA_COMPLETED || saga->state == WEIR_SAGA_COMPENSATED;
}

static enum weir_status check(struct giving *giving, bool *useful, struct weir_error *error)
{
    const struct weir_stored_saga *stored = &giving->stored;
    giving->awaited->revision = stored->saga.revision;
    if (stored->unreadable.status != WEIR_OK)
        return weir_error_set(error, WEIR_REFUSED, "%s", stored->unreadable.text);
    if (has_ended(&stored->saga))
        return weir_error_set(error, WEIR_REFUSED, "the saga has ended: it is %s",
                              weir_saga_state_text(stored->saga.state));
    if (giving->input.kind == WEIR_SAGA_RESUME && !giving->input.name &&
        choose_step(giving, error) != WEIR_OK)
        return error->status;
    return decide(giving, useful, error);
}

/* ---- Sending ----------------------------------------------------------------------------- */

/* The order's data as one JSON object, NULL where it has none. To be freed. */
static char *make_data(const struct weir_saga_input *input)
{
    if (input->kind == WEIR_SAGA_SIGNAL)
        return strdup(input->data);
    json_t *data = json_pack("{s:s*}", "reason", input->reason);
    char *text = json_dumps(data, JSON_COMPACT);
    json_decref(data);
    return text;
}

static redisReply *call(const struct giving *giving, const char *data, struct weir_error *error)
{
    static const char *const types[] = {[WEIR_SAGA_CANCEL] = "CancelSaga",
                                        [WEIR_SAGA_RESUME] = "ResumeSaga",
                                        [WEIR_SAGA_SIGNAL] = "SignalSaga"};
    char key[WEIR_KEY_MAX];
    const struct weir_saga_input *input = &giving->input;
    bool resume = input->kind == WEIR_SAGA_RESUME;
    weir_key_commands(key, giving->session->settings.prefix, WEIR_SAGAS);
    const char *arguments[] = {
        "XADD", key, "*", "type", types[input->kind], "saga", giving->awaited->saga, "data", data,
        /* CancelSaga ends here, SignalSaga behind its name. */
        resume ? "step" : "signal", input->name, "decision", input->skip ? "skip" : "retry"};
    size_t count = input->kind == WEIR_SAGA_CANCEL ? 9 : resume ? 13 : 11;
    return weir_client_call(&giving->session->client, error, count, arguments, NULL);
}

static enum weir_status dispatch(struct giving *giving, struct weir_error *error)
{
    static const char *const actions[] = {[WEIR_SAGA_CANCEL] = "cancel",
                                          [WEIR_SAGA_RESUME] = "resume",
                                          [WEIR_SAGA_SIGNAL] = "signal"};
    weir_act_on(giving->session, actions[giving->input.kind], "", "sagas", giving->awaited->saga);
    char *data = make_data(&giving->input);
    if (!data)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    redisReply *reply = call(giving, data, error);
    free(data);
    if (!reply)
        return error->status;
    const char *entry = weir_value_text(reply).at;
    if (entry)
        snprintf(giving->awaited->entry, sizeof(giving->awaited->entry), "%s", entry);
    else
        weir_error_set(error, WEIR_REFUSED, "%s gave no entry id", giving->session->client.server);
    freeReplyObject(reply);
    return error->status;
}

/* ---- Giving ------------------------------------------------------------------------------ */

static bool is_away(enum weir_status status)
{
    return status == WEIR_UNAVAILABLE || status == WEIR_UNKNOWN || status == WEIR_DENIED;
}

static int fail(const struct giving *giving, const struct weir_error *error)
{
    const redisReply *hash = giving->stored.hash;
    if (is_away(error->status))
        return weir_fail_by(error);
    json_t *state = weir_slice_json(weir_value_field(hash, "state"));
    json_t *reason = weir_slice_json(weir_value_field(hash, "reason"));
    weir_saga_print(giving->session, giving->awaited, state, reason, error->text);
    json_decref(state);
    json_decref(reason);
    if (error->status == WEIR_NOT_FOUND)
        return weir_fail_by(error);
    return weir_fail(WEIR_EXIT_FAILED, "saga %s: %s", giving->awaited->saga, error->text);
}

/* Why an order is of no use though nothing speaks against it. */
static const char *needlessness(const struct weir_saga_input *order)
{
    return order->kind == WEIR_SAGA_CANCEL
               ? "it compensates already"
               : "the signal has come before, or its step has been given up";
}

/* Where the saga stands, and that nothing else was done. */
static void tell_dry(const struct giving *giving)
{
    json_t *state = weir_slice_json(weir_value_field(giving->stored.hash, "state"));
    json_t *reason = weir_slice_json(weir_value_field(giving->stored.hash, "reason"));
    weir_saga_print(giving->session, giving->awaited, state, reason, NULL);
    json_decref(state);
    json_decref(reason);
}

/* An order may come before the start that is on its way: the coordinator keeps it until then. */
static enum weir_status check_unbegun(struct giving *giving, bool *useful, struct weir_error *error)
{
    struct weir_unbegun found;
    struct weir_error missing = *error, own = {0};
    struct weir_text line = {0};
    enum weir_status status =
        weir_unbegun_find(giving->session, giving->awaited->saga, &found, &own);
    *error = status != WEIR_OK ? own : missing;
    if (status == WEIR_OK && found.kind != WEIR_UNBEGUN_NOT) {
        weir_unbegun_append(&line, &found, 0);
        *useful = found.kind != WEIR_UNBEGUN_REFUSED && giving->input.kind != WEIR_SAGA_RESUME;
        *error = (struct weir_error){0};
        giving->awaited->unbegun = *useful;
        if (*useful)
            weir_remark("saga %s %s; the order %s when it begins", giving->awaited->saga, line.at,
                        giving->session->settings.dry_run ? "would be carried out"
                                                          : "is carried out");
        else
            weir_error_set(error, WEIR_REFUSED, "it %s", line.at ? line.at : "has not begun");
    }
    weir_unbegun_close(&found);
    weir_text_close(&line);
    return error->status;
}

int weir_order_send(struct weir_session *session, const struct weir_saga_input *order,
                    struct weir_awaited *awaited)
{
    struct giving giving = {.session = session, .input = *order, .awaited = awaited};
    struct weir_error error = {0};
    bool useful = false, dry = session->settings.dry_run;
    int code = WEIR_EXIT_FINE;
    enum weir_status status = weir_stored_saga_read(session, awaited->saga, &giving.stored, &error);
    if (status == WEIR_OK)
        status = check(&giving, &useful, &error);
    else if (status == WEIR_NOT_FOUND)
        status = check_unbegun(&giving, &useful, &error);
    if (status == WEIR_OK && useful && !dry)
        status = dispatch(&giving, &error);
    if (awaited->unbegun)
        awaited->entry[0] = '\0'; /* only the saga's end can be waited for */
    if (status != WEIR_OK)
        code = fail(&giving, &error);
    else if ((awaited->needless = !useful))
        weir_remark("saga %s: %s; nothing was sent", awaited->saga, needlessness(order));
    if (status == WEIR_OK && dry && (!awaited->unbegun || session->settings.json))
        tell_dry(&giving);
    weir_stored_saga_close(&giving.stored);
    return code;
}
