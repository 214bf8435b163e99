/* Draws the steps of a saga. */
#include "commands/timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "commands/output.h"
#include "commands/print.h"
#include "commands/visible.h"
#include "commands/width.h"

#define STEPS_MAX 64
#define TIME_MAX INT64_C(9007199254740992)
#define NAME_MIN 8
#define BAR_MIN 8
#define STATE_WIDTH 12 /* "compensating" */
#define TRIES_WIDTH 7  /* "tries", and a blank on each side */
#define NARROW 60      /* below it the mark alone tells the state */

enum drawn { ENDED, UNDONE, GOES_ON };

struct pen {
    const char *marks[6]; /* by enum mark */
    const char *rails[4]; /* alone, first, middle, last of those side by side */
    const char *blocks[3];
    const char *ellipsis;
};

enum mark { MARK_NONE, MARK_ON, MARK_DONE, MARK_BAD, MARK_UNDONE, MARK_SKIPPED };

static const struct pen blocks = {
    {"·", "▸", "✓", "✗", "↺", "»"}, {" ", "┌", "├", "└"}, {"█", "▒", "░"}, "…"};
static const struct pen letters = {
    {".", ">", "+", "x", "<", "-"}, {" ", "/", "|", "\\"}, {"#", "<", "="}, "~"};

struct drawing {
    const struct pen *pen;
    const json_t *steps;
    size_t order[STEPS_MAX], count;
    int depth[STEPS_MAX];
    int64_t from_ms, to_ms;
    size_t width, name_width, bar_width;
    bool utf8, full, narrow, cut;
};

bool weir_timeline_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = NULL;
    for (size_t i = 0; i < 3 && !(locale && *locale); i++)
        locale = getenv(names[i]);
    for (const char *at = locale; at && *at; at++)
        if (strncasecmp(at, "utf-8", 5) == 0 || strncasecmp(at, "utf8", 4) == 0)
            return true;
    return false;
}

/* ---- The steps' order -------------------------------------------------------------------- */

static int place_of(const struct drawing *drawing, const json_t *name)
{
    for (size_t i = 0; i < drawing->count; i++)
        if (json_equal(json_object_get(json_array_get(drawing->steps, i), "name"), (json_t *)name))
            return (int)i;
    return -1;
}

/* How many steps lie before it, one behind the other. A definition has no circles; more rounds than
 * steps are not made in any case. */
static void measure_depths(struct drawing *drawing)
{
    bool changed = true;
    for (size_t round = 0; changed && round < drawing->count; round++) {
        changed = false;
        for (size_t i = 0; i < drawing->count; i++) {
            const json_t *after = json_object_get(json_array_get(drawing->steps, i), "after"),
                         *name;
            size_t j;
            json_array_foreach(after, j, name)
            {
                int before = place_of(drawing, name);
                if (before >= 0 && drawing->depth[before] + 1 > drawing->depth[i]) {
                    drawing->depth[i] = drawing->depth[before] + 1;
                    changed = true;
                }
            }
        }
    }
}

/* Where nothing is known of what waits for what, each stands alone, as it comes. */
static void put_in_order(struct drawing *drawing)
{
    drawing->count = json_array_size(drawing->steps);
    if (drawing->count > STEPS_MAX)
        drawing->count = STEPS_MAX;
    measure_depths(drawing);
    for (size_t i = 0; i < drawing->count; i++) {
        size_t at = i;
        if (!json_is_array(json_object_get(json_array_get(drawing->steps, i), "after")))
            drawing->depth[i] = (int)i;
        for (; at > 0 && drawing->depth[drawing->order[at - 1]] > drawing->depth[i]; at--)
            drawing->order[at] = drawing->order[at - 1];
        drawing->order[at] = i;
    }
}

static const char *rail_of(const struct drawing *drawing, size_t row)
{
    int depth = drawing->depth[drawing->order[row]];
    bool before = row > 0 && drawing->depth[drawing->order[row - 1]] == depth;
    bool behind = row + 1 < drawing->count && drawing->depth[drawing->order[row + 1]] == depth;
    return drawing->pen->rails[before ? (behind ? 2 : 3) : (behind ? 1 : 0)];
}

/* ---- A line ------------------------------------------------------------------------------ */

static const char *text_of(const json_t *step, const char *key)
{
    const char *text = json_string_value(json_object_get(step, key));
    return text ? text : "";
}

