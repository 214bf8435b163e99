/* Prints tables. */
#include "commands/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/command.h"
#include "commands/print.h"

#define COLUMNS_MAX 8
#define GAP 2

struct cell {
    struct weir_text text;
    enum weir_colour colour;
};

struct table {
    size_t columns, rows;
    size_t widths[COLUMNS_MAX];
    struct cell *cells; /* row by row; the heading is the first */
};

/* Characters, not bytes. Those of double width are counted once: such a line may be cut late. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* The bytes of the first `width` characters. */
static int bytes_of(const char *text, size_t width)
{
    const char *at = text;
    while (*at && (width > 0 || ((unsigned char)*at & 0xc0) == 0x80))
        width -= ((unsigned char)*at++ & 0xc0) != 0x80;
    return (int)(at - text);
}

static const json_t *member_of(const json_t *row, const char *key)
{
    char outer[32];
    const char *dot = strchr(key, '.');
    if (!dot)
        return json_object_get(row, key);
    snprintf(outer, sizeof(outer), "%.*s", (int)(dot - key), key);
    return json_object_get(json_object_get(row, outer), dot + 1);
}

static void fill(struct cell *cell, const struct weir_column *column, const json_t *row,
                 int64_t reference_ms)
{
    const json_t *value = member_of(row, column->key);
    if (column->otherwise && (!value || json_is_null(value)))
        value = member_of(row, column->otherwise);
    bool time = column->kind == WEIR_COLUMN_AGE || column->kind == WEIR_COLUMN_AFTER;
    /* Only what is no time before 1970 can be subtracted without a thought. */
    if (!time || json_integer_value(value) <= 0) {
        weir_value_append(&cell->text, value);
        if (column->kind == WEIR_COLUMN_STATE && cell->text.at)
            cell->colour = weir_state_colour(cell->text.at);
        return;
    }
    int64_t ms = json_integer_value(value);
    if (column->kind == WEIR_COLUMN_AFTER)
        weir_text_append_string(&cell->text, "+");
    weir_span_append(&cell->text,
                     column->kind == WEIR_COLUMN_AGE ? reference_ms - ms : ms - reference_ms);
}

static bool is_shown(const struct weir_column *column, const json_t *rows)
{
    for (size_t i = 0; column->optional && i < json_array_size(rows); i++) {
        const json_t *value = member_of(json_array_get(rows, i), column->key);
        if (value && !json_is_null(value))
            return true;
    }
    return !column->optional;
}

/* Copies those that are shown and returns their number. */
static size_t choose(const struct weir_column *columns, const json_t *rows,
                     struct weir_column *chosen)
{
    size_t count = 0;
    for (; columns->heading && count < COLUMNS_MAX; columns++)
        if (is_shown(columns, rows))
            chosen[count++] = *columns;
    return count;
}

/* False where memory has run out. */
static bool build(struct table *table, const struct weir_column *columns, const json_t *rows,
                  int64_t reference_ms)
{
    bool complete = true;
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        size_t row = i / table->columns, column = i % table->columns;
        struct cell *cell = &table->cells[i];
        if (row == 0)
            weir_text_append_string(&cell->text, columns[column].heading);
        else
            fill(cell, &columns[column], json_array_get(rows, row - 1), reference_ms);
        if (row == 0)
            cell->colour = WEIR_BOLD;
        complete = complete && cell->text.at && !cell->text.failed;
        size_t width = complete ? width_of(cell->text.at) : 0;
        if (width > table->widths[column])
            table->widths[column] = width;
    }
    return complete;
}

static void print_tabbed(const struct table *table)
{
    for (size_t i = 0; i < table->rows * table->columns; i++)
        fprintf(weir_output(), "%s%c", table->cells[i].text.at,
                (i + 1) % table->columns == 0 ? '\n' : '\t');
}

/* Prints a cell into what is `left` of the line, and returns what is left behind it. */
static size_t print_cell(const struct cell *cell, size_t column_width, bool last, size_t left)
{
    size_t width = width_of(cell->text.at);
    const char *begin = weir_colour_begin(cell->colour), *end = weir_colour_end(cell->colour);
    if (left == 0)
        return 0;
    if (width > left) {
        fprintf(weir_output(), "%s%.*s…%s", begin, bytes_of(cell->text.at, left - 1), cell->text.at,
                end);
        return 0;
    }
    fprintf(weir_output(), "%s%s%s", begin, cell->text.at, end);
    size_t filled = last ? width : column_width + GAP;
    if (filled >= left)
        return 0;
    fprintf(weir_output(), "%*s", (int)(filled - width), "");
    return left - filled;
}

static void print_aligned(const struct table *table, size_t line_width)
{
    for (size_t row = 0; row < table->rows; row++) {
        size_t left = line_width;
        for (size_t column = 0; column < table->columns; column++)
            left = print_cell(&table->cells[row * table->columns + column], table->widths[column],
                              column + 1 == table->columns, left);
        fputc('\n', weir_output());
    }
}

int weir_table_print(const struct weir_column *columns, const json_t *rows, int64_t reference_ms)
{
    struct table table = {.rows = json_array_size(rows) + 1};
    struct weir_column chosen[COLUMNS_MAX];
    table.columns = choose(columns, rows, chosen);
    table.cells = calloc(table.rows * table.columns, sizeof(*table.cells));
    if (!table.cells)
        return weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    int code = WEIR_EXIT_FINE;
    if (!build(&table, chosen, rows, reference_ms))
        code = weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    else if (weir_on_terminal())
        print_aligned(&table, weir_terminal_width());
    else
        print_tabbed(&table);
    for (size_t i = 0; i < table.rows * table.columns; i++)
        weir_text_close(&table.cells[i].text);
    free(table.cells);
    return code;
}
