/* The fields of a definition's JSON: reading them and refusing what is not exactly right.
 * Private to this folder. */
#ifndef WEIR_SAGA_DEFINITION_FIELDS_H
#define WEIR_SAGA_DEFINITION_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* What an object may hold; the last one has no name. */
struct weir_field_rule {
    const char *name;
    bool required;
};

struct weir_field_range {
    int64_t minimum, maximum;
};

/* All return false with the error set to a sentence that begins with the field's name. */

bool weir_field_no_memory(struct weir_error *error);
/* Always false: "<problem> <value>" with the value as ASCII JSON, cut. */
bool weir_field_refuse(struct weir_error *error, const char *problem, const json_t *value);
/* Always false: "<field>: must be <allowed>, not <value>". */
bool weir_field_refuse_value(struct weir_error *error, const char *field, const char *allowed,
                             const json_t *value);
/* That there is no field too many and none too few. */
bool weir_field_check_all(json_t *object, const struct weir_field_rule *fields,
                          struct weir_error *error);

/* A field that is left out leaves `out` as it is: the default. Texts are copied. */
bool weir_field_integer(const json_t *object, const char *field, struct weir_field_range range,
                        int64_t *out, struct weir_error *error);
bool weir_field_name(const json_t *object, const char *field, char **out, struct weir_error *error);
bool weir_field_type(const json_t *object, const char *field, char **out, struct weir_error *error);

#endif
