/* The lifetime of a saga definition, its steps by name, and the order among them. */
#include "saga/definition.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "saga/input_map.h"

void weir_saga_definition_free(struct weir_saga_definition *definition)
{
    if (definition == NULL)
        return;
    for (size_t i = 0; i < definition->step_count; i++) {
        free(definition->steps[i].name);
        free(definition->steps[i].service);
        free(definition->steps[i].command);
        free(definition->steps[i].compensation);
        free(definition->steps[i].signal);
        weir_input_map_free(definition->steps[i].input);
    }
    free(definition->steps);
    free(definition->name);
    free(definition);
}

int weir_saga_definition_step(const struct weir_saga_definition *definition, const char *name,
                              size_t length)
{
    struct weir_slice wanted = {name, length};
    for (size_t i = 0; i < definition->step_count; i++) {
        if (weir_slice_equals(wanted, definition->steps[i].name))
            return (int)i;
    }
    return -1;
}

int weir_saga_definition_waiting(const struct weir_saga_definition *definition, const char *signal)
{
    for (size_t i = 0; i < definition->step_count; i++) {
        const char *waited = definition->steps[i].signal;
        if (waited != NULL && strcmp(waited, signal) == 0)
            return (int)i;
    }
    return -1;
}

int weir_saga_definition_on_disk(const struct weir_saga_definition *definition)
{
    for (size_t i = 0; i < definition->step_count; i++) {
        if (definition->steps[i].durability.disk)
            return (int)i;
    }
    return -1;
}

uint64_t weir_saga_definition_ancestors(const struct weir_saga_definition *definition, uint64_t set)
{
    uint64_t found = 0;
    for (uint64_t fresh = set; fresh != 0;) {
        uint64_t waited = 0;
        for (size_t i = 0; i < definition->step_count; i++) {
            if (fresh & UINT64_C(1) << i)
                waited |= definition->steps[i].after;
        }
        fresh = waited & ~found;
        found |= waited;
    }
    return found;
}
