/* What a saga consists of: its steps, their order, limits and compensations. Read from JSON,
 * checked once, unchanged afterwards. */
#ifndef WEIR_SAGA_DEFINITION_H
#define WEIR_SAGA_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "message/durability.h"

#define WEIR_SAGA_STEPS_MAX 64
#define WEIR_SAGA_DEFINITION_MAX (256 * 1024) /* bytes of JSON */

struct weir_input_map;

/* Compensatable steps come before the pivot, retriable ones behind it. The pivot either succeeds,
 * and the saga is sure to complete, or is refused, and everything before it is undone. */
enum weir_step_kind { WEIR_STEP_COMPENSATABLE, WEIR_STEP_PIVOT, WEIR_STEP_RETRIABLE };

/* A step sends a command to a service or waits for a signal. */
struct weir_step_definition {
    char *name;
    char *service;                /* NULL: the step waits for a signal */
    char *command;                /* NULL, as service */
    char *compensation;           /* NULL: nothing to undo */
    char *signal;                 /* NULL: the step has a command; no other step waits for it */
    struct weir_input_map *input; /* NULL: the saga's whole data and the results so far */
    enum weir_step_kind kind;
    int64_t timeout_ms;                /* of one attempt */
    unsigned attempts;                 /* of the command; the compensation has as many of its own */
    int64_t backoff_ms;                /* before the second attempt; doubles, with jitter */
    struct weir_durability durability; /* of a success, before the saga goes on */
    uint64_t after;                    /* bit i: this step waits for step i */
    uint64_t before;                   /* bit i: step i waits for this step */
};

struct weir_saga_definition {
    char *name;
    int64_t version;
    int64_t timeout_ms; /* of the whole saga while it runs forward; 0: none */
    size_t step_count;
    struct weir_step_definition *steps; /* in the order of the document */
};

/* Reads and checks a definition. The result is the caller's, to be freed; NULL on error, with a
 * sentence that names the step and the field and says what is allowed. */
WEIR_CHECKED struct weir_saga_definition *
weir_saga_definition_parse(const char *json, size_t length, struct weir_error *error);

void weir_saga_definition_free(struct weir_saga_definition *definition);

/* The step's place in `steps`, or -1. */
int weir_saga_definition_step(const struct weir_saga_definition *definition, const char *name,
                              size_t length);

/* The step that waits for the signal, or -1. */
int weir_saga_definition_waiting(const struct weir_saga_definition *definition, const char *signal);

/* The first step whose success has to be on the disk, or -1. */
int weir_saga_definition_on_disk(const struct weir_saga_definition *definition);

/* All steps that those in `set` wait for, directly or through others. */
uint64_t weir_saga_definition_ancestors(const struct weir_saga_definition *definition,
                                        uint64_t set);

#endif
