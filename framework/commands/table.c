/* Prints tables. */
#include "base/streams.h"
#include "commands/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/command.h"
#include "commands/print.h"
#include "commands/width.h"

#define COLUMNS_MAX 16
#define GAP 2
#define TEXT_MIN                                                                                   \
    8 /* a text is not made narrower than that: then the table is laid out otherwise               \
       */

struct cell {
    struct weir_text text;
    enum weir_colour colour;
};

struct table {
    size_t columns, rows;
    struct weir_column chosen[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    bool numbers[COLUMNS_MAX]; /* aligned at the right */
    bool hidden[COLUMNS_MAX];
    struct cell *cells; /* row by row; the heading is the first */
};

/* ---- Cells ------------------------------------------------------------------------------- */

static const json_t *member_of(const json_t *row, const char *key)
{
    char outer[32];
    const char *dot = strchr(key, '.');
    if (!dot)
        return json_object_get(row, key);
    snprintf(outer, sizeof(outer), "%.*s", (int)(dot - key), key);
    return json_object_get(json_object_get(row, outer), dot + 1);
}

static const json_t *value_of(const struct weir_column *column, const json_t *row)
{
    const json_t *value = member_of(row, column->key);
    if (column->otherwise && (!value || json_is_null(value)))
        value = member_of(row, column->otherwise);
    return value;
}

static void append_span(struct weir_text *text, enum weir_column_kind kind, int64_t ms,
                        int64_t reference_ms)
{
    int64_t span = kind == WEIR_COLUMN_AGE ? reference_ms - ms : ms - reference_ms;
    bool over = kind == WEIR_COLUMN_UNTIL && span < 0;
    if (kind == WEIR_COLUMN_AFTER || over)
        weir_text_append_string(text, over ? "-" : "+");
    weir_span_append(text, over ? -span : span);
}

static void fill(struct cell *cell, const struct weir_column *column, const json_t *row,
                 int64_t reference_ms)
{
    const json_t *value = value_of(column, row);
    bool time = column->kind >= WEIR_COLUMN_AGE;
    /* Only what is no time before 1970 can be subtracted without a thought. */
    if (!time || json_integer_value(value) <= 0) {
        weir_value_append(&cell->text, value);
        if (column->kind == WEIR_COLUMN_STATE && cell->text.at)
            cell->colour = weir_state_colour(cell->text.at);
        if (column->kind == WEIR_COLUMN_ALARM && json_integer_value(value) > 0)
            cell->colour = WEIR_RED;
        return;
    }
    append_span(&cell->text, column->kind, json_integer_value(value), reference_ms);
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

/* Whether all that stands in the column are numbers, and something does. */
static bool holds_numbers(const struct weir_column *column, const json_t *rows)
{
    bool any = false;
    if (column->kind != WEIR_COLUMN_VALUE)
        return column->kind == WEIR_COLUMN_NUMBER || column->kind == WEIR_COLUMN_ALARM;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *value = value_of(column, json_array_get(rows, i));
        if (value && !json_is_null(value) && !json_is_number(value))
            return false;
        any = any || json_is_number(value);
    }
    return any;
}

static void choose(struct table *table, const struct weir_column *columns, const json_t *rows)
{
    for (; columns->heading && table->columns < COLUMNS_MAX; columns++)
        if (is_shown(columns, rows)) {
            table->numbers[table->columns] = holds_numbers(columns, rows);
            table->chosen[table->columns++] = *columns;
        }
}

/* False where memory has run out. */
static bool build(struct table *table, const json_t *rows, int64_t reference_ms)
{
    bool complete = true;
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        size_t row = i / table->columns, column = i % table->columns;
        struct cell *cell = &table->cells[i];
        if (row == 0)
            weir_text_append_string(&cell->text, table->chosen[column].heading);
        else
            fill(cell, &table->chosen[column], json_array_get(rows, row - 1), reference_ms);
        if (row == 0)
            cell->colour = WEIR_BOLD;
        complete = complete && cell->text.at && !cell->text.failed;
        size_t width = complete ? weir_width_of(cell->text.at) : 0;
        if (width > table->widths[column])
            table->widths[column] = width;
    }
    return complete;
}

/* ---- Elsewhere than on a terminal -------------------------------------------------------- */

static void print_tabbed(const struct table *table)
{
    for (size_t i = 0; i < table->rows * table->columns; i++)
        fprintf(weir_output(), "%s%c", table->cells[i].text.at,
                (i + 1) % table->columns == 0 ? '\n' : '\t');
}

/* ---- Fitting a terminal ------------------------------------------------------------------ */

/* Ids, numbers and spans are never cut: half of one is wrong. */
static bool is_cuttable(const struct table *table, size_t column)
{
    return table->chosen[column].kind == WEIR_COLUMN_VALUE && !table->numbers[column] &&
           !table->chosen[column].whole;
}

static size_t narrowest(const struct table *table, size_t column)
{
    size_t width = table->widths[column];
    return is_cuttable(table, column) && width > TEXT_MIN ? TEXT_MIN : width;
}

