/* A step's input: which value of the saga's data or of an earlier step's result goes into which
 * field of the command's data. Read once with the definition; built for each command. */
#ifndef WEIR_SAGA_INPUT_MAP_H
#define WEIR_SAGA_INPUT_MAP_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "saga/transition.h"

#define WEIR_INPUT_FIELDS_MAX 64
#define WEIR_INPUT_SEGMENTS_MAX 16 /* of one path, behind the "$" */

/* "$", "$.orderId", "$.steps.reserve-stock.shelf". */
struct weir_input_path {
    char *field;           /* of the command's data, 1 to 64 bytes */
    char *text;            /* as it was written */
    char *parts;           /* the same, each dot a NUL: what the segments point into */
    const char *step_name; /* NULL: a path into the saga's data */
    size_t step;           /* place of the step in the definition */
    size_t segment_count;  /* behind the step's name, if there is one */
    const char *segments[WEIR_INPUT_SEGMENTS_MAX];
};

struct weir_input_map {
    size_t count;
    struct weir_input_path *paths;
};

/* NULL with a sentence that begins with "input". Whether the steps that are named come before is
 * not known yet: the definition's rules check it and fill in `step`. */
WEIR_CHECKED struct weir_input_map *weir_input_map_parse(const json_t *input,
                                                         struct weir_error *error);
void weir_input_map_free(struct weir_input_map *map);

/* The data of a command of that step, as JSON text, to be freed: built by its map or, without one,
 * the saga's whole data and, under "steps", the results so far. `data` is the saga's data, the
 * text of a JSON object. NULL with a sentence that does not name the step, for the transition puts
 * its name before it: WEIR_NOT_FOUND where a path leads to nothing, with field and path;
 * WEIR_TOO_LARGE over `limit` bytes; WEIR_NO_MEMORY; WEIR_INVALID where data or a result that a
 * path leads into is not JSON, or data without a map is seen to be no object. */
WEIR_CHECKED char *weir_input_build(const struct weir_saga_definition *definition, size_t step,
                                    const struct weir_saga *saga, const char *data, size_t limit,
                                    struct weir_error *error);

#endif