static int64_t number_of(const json_t *step, const char *key)
{
    return json_integer_value(json_object_get(step, key));
}

/* A time that can be subtracted without a thought; what is none stands at 0. */
static int64_t sane_ms(int64_t ms)
{
    return ms < 0 || ms > TIME_MAX ? 0 : ms;
}

static enum mark mark_of(const char *state)
{
    static const struct {
        const char *state;
        enum mark mark;
    } marks[] = {{"running", MARK_ON},        {"compensating", MARK_ON}, {"succeeded", MARK_DONE},
                 {"failed", MARK_BAD},        {"timed-out", MARK_BAD},   {"skipped", MARK_SKIPPED},
                 {"compensated", MARK_UNDONE}};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (strcmp(marks[i].state, state) == 0)
            return marks[i].mark;
    return MARK_NONE;
}

bool weir_timeline_fit(struct weir_text *line, const char *text, size_t width, bool utf8)
{
    size_t taken = 0;
    if (weir_width_of(text) <= width) {
        weir_text_append_string(line, text);
        return true;
    }
    weir_text_append(line, text, weir_width_bytes(text, width > 0 ? width - 1 : 0, &taken));
    weir_text_append_string(line, width == 0 ? "" : utf8 ? blocks.ellipsis : letters.ellipsis);
    return false;
}

/* Appends a visible text in exactly `width` columns. */
static void append_cell(struct drawing *drawing, struct weir_text *line, const char *text,
                        size_t width)
{
    size_t own = weir_width_of(text);
    if (!weir_timeline_fit(line, text, width, drawing->utf8))
        drawing->cut = true;
    for (; own < width; own++)
        weir_text_append_string(line, " ");
}

/* The column of the bars in which a time lies. */
static size_t column_at(const struct drawing *drawing, int64_t ms)
{
    double whole = (double)(drawing->to_ms - drawing->from_ms);
    double part = (double)(ms - drawing->from_ms) / (whole > 0 ? whole : 1);
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    return (size_t)(part * (double)drawing->bar_width);
}

static void append_bar(const struct drawing *drawing, struct weir_text *line, const json_t *step)
{
    int64_t sent = sane_ms(number_of(step, "sentAt"));
    int64_t ended = sane_ms(number_of(step, "endedAt"));
    const char *state = text_of(step, "state");
    enum drawn drawn = strcmp(state, "compensated") == 0 ? UNDONE : ENDED;
    if (sent <= 0)
        return;
    if (ended < sent) {
        bool active = mark_of(state) == MARK_ON;
        ended = active ? drawing->to_ms : sent;
        drawn = active ? GOES_ON : drawn;
    }
    size_t first = column_at(drawing, sent), last = column_at(drawing, ended);
    if (first >= drawing->bar_width)
        first = drawing->bar_width - 1;
    if (last <= first)
        last = first + 1; /* however short, it is seen */
    for (size_t i = 0; i < last; i++)
        weir_text_append_string(line, i < first ? " " : drawing->pen->blocks[drawn]);
}

static void append_tries(struct weir_text *out, const json_t *step)
{
    int64_t undone = number_of(step, "compensationAttempts");
    if (number_of(step, "attempts") > 0 || undone > 0)
        weir_text_format(out, "%lld", (long long)number_of(step, "attempts"));
    if (undone > 0)
        weir_text_format(out, "/%lld", (long long)undone);
}

static void print_step(struct drawing *drawing, size_t row)
{
    const json_t *step = json_array_get(drawing->steps, drawing->order[row]);
    const char *state = text_of(step, "state");
    struct weir_text line = {0}, cell = {0};
    enum weir_colour colour = weir_state_colour(state);
    const char *begin = weir_colour_begin(colour), *end = weir_colour_end(colour);
    weir_text_format(&line, "%s%s%s %s ", begin, drawing->pen->marks[mark_of(state)], end,
                     rail_of(drawing, row));
    weir_value_append(&cell, json_object_get(step, "name"));
    append_cell(drawing, &line, cell.at ? cell.at : "", drawing->name_width);
    weir_text_clear(&cell);
    if (!drawing->narrow) {
        weir_value_append(&cell, json_object_get(step, "state"));
        weir_text_format(&line, "  %s", begin);
        append_cell(drawing, &line, cell.at ? cell.at : "", STATE_WIDTH);
        weir_text_append_string(&line, end);
        weir_text_clear(&cell);
    }
    append_tries(&cell, step);
    weir_text_append_string(&line, " ");
    append_cell(drawing, &line, cell.at && cell.length > 0 ? cell.at : "", TRIES_WIDTH - 1);
    weir_text_append_string(&line, begin);
    append_bar(drawing, &line, step);
    weir_text_append_string(&line, end);
    weir_print_line(&line);
    weir_text_close(&cell);
    weir_text_close(&line);
}

