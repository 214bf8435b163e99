/* Gives orders: checks them against the saga as it stands, sends them, waits for the outcome. */
#include "commands/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "commands/action.h"
#include "commands/stored_saga.h"
#include "commands/values.h"
#include "commands/wait.h"
#include "commands/output.h"
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

/* WEIR_EXIT_FINE: the order has been sent, or there is no need for it. */
static int give(struct weir_session *session, const struct weir_saga_input *order,
                struct weir_awaited *awaited)
{
    struct giving giving = {.session = session, .input = *order, .awaited = awaited};
    struct weir_error error = {0};
    bool useful = false;
    int code = WEIR_EXIT_FINE;
    enum weir_status status = weir_stored_saga_read(session, awaited->saga, &giving.stored, &error);
    if (status == WEIR_OK)
        status = check(&giving, &useful, &error);
    if (status == WEIR_OK && useful)
        status = dispatch(&giving, &error);
    if (status != WEIR_OK)
        code = fail(&giving, &error);
    else if (!useful)
        weir_remark("saga %s: %s; nothing was sent", awaited->saga,
                    order->kind == WEIR_SAGA_CANCEL
                        ? "it compensates already"
                        : "the signal has come before, or its step has been given up");
    weir_stored_saga_close(&giving.stored);
    return code;
}

/* A failure outweighs all other outcomes, and these each other by their numbers. */
static int worse(int one, int other)
{
    bool one_failed = one == WEIR_EXIT_FAILED || one > WEIR_EXIT_WAITED;
    bool other_failed = other == WEIR_EXIT_FAILED || other > WEIR_EXIT_WAITED;
    if (one_failed != other_failed)
        return one_failed ? one : other;
    return one > other ? one : other;
}

/* All orders are sent before the first is waited for. */
static int give_all(struct weir_session *session, const struct weir_saga_input *order,
                    struct weir_awaited *awaited, int count, char *const *sagas)
{
    int code = WEIR_EXIT_FINE, given = 0, one;
    for (int i = 0; i < count && code < WEIR_EXIT_USAGE; i++) {
        awaited[given] = (struct weir_awaited){.saga = sagas[i], .order = true, .named = count > 1};
        one = give(session, order, &awaited[given]);
        given += one == WEIR_EXIT_FINE;
        code = worse(code, one);
    }
    int64_t deadline = weir_clock_monotonic_ms() + weir_wait_limit_ms(session);
    for (int i = 0; i < given && code != WEIR_EXIT_INTERRUPTED; i++) {
        code = worse(code, weir_wait(session, &awaited[i], deadline));
        fflush(weir_output());
    }
    return code;
}

int weir_order_give(struct weir_session *session, const struct weir_saga_input *order, int count,
                    char *const *sagas)
{
    int code = WEIR_EXIT_FINE;
    for (int i = 0; i < count && code == WEIR_EXIT_FINE; i++)
        code = weir_saga_id_check(sagas[i]);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    struct weir_awaited *awaited = calloc((size_t)count, sizeof(*awaited));
    if (!awaited)
        return weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    code = give_all(session, order, awaited, count, sagas);
    free(awaited);
    return code;
}
