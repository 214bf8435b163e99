/* Random histories of random sagas over a network that loses, doubles and reorders, with every
 * invariant checked after each input. WEIR_TEST_SEED repeats a run from the history with that
 * seed; WEIR_TEST_INPUTS sets how long it is; WEIR_TEST_TRACE shows every input. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "participants.h"
#include "random_definition.h"

#define INPUTS 400000
#define INPUTS_OF_ONE_HISTORY 3000

/* What one step has been seen to do. */
struct observed {
    unsigned sent[2]; /* commands by action */
    unsigned refusals_heard;
    bool cleanly_refused; /* it is known to have had no effect */
    bool answer_is_final; /* its compensation was refused and no new number has gone out */
    uint64_t descendants;
};

struct history {
    struct weir_saga_definition *definition;
    struct weir_saga saga;
    struct weir_saga_effects effects;
    struct weir_random random, engine_random;
    struct network network;
    struct observed steps[WEIR_SAGA_STEPS_MAX];
    int64_t now;
    unsigned turned_back;
};

static struct {
    uint64_t seed;
    unsigned long inputs, histories, ended_in[6], heard_while_suspended, stale_replies;
    bool trace;
} run;

/* What one input may do to a saga, with the events that go with it, letters as in "RCPUS". */
static const struct saga_leap {
    enum weir_saga_state from, to;
    const char *events;
} saga_leaps[] = {
    {WEIR_SAGA_NONE, WEIR_SAGA_RUNNING, "R"},
    {WEIR_SAGA_RUNNING, WEIR_SAGA_RUNNING, ""},
    {WEIR_SAGA_RUNNING, WEIR_SAGA_COMPLETED, "C"},
    {WEIR_SAGA_RUNNING, WEIR_SAGA_COMPENSATING, "P"},
    {WEIR_SAGA_RUNNING, WEIR_SAGA_COMPENSATED, "PU"},
    {WEIR_SAGA_COMPENSATING, WEIR_SAGA_COMPENSATING, ""},
    {WEIR_SAGA_COMPENSATING, WEIR_SAGA_COMPENSATED, "U"},
    {WEIR_SAGA_COMPENSATING, WEIR_SAGA_SUSPENDED, "S"},
    {WEIR_SAGA_SUSPENDED, WEIR_SAGA_SUSPENDED, ""},
};

/* What one input may do to a step; rows from, columns to, in the order of the enum. */
static const char *const step_leaps[] = {
    "xx.....x", ".xxxxx..", "..x..x..", "...x.x..", "....xx..", ".....xx.", "......x.", ".......x",
};

static uint64_t descendants_of(const struct weir_saga_definition *definition, size_t step)
{
    uint64_t found = 0;
    for (size_t i = 0; i < definition->step_count; i++) {
        if (definition->steps[i].after & UINT64_C(1) << step)
            found |= UINT64_C(1) << i | descendants_of(definition, i);
    }
    return found;
}

static void check_saga_leap(struct history *history, enum weir_saga_state from)
{
    const struct weir_saga_effects *effects = &history->effects;
    for (size_t i = 0; i < sizeof saga_leaps / sizeof *saga_leaps; i++) {
        if (saga_leaps[i].from != from || saga_leaps[i].to != history->saga.state)
            continue;
        assert_int_equal(effects->event_count, strlen(saga_leaps[i].events));
        for (size_t at = 0; at < effects->event_count; at++) {
            assert_int_equal("RCPUS"[effects->events[at]], saga_leaps[i].events[at]);
            history->turned_back += effects->events[at] == WEIR_SAGA_EVENT_COMPENSATING;
        }
        assert_true(history->turned_back <= 1);
        return;
    }
    fail_msg("saga moved from %s to %s", weir_saga_state_text(from),
             weir_saga_state_text(history->saga.state));
}

