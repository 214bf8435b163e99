/* What makes a saga sound before it ever runs: no circles, and one way back up to the pivot. */
#include "saga/definition_rules.h"

#include <string.h>

#include "saga/input_map.h"

typedef bool rule(struct weir_saga_definition *definition, size_t step, struct weir_error *error);

static const char *const kind_words[] = {"compensatable", "the pivot", "retriable"};

static bool comes_before(const struct weir_saga_definition *definition, size_t first, size_t second)
{
    uint64_t ancestors = weir_saga_definition_ancestors(definition, UINT64_C(1) << second);
    return (ancestors & UINT64_C(1) << first) != 0;
}

static bool check_cycle(struct weir_saga_definition *definition, size_t step,
                        struct weir_error *error)
{
    if (!comes_before(definition, step, step))
        return true;
    weir_error_set(error, WEIR_INVALID, "after: the step waits for itself through other steps");
    return false;
}

static bool fill_before(struct weir_saga_definition *definition, size_t step,
                        struct weir_error *error)
{
    (void)error;
    for (size_t other = 0; other < definition->step_count; other++) {
        if (definition->steps[other].after & UINT64_C(1) << step)
            definition->steps[step].before |= UINT64_C(1) << other;
    }
    return true;
}

/* Of two steps that wait for one signal it would be a matter of luck which gets it. */
static bool check_signal(struct weir_saga_definition *definition, size_t step,
                         struct weir_error *error)
{
    const char *signal = definition->steps[step].signal;
    if (signal == NULL)
        return true;
    if (definition->steps[step].kind == WEIR_STEP_PIVOT) {
        weir_error_set(error, WEIR_INVALID,
                       "kind: a step that waits for a signal cannot be the pivot");
        return false;
    }
    int first = weir_saga_definition_waiting(definition, signal);
    if (first == (int)step)
        return true;
    weir_error_set(error, WEIR_INVALID, "signal: step \"%s\" waits for \"%s\" already",
                   definition->steps[first].name, signal);
    return false;
}

static bool check_compensation(struct weir_saga_definition *definition, size_t step,
                               struct weir_error *error)
{
    const struct weir_step_definition *checked = &definition->steps[step];
    if (checked->kind == WEIR_STEP_COMPENSATABLE || checked->compensation == NULL)
        return true;
    weir_error_set(error, WEIR_INVALID, "compensation: would never be used, because the step is %s",
                   kind_words[checked->kind]);
    return false;
}

static bool check_one_pivot(struct weir_saga_definition *definition, size_t step,
                            struct weir_error *error)
{
    if (definition->steps[step].kind != WEIR_STEP_PIVOT)
        return true;
    for (size_t first = 0; first < step; first++) {
        if (definition->steps[first].kind != WEIR_STEP_PIVOT)
            continue;
        weir_error_set(error, WEIR_INVALID, "kind: step \"%s\" is the pivot already",
                       definition->steps[first].name);
        return false;
    }
    return true;
}

/* Compensatable before pivot before retriable: kinds are in that order in their enum. */
static bool check_kind_order(struct weir_saga_definition *definition, size_t step,
                             struct weir_error *error)
{
    const struct weir_step_definition *checked = &definition->steps[step];
    for (size_t other = 0; other < definition->step_count; other++) {
        const struct weir_step_definition *later = &definition->steps[other];
        if (later->kind <= checked->kind || comes_before(definition, step, other))
            continue;
        weir_error_set(error, WEIR_INVALID,
                       "kind: the step is %s, so it has to come before \"%s\", which is %s",
                       kind_words[checked->kind], later->name, kind_words[later->kind]);
        return false;
    }
    return true;
}

static bool check_path(const struct weir_saga_definition *definition, size_t step,
                       struct weir_input_path *path, struct weir_error *error)
{
    if (path->step_name == NULL)
        return true;
    int named = weir_saga_definition_step(definition, path->step_name, strlen(path->step_name));
    if (named >= 0 && comes_before(definition, (size_t)named, step)) {
        path->step = (size_t)named;
        return true;
    }
    weir_error_set(error, WEIR_INVALID, "input.%s: %.80s: \"%.64s\" %s", path->field, path->text,
                   path->step_name,
                   named < 0 ? "is no step of this saga" : "does not come before this step");
    return false;
}

static bool check_input(struct weir_saga_definition *definition, size_t step,
                        struct weir_error *error)
{
    struct weir_input_map *input = definition->steps[step].input;
    for (size_t i = 0; input != NULL && i < input->count; i++) {
        if (!check_path(definition, step, &input->paths[i], error))
            return false;
    }
    return true;
}

size_t weir_definition_check(struct weir_saga_definition *definition, struct weir_error *error)
{
    static rule *const rules[] = {check_cycle,     fill_before,        check_signal,
                                  check_one_pivot, check_compensation, check_kind_order,
                                  check_input};
    for (size_t at = 0; at < sizeof rules / sizeof *rules; at++) {
        for (size_t step = 0; step < definition->step_count; step++) {
            if (!rules[at](definition, step, error))
                return step;
        }
    }
    return definition->step_count;
}
