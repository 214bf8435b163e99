/* The rules among the steps of a definition that has been read: their order, their kinds, and what
 * their input may draw on. Private to this folder. */
#ifndef WEIR_SAGA_DEFINITION_RULES_H
#define WEIR_SAGA_DEFINITION_RULES_H

#include "saga/definition.h"

/* Also fills in `before` and the steps that input maps name. Returns the place of the step that
 * breaks a rule, with the error set to a sentence that begins with its field, or step_count. */
WEIR_CHECKED size_t weir_definition_check(struct weir_saga_definition *definition,
                                          struct weir_error *error);

#endif
