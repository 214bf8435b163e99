/* Gives orders: to sagas that are named or chosen, batch by batch, and waits for the outcome. */
#include "commands/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "commands/action.h"
#include "commands/interrupt.h"
#include "commands/output.h"
#include "commands/stored_saga.h"

#define BATCH 100

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
static void count(struct run *run, const struct weir_awaited *awaited, int code)
{
    bool fine =
        code == WEIR_EXIT_FINE || code == WEIR_EXIT_COMPENSATED || code == WEIR_EXIT_SUSPENDED;
    if (code == WEIR_EXIT_INTERRUPTED)
        run->code = code;
    else if (fine && awaited->needless)
        run->bulk.needless++;
    else if (fine)
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
        int code = weir_order_send(run->session, run->order, &awaited[given]);
        if (code != WEIR_EXIT_FINE || run->session->settings.dry_run)
            count(run, &awaited[given], code);
        else
            given++;
    }
    int64_t deadline = weir_clock_monotonic_ms() + weir_wait_limit_ms(run->session);
    for (size_t i = 0; i < given && run->code != WEIR_EXIT_INTERRUPTED; i++) {
        int code = await(run, &awaited[i], deadline);
        late += code == WEIR_EXIT_WAITED;
        count(run, &awaited[i], code);
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
    if (code == WEIR_EXIT_FINE)
        weir_act_begun(session, run->bulk.verb, "", run->bulk.nouns, sagas);
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
