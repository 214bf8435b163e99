/* Services as tables. */
#ifndef WEIR_COMMANDS_SERVICE_TABLES_H
#define WEIR_COMMANDS_SERVICE_TABLES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Prints the rows of weir_services_look, which it changes; `details`: what belongs to the first,
 * too. Returns the exit code. */
int weir_services_print(json_t *rows, int64_t now_ms, bool details);
/* The rows of weir_projections_look behind an empty line; nothing where there are none. */
int weir_projections_print(const json_t *rows, int64_t now_ms);
/* The rows of weir_workers_describe, which it changes. */
int weir_workers_print(json_t *rows, int64_t now_ms);
/* "12.5", "-" for null. New. */
json_t *weir_rate_shown(const json_t *rate, const char *which);

#endif