static void check_step_leaps(const struct history *history, const struct weir_step_record *before)
{
    for (size_t i = 0; i < history->saga.step_count; i++) {
        const struct weir_step_record *after = &history->saga.steps[i];
        if (step_leaps[before[i].state][after->state] != 'x')
            fail_msg("step moved from %s to %s", weir_step_state_text(before[i].state),
                     weir_step_state_text(after->state));
        if (memcmp(&before[i], after, sizeof *after) != 0)
            assert_true(history->effects.changed_steps & UINT64_C(1) << i);
    }
}

/* True where undoing the step is still to come, or is not known to have happened. */
static bool stands(const struct history *history, size_t step)
{
    return history->steps[step].sent[WEIR_STEP_EXECUTE] > 0 &&
           !history->steps[step].cleanly_refused &&
           history->definition->steps[step].compensation != NULL &&
           history->saga.steps[step].state != WEIR_STEP_COMPENSATED;
}

static void check_order(const struct history *history, const struct weir_saga_send *send)
{
    for (size_t i = 0; i < history->saga.step_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (send->action == WEIR_STEP_COMPENSATE) {
            assert_false((history->steps[send->step].descendants & bit) && stands(history, i));
        } else if (history->definition->steps[send->step].after & bit) {
            assert_int_equal(history->saga.steps[i].state, WEIR_STEP_SUCCEEDED);
        }
    }
}

static void check_send(struct history *history, const struct weir_saga_send *send)
{
    struct observed *step = &history->steps[send->step];
    bool execute = send->action == WEIR_STEP_EXECUTE;
    assert_int_equal(history->saga.state, execute ? WEIR_SAGA_RUNNING : WEIR_SAGA_COMPENSATING);
    assert_int_equal(send->attempt, ++step->sent[send->action]);
    assert_true(send->attempt <= history->definition->steps[send->step].attempts);
    assert_int_equal(send->number, execute ? 1 : 1 + step->refusals_heard);
    if (!execute)
        assert_true(stands(history, send->step));
    check_order(history, send);
    step->answer_is_final = false;
    network_put(
        &history->network,
        (struct message){.step = send->step, .action = send->action, .number = send->number});
}

/* Learns from a reply that was heard; must come before the sends that follow from it. */
static void note_reply(struct history *history, const struct weir_saga_input *reply)
{
    struct observed *step = &history->steps[reply->step];
    assert_false(step->answer_is_final);
    if (history->saga.state == WEIR_SAGA_SUSPENDED)
        run.heard_while_suspended++;
    if (reply->succeeded)
        return;
    if (reply->action == WEIR_STEP_EXECUTE) {
        step->cleanly_refused = !reply->unknown;
    } else {
        step->refusals_heard++;
        step->answer_is_final = true;
    }
}

static void check_moved(struct history *history, const struct weir_saga_input *input,
                        const struct weir_saga *before, const struct weir_step_record *steps)
{
    assert_true(before->ended_at == 0);
    assert_int_equal(history->saga.revision, before->revision + 1);
    assert_int_equal(history->saga.updated_at, history->now);
    check_saga_leap(history, before->state);
    check_step_leaps(history, steps);
    if (input->kind == WEIR_SAGA_REPLY)
        note_reply(history, input);
    for (size_t i = 0; i < history->effects.send_count; i++)
        check_send(history, &history->effects.sends[i]);
}

static void check_stale(const struct history *history, const struct weir_saga *before,
                        const struct weir_step_record *steps, int64_t wake_at)
{
    assert_memory_equal(&history->saga, before, sizeof *before);
    assert_memory_equal(history->saga.steps, steps, before->step_count * sizeof *steps);
    assert_int_equal(history->effects.send_count + history->effects.event_count, 0);
    assert_int_equal(history->effects.wake_at, wake_at);
}

