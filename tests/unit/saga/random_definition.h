/* A random saga: a graph of a few steps with small limits, some without compensation. */
#ifndef TEST_SAGA_RANDOM_DEFINITION_H
#define TEST_SAGA_RANDOM_DEFINITION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "participants.h"
#include "saga/definition.h"

static inline void append_random_step(struct weir_text *json, struct weir_random *random,
                                      size_t step, size_t count)
{
    weir_text_format(json, "{\"name\":\"s%zu\",\"service\":\"x\",\"command\":\"Do\",", step);
    weir_text_format(json, "\"timeoutMs\":%u,\"backoffMs\":%u,\"attempts\":%u,",
                     1 + (unsigned)weir_random_below(random, 40),
                     (unsigned)weir_random_below(random, 20),
                     1 + (unsigned)weir_random_below(random, 3));
    if (!chance(random, 20))
        weir_text_append_string(json, "\"compensation\":\"Undo\",");
    weir_text_append_string(json, "\"after\":[");
    /* Steps wait for later ones in half of the sagas: places in the document are no order. */
    const char *comma = "";
    for (size_t other = step + 1; other < count; other++) {
        if (chance(random, other == step + 1 ? 60 : 25)) {
            weir_text_format(json, "%s\"s%zu\"", comma, other);
            comma = ",";
        }
    }
    weir_text_append_string(json, "]}");
}

static inline struct weir_saga_definition *random_definition(struct weir_random *random)
{
    struct weir_text json = {0};
    struct weir_error error = {0};
    bool large = chance(random, 2);
    size_t count = 1 + (size_t)weir_random_below(random, large ? 12 : 6);
    weir_text_append_string(&json, "{\"name\":\"random\",\"version\":1,");
    if (chance(random, 30))
        weir_text_format(&json, "\"timeoutMs\":%u,", 1 + (unsigned)weir_random_below(random, 300));
    weir_text_append_string(&json, "\"steps\":[");
    bool reversed = chance(random, 50);
    for (size_t i = 0; i < count; i++) {
        weir_text_append_string(&json, i == 0 ? "" : ",");
        append_random_step(&json, random, reversed ? count - 1 - i : i, count);
    }
    weir_text_append_string(&json, "]}");
    struct weir_saga_definition *definition =
        weir_saga_definition_parse(json.at, json.length, &error);
    if (definition == NULL)
        fail_msg("%s: %s", error.text, json.at);
    weir_text_close(&json);
    return definition;
}

#endif