/* What it has said, below its line: the error before the result. */
static void print_words(struct drawing *drawing, const json_t *step)
{
    const json_t *error = json_object_get(step, "error"), *result = json_object_get(step, "result");
    const json_t *value = json_is_string(error) ? error : result;
    struct weir_text line = {0}, words = {0};
    if (!value || json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0))
        return;
    weir_value_append(&words, value);
    weir_text_append_string(&line, "    ");
    if (drawing->full)
        weir_text_append_string(&line, words.at ? words.at : "");
    else if (!weir_timeline_fit(&line, words.at ? words.at : "", drawing->width - 4, drawing->utf8))
        drawing->cut = true;
    fprintf(weir_output(), "%s\n", line.at ? line.at : ""); /* --full: on one line */
    weir_text_close(&words);
    weir_text_close(&line);
}

/* ---- The drawing ------------------------------------------------------------------------- */

static void share_out(struct drawing *drawing)
{
    size_t longest = NAME_MIN, around;
    for (size_t i = 0; i < drawing->count; i++) {
        struct weir_text name = {0};
        weir_value_append(&name, json_object_get(json_array_get(drawing->steps, i), "name"));
        size_t width = weir_width_of(name.at ? name.at : "");
        longest = width > longest ? width : longest;
        weir_text_close(&name);
    }
    drawing->narrow = drawing->width < NARROW;
    around = 4 + TRIES_WIDTH + (drawing->narrow ? 0 : 2 + STATE_WIDTH);
    drawing->name_width = longest;
    if (longest + around + BAR_MIN > drawing->width)
        drawing->name_width = drawing->width > around + BAR_MIN + NAME_MIN
                                  ? drawing->width - around - BAR_MIN
                                  : NAME_MIN;
    around += drawing->name_width;
    drawing->bar_width = drawing->width > around + 1 ? drawing->width - around : 1;
}

/* "step   state   tries  0      1.2s" over the bars. */
static void print_heading(struct drawing *drawing)
{
    struct weir_text line = {0}, span = {0};
    weir_span_append(&span, drawing->to_ms - drawing->from_ms);
    weir_text_append_string(&line, weir_colour_begin(WEIR_BOLD));
    weir_text_append_string(&line, "    ");
    append_cell(drawing, &line, "step", drawing->name_width);
    if (!drawing->narrow) {
        weir_text_append_string(&line, "  ");
        append_cell(drawing, &line, "state", STATE_WIDTH);
    }
    weir_text_append_string(&line, " ");
    append_cell(drawing, &line, "tries", TRIES_WIDTH - 1);
    weir_text_append_string(&line, "0");
    for (size_t i = 1 + span.length; i < drawing->bar_width; i++)
        weir_text_append_string(&line, " ");
    if (1 + span.length < drawing->bar_width)
        weir_text_append_string(&line, span.at ? span.at : "");
    weir_text_append_string(&line, weir_colour_end(WEIR_BOLD));
    weir_print_line(&line);
    weir_text_close(&span);
    weir_text_close(&line);
}

bool weir_timeline_print(const json_t *steps, int64_t from_ms, int64_t to_ms, size_t width,
                         bool utf8, bool full)
{
    from_ms = sane_ms(from_ms);
    to_ms = sane_ms(to_ms);
    struct drawing drawing = {.pen = utf8 ? &blocks : &letters,
                              .steps = steps,
                              .from_ms = from_ms,
                              .to_ms = to_ms > from_ms ? to_ms : from_ms + 1,
                              .width = width,
                              .utf8 = utf8,
                              .full = full};
    put_in_order(&drawing);
    share_out(&drawing);
    if (drawing.count > 0)
        print_heading(&drawing);
    for (size_t row = 0; row < drawing.count; row++) {
        print_step(&drawing, row);
        print_words(&drawing, json_array_get(steps, drawing.order[row]));
    }
    return drawing.cut;
}
