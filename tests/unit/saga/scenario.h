/* A saga for a test: built from a short description, moved by one call for each input, and put
 * into words for comparison. */
#ifndef TEST_SAGA_SCENARIO_H
#define TEST_SAGA_SCENARIO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "saga/transition.h"

#define SCENARIO_START 1000

struct scenario_limits {
    int64_t saga_timeout, timeout, backoff;
    unsigned attempts;
};

struct scenario {
    struct weir_saga_definition *definition;
    struct weir_saga saga;
    struct weir_random random;
    struct weir_saga_effects effects;
    int64_t now;
    int verdict;
    struct weir_text words;
};

static inline void scenario_append_work(struct weir_text *json, const char *step, const char *marks,
                                        const struct scenario_limits *limits)
{
    bool forward = strpbrk(marks, "*+") != NULL;
    if (strchr(marks, '?') != NULL) {
        weir_text_format(json, "\"signal\":\"go-%c\",", step[0]);
        return;
    }
    weir_text_format(json, "\"service\":\"x\",\"command\":\"Do\",\"backoffMs\":%lld,",
                     (long long)limits->backoff);
    weir_text_format(json, "\"attempts\":%u,", limits->attempts);
    if (!forward && strchr(marks, '!') == NULL)
        weir_text_append_string(json, "\"compensation\":\"Undo\",");
}

static inline void scenario_append_step(struct weir_text *json, const char *step, size_t length,
                                        const struct scenario_limits *limits)
{
    char marks[8] = "";
    const char *colon = memchr(step, ':', length);
    size_t marked = (colon == NULL ? length : (size_t)(colon - step)) - 1;
    memcpy(marks, step + 1, marked);
    weir_text_format(json, "{\"name\":\"%c\",\"timeoutMs\":%lld,", step[0],
                     (long long)limits->timeout);
    weir_text_format(json, "\"kind\":\"%s\",",
                     strchr(marks, '*') != NULL   ? "pivot"
                     : strchr(marks, '+') != NULL ? "retriable"
                                                  : "compensatable");
    scenario_append_work(json, step, marks, limits);
    weir_text_append_string(json, "\"after\":[");
    for (const char *at = colon; at != NULL && ++at < step + length;)
        weir_text_format(json, "%s\"%c\"", at == colon + 1 ? "" : ",", *at);
    weir_text_append_string(json, "]}");
}

static inline struct weir_text scenario_json(const char *steps,
                                             const struct scenario_limits *limits)
{
    struct weir_text json = {0};
    weir_text_append_string(&json, "{\"name\":\"test\",\"version\":1,");
    if (limits->saga_timeout != 0)
        weir_text_format(&json, "\"timeoutMs\":%lld,", (long long)limits->saga_timeout);
    weir_text_append_string(&json, "\"steps\":[");
    for (const char *at = steps; *at != '\0'; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (at != steps)
            weir_text_append_string(&json, ",");
        scenario_append_step(&json, at, length, limits);
        at += length;
    }
    weir_text_append_string(&json, "]}");
    return json;
}

/* `steps` such as "a b:a c!:a d:bc": b and c wait for a, d for both, c cannot be undone. Marks
 * behind the letter: ! no compensation, * pivot, + retriable, ? waits for the signal go-<letter>.
 */
static inline struct scenario scenario_new(const char *steps, struct scenario_limits limits)
{
    struct scenario scenario = {.now = SCENARIO_START};
    struct weir_error error = {0};
    struct weir_text json = scenario_json(steps, &limits);
    scenario.definition = weir_saga_definition_parse(json.at, json.length, &error);
    if (scenario.definition == NULL)
        fail_msg("%s", error.text);
    weir_text_close(&json);
    assert_int_equal(weir_saga_init(&scenario.saga, scenario.definition), WEIR_OK);
    weir_random_init(&scenario.random, 1);
    return scenario;
}

static inline void scenario_close(struct scenario *scenario)
{
    weir_saga_close(&scenario->saga);
    weir_saga_definition_free(scenario->definition);
    weir_text_close(&scenario->words);
}

static inline void scenario_put_into_words(struct scenario *scenario)
{
    struct weir_text *words = &scenario->words;
    const struct weir_saga_effects *effects = &scenario->effects;
    weir_text_clear(words);
    weir_text_format(words, "%s:", weir_saga_state_text(scenario->saga.state));
    for (size_t i = 0; i < scenario->saga.step_count; i++)
        weir_text_format(words, " %s %s", scenario->definition->steps[i].name,
                         weir_step_state_text(scenario->saga.steps[i].state));
    for (size_t i = 0; i < effects->send_count; i++)
        weir_text_format(words, "; %s %s#%u/%u", weir_step_action_text(effects->sends[i].action),
                         scenario->definition->steps[effects->sends[i].step].name,
                         effects->sends[i].number, effects->sends[i].attempt);
    for (size_t i = 0; i < effects->event_count; i++)
        weir_text_format(words, "; %s", weir_saga_event_text(effects->events[i]));
}