static void trace(const struct history *history, const struct weir_saga_input *input, int verdict)
{
    static const char *const kinds[] = {"start", "reply", "wake"};
    print_message("%" PRId64 " %s", history->now, kinds[input->kind]);
    if (input->kind == WEIR_SAGA_REPLY)
        print_message(" %s step %zu #%u %s%s", weir_step_action_text(input->action), input->step,
                      input->number, input->succeeded ? "succeeded" : "refused",
                      input->unknown ? ", unknown" : "");
    print_message(" -> %s %s\n", verdict == WEIR_SAGA_MOVED ? "moved" : "stale",
                  weir_saga_state_text(history->saga.state));
}

static int put_in(struct history *history, const struct weir_saga_input *input)
{
    struct weir_saga before;
    struct weir_step_record steps[WEIR_SAGA_STEPS_MAX];
    memcpy(&before, &history->saga, sizeof before);
    memcpy(steps, history->saga.steps, before.step_count * sizeof *steps);
    int64_t wake_at = history->effects.wake_at;
    int verdict = weir_saga_advance(history->definition, &history->saga, input, history->now,
                                    &history->engine_random, &history->effects);
    run.inputs++;
    if (run.trace)
        trace(history, input, verdict);
    assert_true(verdict >= 0);
    if (verdict == WEIR_SAGA_MOVED)
        check_moved(history, input, &before, steps);
    else
        check_stale(history, &before, steps, wake_at);
    bool moving =
        history->saga.state == WEIR_SAGA_RUNNING || history->saga.state == WEIR_SAGA_COMPENSATING;
    assert_int_equal(history->effects.wake_at > 0, moving);
    return verdict;
}

static void wake(struct history *history)
{
    int64_t wake_at = history->effects.wake_at;
    bool due = wake_at != 0 && wake_at <= history->now;
    struct weir_saga_input input = {.kind = WEIR_SAGA_WAKE};
    assert_int_equal(put_in(history, &input), due ? WEIR_SAGA_MOVED : WEIR_SAGA_STALE);
}

static struct weir_saga_input reply_input(const struct message *message)
{
    return (struct weir_saga_input){.kind = WEIR_SAGA_REPLY,
                                    .step = message->step,
                                    .action = message->action,
                                    .number = message->number,
                                    .succeeded = message->outcome == SUCCEEDED,
                                    .unknown = message->outcome == UNKNOWN,
                                    .result = "{}",
                                    .reason = "refused"};
}

static void deliver(struct history *history)
{
    if (history->network.count == 0)
        return;
    struct message message = network_take(&history->network);
    if (!message.is_reply) {
        network_serve(&history->network, &message);
        return;
    }
    struct weir_saga_input input = reply_input(&message);
    run.stale_replies += put_in(history, &input) == WEIR_SAGA_STALE;
}

/* Replies that nobody can have sent: of a number that has not gone out, or of no step at all. */
static void forge(struct history *history)
{
    size_t step = (size_t)weir_random_below(&history->random, history->saga.step_count + 1);
    struct message message = {.step = step,
                              .action = chance(&history->random, 50) ? WEIR_STEP_EXECUTE
                                                                     : WEIR_STEP_COMPENSATE,
                              .number = NUMBERS_MAX,
                              .outcome = chance(&history->random, 50) ? SUCCEEDED : REFUSED};
    if (step < history->saga.step_count) {
        const struct observed *observed = &history->steps[step];
        message.number = observed->refusals_heard + (observed->answer_is_final ? 1 : 2);
    }
    struct weir_saga_input input = reply_input(&message);
    assert_int_equal(put_in(history, &input), WEIR_SAGA_STALE);
}

static void one_input(struct history *history)
{
    unsigned dice = (unsigned)weir_random_below(&history->random, 100);
    if (dice < 62) {
        deliver(history);
    } else if (dice < 80) {
        history->now += (int64_t)weir_random_below(&history->random, 12);
        wake(history);
    } else if (dice < 90) {
        if (history->effects.wake_at > history->now)
            history->now = history->effects.wake_at - (chance(&history->random, 30) ? 1 : 0);
        wake(history);
    } else if (dice < 97) {
        forge(history);
    } else {
        struct weir_saga_input input = {.kind = WEIR_SAGA_START};
        assert_int_equal(put_in(history, &input), WEIR_SAGA_STALE);
    }
}

