/* A random saga: a graph of a few steps of all kinds with small limits, some that wait for a
 * signal, some without compensation. */
#ifndef TEST_SAGA_RANDOM_DEFINITION_H
#define TEST_SAGA_RANDOM_DEFINITION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"
#include "base/text.h"
#include "saga/definition.h"

static inline bool chance(struct weir_random *random, unsigned percent)
{
    return weir_random_below(random, 100) < percent;
}

/* Steps are numbered against their order: the last one begins. The first `behind` are retriable,
 * then, perhaps, the pivot. */
struct random_shape {
    size_t count, behind;
    bool has_pivot;
};

static inline enum weir_step_kind random_kind(const struct random_shape *shape, size_t step)
{
    if (step < shape->behind)
        return WEIR_STEP_RETRIABLE;
    return shape->has_pivot && step == shape->behind ? WEIR_STEP_PIVOT : WEIR_STEP_COMPENSATABLE;
}

static inline void append_random_work(struct weir_text *json, struct weir_random *random,
                                      enum weir_step_kind kind, size_t step)
{
    if (kind != WEIR_STEP_PIVOT && chance(random, 15)) {
        weir_text_format(json, "\"signal\":\"g%zu\",", step);
        return;
    }
    weir_text_format(json, "\"service\":\"x\",\"command\":\"Do\",\"backoffMs\":%u,\"attempts\":%u,",
                     (unsigned)weir_random_below(random, 20),
                     1 + (unsigned)weir_random_below(random, 3));
    if (kind == WEIR_STEP_COMPENSATABLE && !chance(random, 20))
        weir_text_append_string(json, "\"compensation\":\"Undo\",");
}

/* Steps wait for later ones in half of the sagas: places in the document are no order. */
static inline void append_random_after(struct weir_text *json, struct weir_random *random,
                                       const struct random_shape *shape, size_t step)
{
    const char *comma = "";
    weir_text_append_string(json, "\"after\":[");
    for (size_t other = step + 1; other < shape->count; other++) {
        bool must = random_kind(shape, other) < random_kind(shape, step);
        if (must || chance(random, other == step + 1 ? 60 : 25)) {
            weir_text_format(json, "%s\"s%zu\"", comma, other);
            comma = ",";
        }
    }
    weir_text_append_string(json, "]}");
}

static inline void append_random_step(struct weir_text *json, struct weir_random *random,
                                      const struct random_shape *shape, size_t step)
{
    static const char *const kinds[] = {"compensatable", "pivot", "retriable"};
    enum weir_step_kind kind = random_kind(shape, step);
    weir_text_format(json, "{\"name\":\"s%zu\",\"kind\":\"%s\",\"timeoutMs\":%u,", step,
                     kinds[kind], 1 + (unsigned)weir_random_below(random, 40));
    append_random_work(json, random, kind, step);
    append_random_after(json, random, shape, step);
}

static inline struct weir_text random_definition_json(struct weir_random *random)
{
    struct weir_text json = {0};
    struct random_shape shape = {1, 0, chance(random, 40)};
    bool large = chance(random, 10);
    shape.count = 1 + (size_t)weir_random_below(random, large ? 12 : 6);
    if (chance(random, 50))
        shape.behind = (size_t)weir_random_below(random, shape.count);
    weir_text_append_string(&json, "{\"name\":\"random\",\"version\":1,");
    if (chance(random, 30))
        weir_text_format(&json, "\"timeoutMs\":%u,", 1 + (unsigned)weir_random_below(random, 300));
    weir_text_append_string(&json, "\"steps\":[");
    bool reversed = chance(random, 50);
    for (size_t i = 0; i < shape.count; i++) {
        weir_text_append_string(&json, i == 0 ? "" : ",");
        append_random_step(&json, random, &shape, reversed ? shape.count - 1 - i : i);
    }
    weir_text_append_string(&json, "]}");
    return json;
}

static inline struct weir_saga_definition *definition_of(const struct weir_text *json)
{
    struct weir_error error = {0};
    struct weir_saga_definition *definition =
        weir_saga_definition_parse(json->at, json->length, &error);
    if (definition == NULL)
        fail_msg("%s: %s", error.text, json->at);
    return definition;
}

#endif
