/* Tables of JSON objects: aligned and cut on a terminal, tabs and nothing cut elsewhere. */
#ifndef WEIR_COMMANDS_TABLE_H
#define WEIR_COMMANDS_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum weir_column_kind {
    WEIR_COLUMN_VALUE,
    WEIR_COLUMN_STATE, /* coloured */
    WEIR_COLUMN_AGE,   /* a time in ms, shown as how long ago at `reference_ms` */
    WEIR_COLUMN_AFTER, /* a time in ms, shown as how long after `reference_ms` */
};

struct weir_column {
    const char *heading;   /* NULL ends the columns */
    const char *key;       /* of the row's object; "a.b": of the object within it */
    const char *otherwise; /* another key, for rows where the first is not there; or NULL */
    enum weir_column_kind kind;
    bool optional; /* left out where no row has a value */
};

/* Prints a heading and one line for each object of the array `rows`. Returns the exit code. */
int weir_table_print(const struct weir_column *columns, const json_t *rows, int64_t reference_ms);

#endif