/* The truth at the services, once nothing is under way any more. */
static void check_end(const struct history *history)
{
    enum weir_saga_state state = history->saga.state;
    run.ended_in[state]++;
    assert_true(state == WEIR_SAGA_COMPLETED || state == WEIR_SAGA_COMPENSATED ||
                state == WEIR_SAGA_SUSPENDED);
    for (size_t i = 0; i < history->saga.step_count; i++) {
        const struct participant *participant = &history->network.participants[i];
        if (state == WEIR_SAGA_COMPLETED)
            assert_true(participant->has_effect);
        if (state != WEIR_SAGA_COMPENSATED || history->definition->steps[i].compensation == NULL)
            continue;
        assert_false(stands(history, i));
        assert_false(participant->has_effect);
    }
}

static void history_open(struct history *history, uint64_t seed)
{
    memset(history, 0, sizeof *history);
    weir_random_init(&history->random, seed);
    weir_random_init(&history->engine_random, seed + 1);
    weir_random_init(&history->network.random, seed + 2);
    history->definition = random_definition(&history->random);
    assert_int_equal(weir_saga_init(&history->saga, history->definition), WEIR_OK);
    for (size_t i = 0; i < history->saga.step_count; i++)
        history->steps[i].descendants = descendants_of(history->definition, i);
    history->now = 1 + (int64_t)weir_random_below(&history->random, 1000);
}

static void live_one_history(struct history *history, uint64_t seed)
{
    history_open(history, seed);
    struct weir_saga_input input = {.kind = WEIR_SAGA_START};
    assert_int_equal(put_in(history, &input), WEIR_SAGA_MOVED);
    for (int i = 0; history->effects.wake_at != 0; i++) {
        assert_true(i < INPUTS_OF_ONE_HISTORY);
        one_input(history);
    }
    for (int i = 0; i < INPUTS_OF_ONE_HISTORY && history->network.count > 0; i++)
        deliver(history);
    check_end(history);
    weir_saga_close(&history->saga);
    weir_saga_definition_free(history->definition);
}

static uint64_t setting(const char *name, uint64_t initial)
{
    const char *text = getenv(name);
    return text == NULL ? initial : strtoull(text, NULL, 0);
}

static void random_histories(void **state)
{
    (void)state;
    static struct history history;
    run.seed = setting("WEIR_TEST_SEED", weir_random_seed());
    run.trace = getenv("WEIR_TEST_TRACE") != NULL;
    uint64_t inputs = setting("WEIR_TEST_INPUTS", INPUTS);
    while (run.inputs < inputs) {
        live_one_history(&history, run.seed);
        run.seed++;
        run.histories++;
    }
    if (inputs < 10000)
        return;
    assert_true(run.ended_in[WEIR_SAGA_COMPLETED] > 0 && run.ended_in[WEIR_SAGA_COMPENSATED] > 0);
    assert_true(run.ended_in[WEIR_SAGA_SUSPENDED] > 0 && run.heard_while_suspended > 0);
}

static int report(void **state)
{
    (void)state;
    print_message("%lu inputs, %lu histories: %lu completed, %lu compensated, %lu suspended; "
                  "%lu stale replies, %lu heard while suspended; last WEIR_TEST_SEED=%" PRIu64 "\n",
                  run.inputs, run.histories, run.ended_in[WEIR_SAGA_COMPLETED],
                  run.ended_in[WEIR_SAGA_COMPENSATED], run.ended_in[WEIR_SAGA_SUSPENDED],
                  run.stale_replies, run.heard_while_suspended, run.seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_histories, report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
