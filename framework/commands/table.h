/* Tables of JSON objects: on a terminal aligned, numbers at the right, and fitted into its width;
 * tabs and nothing cut elsewhere.
 *
 * Where the lines are too long, spare columns go, then the widest texts are cut, those that are
 * widest first; ids, numbers, states and spans never. Where that does not help, each value gets a
 * line of its own. */
#ifndef WEIR_COMMANDS_TABLE_H
#define WEIR_COMMANDS_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum weir_column_kind {
    WEIR_COLUMN_VALUE,
    WEIR_COLUMN_NUMBER, /* also a text that is one: "100+"; where all values are numbers a column
                           of values is one, too */
    WEIR_COLUMN_ALARM,  /* a number that should be 0: coloured where it is not */
    WEIR_COLUMN_STATE,  /* coloured */
    WEIR_COLUMN_AGE,    /* a time in ms, shown as how long ago at `reference_ms` */
    WEIR_COLUMN_AFTER,  /* a time in ms, shown as how long after `reference_ms` */
    WEIR_COLUMN_UNTIL,  /* the same without '+', and with '-' where that is over */
};

struct weir_column {
    const char *heading;   /* NULL ends the columns */
    const char *key;       /* of the row's object; "a.b": of the object within it */
    const char *otherwise; /* another key, for rows where the first is not there; or NULL */
    enum weir_column_kind kind;
    bool optional; /* left out where no row has a value */
    bool whole;    /* never cut, as somebody will copy it: an id */
    int spare;     /* may be left out on a narrow terminal, the greatest first; 0: may not */
};

/* Prints a heading and one line for each object of the array `rows`. Returns the exit code. */
int weir_table_print(const struct weir_column *columns, const json_t *rows, int64_t reference_ms);

#endif
