/* Definitions: whatever is accepted keeps the rules of its graph, starts a saga, and gives each
 * step an input or a sentence. Bytes behind the first 0xff are the saga's data. */
#include "fuzz/bytes.h"
#include "message/envelope.h"
#include "saga/input_map.h"
#include "saga/transition.h"

static void check_step(const struct weir_saga_definition *definition, size_t i)
{
    const struct weir_step_definition *step = &definition->steps[i];
    uint64_t self = UINT64_C(1) << i, all = UINT64_MAX >> (64 - definition->step_count);
    HOLDS(weir_name_valid(step->name, strlen(step->name)));
    HOLDS(weir_saga_definition_step(definition, step->name, strlen(step->name)) == (int)i);
    HOLDS((step->service != NULL) == (step->command != NULL));
    HOLDS((step->service != NULL) != (step->signal != NULL));
    HOLDS(step->timeout_ms > 0 && step->attempts > 0 && step->backoff_ms >= 0);
    HOLDS(((step->after | step->before) & ~all) == 0 && ((step->after | step->before) & self) == 0);
    HOLDS((weir_saga_definition_ancestors(definition, self) & self) == 0);
    for (size_t j = 0; j < definition->step_count; j++)
        HOLDS((step->after >> j & 1) == (definition->steps[j].before >> i & 1));
    if (step->compensation != NULL)
        HOLDS(step->kind == WEIR_STEP_COMPENSATABLE);
}

/* Nothing that may have to be undone comes behind what cannot be. */
static void check_kinds(const struct weir_saga_definition *definition)
{
    unsigned pivots = 0;
    for (size_t i = 0; i < definition->step_count; i++) {
        uint64_t before = weir_saga_definition_ancestors(definition, UINT64_C(1) << i);
        enum weir_step_kind kind = definition->steps[i].kind;
        pivots += kind == WEIR_STEP_PIVOT;
        for (size_t j = 0; j < definition->step_count; j++)
            if (before >> j & 1)
                HOLDS(definition->steps[j].kind <= kind);
    }
    HOLDS(pivots <= 1);
}

static void check_input(const struct weir_saga_definition *definition, const struct weir_saga *saga,
                        size_t step, const char *data)
{
    struct weir_error error = {0};
    char *built = weir_input_build(definition, step, saga, data, 4096, &error);
    if (built != NULL) {
        json_t *object = json_loads(built, JSON_REJECT_DUPLICATES, NULL);
        HOLDS(json_is_object(object) && strlen(built) <= 4096);
        json_decref(object);
        free(built);
    } else {
        HOLDS(error.status == WEIR_NOT_FOUND || error.status == WEIR_TOO_LARGE ||
              error.status == WEIR_INVALID);
        check_sentence(&error);
    }
}

/* Every step succeeds until nothing is under way. */
static void run(const struct weir_saga_definition *definition, struct weir_saga *saga,
                const char *data)
{
    struct weir_saga_effects effects;
    struct weir_random random = {1};
    struct weir_saga_input input = {.kind = WEIR_SAGA_START};
    HOLDS(weir_saga_advance(definition, saga, &input, 1, &random, &effects) == WEIR_SAGA_MOVED);
    for (size_t i = 0; i < definition->step_count; i++)
        check_input(definition, saga, i, data);
    for (size_t round = 0; round < definition->step_count; round++) {
        for (size_t i = 0; i < definition->step_count; i++) {
            input = (struct weir_saga_input){
                .kind = WEIR_SAGA_REPLY, .step = i, .succeeded = true, .result = data};
            if (definition->steps[i].signal != NULL)
                input = (struct weir_saga_input){.kind = WEIR_SAGA_SIGNAL,
                                                 .name = definition->steps[i].signal};
            HOLDS(weir_saga_advance(definition, saga, &input, 2, &random, &effects) >= 0);
            check_input(definition, saga, i, data);
        }
    }
    HOLDS(saga->state == WEIR_SAGA_COMPLETED);
}

static void check_definition(const struct weir_saga_definition *definition, const char *data)
{
    struct weir_saga saga;
    HOLDS(definition->step_count >= 1 && definition->step_count <= WEIR_SAGA_STEPS_MAX);
    HOLDS(definition->version >= 1 && definition->timeout_ms >= 0);
    for (size_t i = 0; i < definition->step_count; i++)
        check_step(definition, i);
    check_kinds(definition);
    HOLDS(weir_saga_init(&saga, definition) == WEIR_OK);
    run(definition, &saga, data);
    weir_saga_close(&saga);
}

/* The saga's data as somebody may have written it into the hash; else none. */
static char *data_of(const uint8_t *at, size_t length)
{
    struct weir_error error = {0};
    json_t *object = weir_object_parse((const char *)at, length, WEIR_DATA_DEPTH_MAX, &error);
    bool fits = object != NULL && json_object_get(object, "steps") == NULL;
    json_decref(object);
    return fits ? copy_bytes(at, length) : copy_bytes("{}", 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, 0xff, size) : NULL;
    size_t length = end == NULL ? size : (size_t)(end - data);
    char *text = copy_bytes(data, length);
    char *rest = end == NULL ? copy_bytes("{}", 2) : data_of(end + 1, size - length - 1);
    struct weir_error error = {0};
    struct weir_saga_definition *definition = weir_saga_definition_parse(text, length, &error);
    if (definition != NULL)
        check_definition(definition, rest);
    else
        check_sentence(&error);
    weir_saga_definition_free(definition);
    free(text);
    free(rest);
    return 0;
}