static size_t line_of(const struct table *table,
                      size_t (*width)(const struct table *table, size_t column))
{
    size_t line = 0;
    for (size_t i = 0; i < table->columns; i++)
        if (!table->hidden[i])
            line += (line > 0 ? GAP : 0) + width(table, i);
    return line;
}

static size_t own_width(const struct table *table, size_t column)
{
    return table->widths[column];
}

/* Hides the column that is missed least; false where there is none. */
static bool hide_one(struct table *table)
{
    size_t least = COLUMNS_MAX;
    for (size_t i = 0; i < table->columns; i++)
        if (!table->hidden[i] && table->chosen[i].spare > 0 &&
            (least == COLUMNS_MAX || table->chosen[i].spare > table->chosen[least].spare))
            least = i;
    if (least < COLUMNS_MAX)
        table->hidden[least] = true;
    return least < COLUMNS_MAX;
}

/* The widest texts give first. */
static void shrink(struct table *table, size_t excess)
{
    for (; excess > 0; excess--) {
        size_t widest = COLUMNS_MAX;
        for (size_t i = 0; i < table->columns; i++)
            if (!table->hidden[i] && table->widths[i] > narrowest(table, i) &&
                (widest == COLUMNS_MAX || table->widths[i] > table->widths[widest]))
                widest = i;
        if (widest == COLUMNS_MAX)
            return;
        table->widths[widest]--;
    }
}

/* False where it cannot be done. */
static bool fit(struct table *table, size_t line_width)
{
    while (line_of(table, narrowest) > line_width)
        if (!hide_one(table))
            return false;
    size_t line = line_of(table, own_width);
    shrink(table, line > line_width ? line - line_width : 0);
    return true;
}

/* ---- On a terminal ----------------------------------------------------------------------- */

static void print_cell(const struct cell *cell, size_t room, bool right, bool last)
{
    size_t width = weir_width_of(cell->text.at), taken = width;
    size_t bytes = width > room ? weir_width_bytes(cell->text.at, room > 0 ? room - 1 : 0, &taken)
                                : cell->text.length;
    const char *ellipsis = width > room ? "…" : "";
    size_t filled = width > room ? taken + 1 : width, padding = room > filled ? room - filled : 0;
    if (right)
        fprintf(weir_output(), "%*s", (int)padding, "");
    fprintf(weir_output(), "%s%.*s%s%s", weir_colour_begin(cell->colour), (int)bytes, cell->text.at,
            ellipsis, weir_colour_end(cell->colour));
    if (!right && !last)
        fprintf(weir_output(), "%*s", (int)padding, "");
}

static void print_aligned(const struct table *table)
{
    size_t last = table->columns;
    while (last > 0 && table->hidden[last - 1])
        last--;
    for (size_t row = 0; row < table->rows; row++) {
        bool first = true;
        for (size_t column = 0; column < last; column++) {
            if (table->hidden[column])
                continue;
            fprintf(weir_output(), "%*s", first ? 0 : GAP, "");
            print_cell(&table->cells[row * table->columns + column], table->widths[column],
                       table->numbers[column], column + 1 == last);
            first = false;
        }
        fputc('\n', weir_output());
    }
}

/* One value a line, for a terminal that is too narrow for rows. */
static void print_records(const struct table *table, size_t line_width)
{
    size_t heading = 0;
    for (size_t column = 0; column < table->columns; column++) {
        size_t width = weir_width_of(table->cells[column].text.at);
        heading = width > heading ? width : heading;
    }
    size_t room = line_width > heading + GAP + TEXT_MIN ? line_width - heading - GAP : TEXT_MIN;
    for (size_t i = table->columns; i < table->rows * table->columns; i++) {
        if (i % table->columns == 0 && i > table->columns)
            fputc('\n', weir_output());
        print_cell(&table->cells[i % table->columns], heading, false, false);
        fprintf(weir_output(), "%*s", GAP, "");
        bool whole = table->chosen[i % table->columns].whole;
        print_cell(&table->cells[i], whole ? SIZE_MAX : room, false, true);
        fputc('\n', weir_output());
    }
}

static void print_fitted(struct table *table)
{
    size_t line_width = weir_terminal_width();
    if (fit(table, line_width))
        print_aligned(table);
    else
        print_records(table, line_width);
}

int weir_table_print(const struct weir_column *columns, const json_t *rows, int64_t reference_ms)
{
    struct table table = {.rows = json_array_size(rows) + 1};
    choose(&table, columns, rows);
    table.cells = calloc(table.rows * table.columns, sizeof(*table.cells));
    if (!table.cells)
        return weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    int code = WEIR_EXIT_FINE;
    if (!build(&table, rows, reference_ms))
        code = weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    else if (weir_on_terminal())
        print_fitted(&table);
    else
        print_tabbed(&table);
    for (size_t i = 0; i < table.rows * table.columns; i++)
        weir_text_close(&table.cells[i].text);
    free(table.cells);
    return code;
}
