/* The shapes of `weir COMMAND --json`, as framework/commands/SHAPES.md describes them. */
#ifndef WEIR_TESTS_SUPPORT_SHAPE_H
#define WEIR_TESTS_SUPPORT_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Reads the file, below WEIR_ROOT or the nearest folder upward that has it. */
void shapes_load(void);
void shapes_close(void);

/* The headings, in their order; NULL behind the last. */
const char *shape_heading(size_t place);
bool shape_exists(const char *heading);

/* Whether the value is of that shape, member by member; `why` (of `size` bytes) says where it is
 * not. A malformed shape fails the test. */
bool shape_fits(const char *heading, const json_t *value, char *why, size_t size);

#endif