/* Applies the input; the words for what came of it: "running: a running b pending;
 * execute a#1/1; SagaStarted" (#number/attempt), "stale", or the
 * sentence of a refusal. */
static inline const char *scenario_input(struct scenario *scenario, struct weir_saga_input input)
{
    int64_t revision = scenario->saga.revision;
    memset(&scenario->effects, 0xee, sizeof scenario->effects);
    scenario->verdict = weir_saga_advance(scenario->definition, &scenario->saga, &input,
                                          scenario->now, &scenario->random, &scenario->effects);
    assert_true(scenario->verdict >= 0);
    bool moved = scenario->verdict == WEIR_SAGA_MOVED;
    assert_int_equal(scenario->saga.revision, revision + (moved ? 1 : 0));
    if (!moved) {
        assert_int_equal(scenario->effects.send_count, 0);
        assert_int_equal(scenario->effects.event_count, 0);
        assert_int_equal(scenario->effects.changed_steps, 0);
        return scenario->verdict == WEIR_SAGA_REFUSED ? scenario->effects.refusal : "stale";
    }
    assert_int_equal(scenario->saga.updated_at, scenario->now);
    scenario_put_into_words(scenario);
    return scenario->words.at;
}

static inline const char *scenario_start(struct scenario *scenario)
{
    return scenario_input(scenario, (struct weir_saga_input){.kind = WEIR_SAGA_START});
}

static inline const char *scenario_wake(struct scenario *scenario)
{
    return scenario_input(scenario, (struct weir_saga_input){.kind = WEIR_SAGA_WAKE});
}

/* Lets time pass until the saga wants to be woken. */
static inline const char *scenario_sleep(struct scenario *scenario)
{
    assert_true(scenario->effects.wake_at > 0);
    scenario->now = scenario->effects.wake_at;
    return scenario_wake(scenario);
}

enum outcome { SUCCEEDED, REFUSED, UNKNOWN };

static inline struct weir_saga_input scenario_reply(enum weir_step_action action, char step,
                                                    unsigned number, enum outcome outcome)
{
    return (struct weir_saga_input){.kind = WEIR_SAGA_REPLY,
                                    .step = (size_t)(step - 'a'),
                                    .action = action,
                                    .number = number,
                                    .succeeded = outcome == SUCCEEDED,
                                    .unknown = outcome == UNKNOWN,
                                    .result = outcome == SUCCEEDED ? "{\"n\":1}" : NULL,
                                    .reason = outcome == SUCCEEDED ? NULL : "no money"};
}

/* Steps are named by letters in the order of their places. */
static inline const char *executed(struct scenario *scenario, char step, enum outcome outcome)
{
    return scenario_input(scenario, scenario_reply(WEIR_STEP_EXECUTE, step, 0, outcome));
}

static inline const char *compensated(struct scenario *scenario, char step, unsigned number,
                                      enum outcome outcome)
{
    return scenario_input(scenario, scenario_reply(WEIR_STEP_COMPENSATE, step, number, outcome));
}

static inline const char *cancelled(struct scenario *scenario, const char *reason)
{
    return scenario_input(scenario,
                          (struct weir_saga_input){.kind = WEIR_SAGA_CANCEL, .reason = reason});
}

static inline const char *resumed(struct scenario *scenario, const char *step, bool skip)
{
    return scenario_input(
        scenario, (struct weir_saga_input){.kind = WEIR_SAGA_RESUME, .name = step, .skip = skip});
}

static inline const char *signalled(struct scenario *scenario, char step, const char *data)
{
    char name[] = {'g', 'o', '-', step, '\0'};
    return scenario_input(
        scenario, (struct weir_saga_input){.kind = WEIR_SAGA_SIGNAL, .name = name, .data = data});
}

/* The command that the last input sends for the step cannot be made up. */
static inline const char *unsendable(struct scenario *scenario, char step, const char *reason)
{
    int64_t revision = scenario->saga.revision;
    scenario->verdict =
        weir_saga_unsendable(scenario->definition, &scenario->saga, (size_t)(step - 'a'), reason,
                             scenario->now, &scenario->random, &scenario->effects);
    assert_true(scenario->verdict >= 0);
    assert_int_equal(scenario->saga.revision, revision);
    scenario_put_into_words(scenario);
    return scenario->verdict == WEIR_SAGA_MOVED ? scenario->words.at : "stale";
}

#endif
