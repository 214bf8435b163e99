/* Gives orders: checks them against the saga as it stands, sends them, waits for the outcome. */
#include "commands/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "commands/action.h"
#include "commands/interrupt.h"
#include "commands/stored_saga.h"
#include "commands/unbegun.h"
#include "commands/values.h"
#include "commands/wait.h"
#include "commands/output.h"
#include "redis/key_names.h"

#define BATCH 100

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

/* WEIR_EXIT_FINE: the order has been sent, or there is no need for it. */
static int give(struct weir_session *session, const struct weir_saga_input *order,
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
    else if (!useful)
        weir_remark("saga %s: %s; nothing was sent", awaited->saga, needlessness(order));
    if (status == WEIR_OK && dry && (!awaited->unbegun || session->settings.json))
        tell_dry(&giving);
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

/* ---- Many -------------------------------------------------------------------------------- */

struct run {
    struct weir_session *session;
    const struct weir_saga_input *order;
    struct weir_bulk bulk;
    int code;
};

/* What was not waited for to its end has neither been done nor failed. */
static void count(struct run *run, int code)
{
    if (code == WEIR_EXIT_INTERRUPTED)
        run->code = code;
    else if (code == WEIR_EXIT_FINE || code == WEIR_EXIT_COMPENSATED || code == WEIR_EXIT_SUSPENDED)
        run->bulk.did++;
    else
        run->bulk.failed++;
    run->code = worse(run->code, code);
}

static bool is_over(const struct run *run)
{
    return run->code >= WEIR_EXIT_USAGE;
}

static int await(struct run *run, const struct weir_awaited *awaited, int64_t deadline)
{
    struct weir_session *session = run->session;
    if (!awaited->unbegun || session->settings.wait_s > 0)
        return weir_wait(session, awaited, deadline);
    if (session->settings.json) /* else it has been told */
        weir_saga_print(session, awaited, NULL, NULL, NULL);
    return WEIR_EXIT_FINE;
}

/* All orders of a batch are sent before the first is waited for. Returns how many were not seen to
 * be carried out in time. */
static size_t give_batch(struct run *run, struct weir_awaited *awaited, const json_t *sagas,
                         size_t first, size_t size)
{
    size_t given = 0, late = 0;
    for (size_t i = 0; i < size && !is_over(run); i++) {
        awaited[given] =
            (struct weir_awaited){.saga = json_string_value(json_array_get(sagas, first + i)),
                                  .order = true,
                                  .named = run->bulk.chosen || run->bulk.total > 1};
        int code = give(run->session, run->order, &awaited[given]);
        if (code != WEIR_EXIT_FINE || run->session->settings.dry_run)
            count(run, code);
        else
            given++;
    }
    int64_t deadline = weir_clock_monotonic_ms() + weir_wait_limit_ms(run->session);
    for (size_t i = 0; i < given && run->code != WEIR_EXIT_INTERRUPTED; i++) {
        int code = await(run, &awaited[i], deadline);
        late += code == WEIR_EXIT_WAITED;
        count(run, code);
        fflush(weir_output());
    }
    return late;
}

/* With --wait all orders are sent before the first saga's end is waited for. */
static void give_all(struct run *run, const json_t *sagas)
{
    size_t total = json_array_size(sagas);
    size_t batch = run->session->settings.wait_s > 0 || total < BATCH ? total : BATCH;
    struct weir_awaited *awaited = calloc(batch, sizeof(*awaited));
    if (!awaited)
        run->code = weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    weir_interrupt_catch();
    for (size_t at = 0; awaited && at < total && !is_over(run); at += batch) {
        size_t size = total - at < batch ? total - at : batch;
        size_t late = give_batch(run, awaited, sagas, at, size);
        weir_bulk_show(&run->bulk);
        if (weir_bulk_stopped() && !is_over(run))
            run->code = weir_fail(WEIR_EXIT_INTERRUPTED, "stopped");
        else if (late == size && at + size < total) {
            weir_remark("stopped, as none of the last %zu orders was seen to be carried out", size);
            break;
        }
    }
    free(awaited);
}

static int ask_first(struct run *run, const json_t *sagas)
{
    struct weir_session *session = run->session;
    if (!run->bulk.chosen || session->settings.dry_run)
        return WEIR_EXIT_FINE;
    int code = weir_bulk_ask(session, &run->bulk, sagas);
    if (code == WEIR_EXIT_FINE) {
        weir_act(session, run->bulk.verb, "%zu sagas", run->bulk.total);
        weir_act_begun(session);
        session->acted.action = NULL; /* what is really sent counts from here on */
    }
    return code;
}

static int give_to(struct run *run, const json_t *sagas)
{
    run->bulk.total = json_array_size(sagas);
    if (run->bulk.total == 0) {
        weir_remark("no saga fits; nothing was done");
        return WEIR_EXIT_FINE;
    }
    int code = ask_first(run, sagas);
    if (code != WEIR_EXIT_FINE)
        return code;
    give_all(run, sagas);
    weir_bulk_end(run->session, &run->bulk);
    return run->code;
}

/* ---- Choosing ---------------------------------------------------------------------------- */

#define STATE_BIT(place) (1U << (place)) /* in weir_saga_states */
#define RUNNING STATE_BIT(1)
#define SUSPENDED STATE_BIT(3)

/* The newest; NULL after the sentence. */
static json_t *choose_sagas(struct run *run)
{
    struct weir_session *session = run->session;
    struct weir_saga_found found = {0};
    struct weir_error error = {0};
    json_t *sagas = json_array(), *row;
    size_t i;
    unsigned states = run->order->kind == WEIR_SAGA_RESUME ? SUSPENDED : RUNNING | SUSPENDED;
    if (weir_saga_walk(session, states, (size_t)session->settings.limit, &found, &error) !=
        WEIR_OK) {
        run->code = weir_fail_by(&error);
        json_decref(sagas);
        sagas = NULL;
    }
    json_array_foreach(found.rows, i, row)
    {
        if (sagas)
            json_array_append(sagas, json_object_get(row, "saga"));
    }
    if (sagas && !found.complete)
        weir_remark("there may be more than these %zu, the newest; run it again for the rest",
                    json_array_size(sagas));
    weir_saga_found_close(&found);
    return sagas;
}

static int check_choice(const struct weir_settings *settings, const struct weir_saga_input *order,
                        int count)
{
    bool filter = weir_saga_filter_given(settings);
    if (count == 0 && !filter && !settings->all)
        return weir_fail(WEIR_EXIT_USAGE,
                         "which sagas? Give their ids, or --state, --definition, --older-than, "
                         "--younger-than or --matching, or --all");
    if (count > 0 && (filter || settings->all))
        return weir_fail(WEIR_EXIT_USAGE, "ids or a filter, not both");
    if (filter && settings->all)
        return weir_fail(WEIR_EXIT_USAGE, "--all takes no filter");
    if (order->kind == WEIR_SAGA_RESUME && settings->state != 0 &&
        strcmp(weir_saga_states[settings->state], "suspended") != 0)
        return weir_fail(WEIR_EXIT_USAGE, "--state: only sagas that are suspended can be resumed");
    return weir_saga_filter_check(settings);
}

int weir_order_give(struct weir_session *session, const struct weir_saga_input *order, int count,
                    char *const *sagas)
{
    static const struct weir_bulk bulks[] = {
        [WEIR_SAGA_CANCEL] = {.verb = "cancel", .done = "cancelled"},
        [WEIR_SAGA_RESUME] = {.verb = "resume", .done = "resumed"},
        [WEIR_SAGA_SIGNAL] = {.verb = "signal", .done = "signalled"}};
    struct run run = {.session = session, .order = order, .bulk = bulks[order->kind]};
    int code = check_choice(&session->settings, order, count);
    for (int i = 0; i < count && code == WEIR_EXIT_FINE; i++)
        code = weir_saga_id_check(sagas[i]);
    if (code == WEIR_EXIT_FINE)
        code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    run.bulk.noun = "saga";
    run.bulk.nouns = "sagas";
    run.bulk.chosen = count == 0;
    if (session->settings.dry_run)
        run.bulk.done = "would be; nothing was sent";
    json_t *chosen = count == 0 ? choose_sagas(&run) : json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(chosen, json_string(sagas[i]));
    code = chosen ? give_to(&run, chosen) : run.code;
    json_decref(chosen);
    return code;
}
