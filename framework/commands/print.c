/* Prints texts, JSON, times and colours so that no terminal takes them for commands. */
#include "base/streams.h"
#include "commands/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands/command.h"
#include "commands/visible.h"
#include "commands/width.h"

static bool colour_wanted(void)
{
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return weir_on_terminal() && !(refused && *refused) &&
           !(terminal && strcmp(terminal, "dumb") == 0);
}

const char *weir_colour_begin(enum weir_colour colour)
{
    static const char *const codes[] = {[WEIR_PLAIN] = "",
                                        [WEIR_BOLD] = "\033[1m",
                                        [WEIR_GREEN] = "\033[32m",
                                        [WEIR_YELLOW] = "\033[33m",
                                        [WEIR_RED] = "\033[31m"};
    return colour_wanted() ? codes[colour] : "";
}

const char *weir_colour_end(enum weir_colour colour)
{
    return colour != WEIR_PLAIN && colour_wanted() ? "\033[0m" : "";
}

enum weir_colour weir_state_colour(const char *state)
{
    static const struct {
        const char *state;
        enum weir_colour colour;
    } colours[] = {
        {"completed", WEIR_GREEN},     {"succeeded", WEIR_GREEN}, {"compensated", WEIR_YELLOW},
        {"compensating", WEIR_YELLOW}, {"timed-out", WEIR_RED},   {"failed", WEIR_RED},
        {"suspended", WEIR_RED},       {"behind", WEIR_YELLOW},   {"forgotten", WEIR_RED},
        {"stopped", WEIR_RED},         {"parked", WEIR_RED},      {"unattended", WEIR_RED},
        {"alive", WEIR_GREEN},         {"silent", WEIR_YELLOW},   {"gone", WEIR_RED},
    };
    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return WEIR_PLAIN;
}

void weir_value_append(struct weir_text *text, const json_t *value)
{
    struct weir_slice slice = {json_string_value(value), json_string_length(value)};
    if (!value || json_is_null(value) || (slice.at && slice.length == 0))
        weir_text_append_string(text, "-");
    else if (slice.at)
        weir_visible_append(text, slice);
    else
        weir_visible_append_json(text, value, 0);
}

/* An escape sequence for a colour, which takes no column: its bytes; 0 where there is none. */
static size_t colour_at(const char *text)
{
    if (strncmp(text, "\033[", 2) != 0)
        return 0;
    size_t length = 2 + strspn(text + 2, "0123456789;");
    return text[length] == 'm' ? length + 1 : 0;
}

/* How many bytes of the text make the next line: up to a newline, or as many as fit, to a blank if
 * there is one. */
static size_t line_length(const char *text, size_t width)
{
    size_t at = 0, blank = 0, column = 0;
    while (text[at] && text[at] != '\n') {
        size_t taken = 0, length = colour_at(text + at);
        if (length == 0) {
            length = weir_width_character(text + at, &taken);
            if (column + taken > width)
                return blank > 0 ? blank : at > 0 ? at : length;
            if (text[at] == ' ' && column > 0)
                blank = at;
        }
        column += taken;
        at += length;
    }
    return at;
}

void weir_print_wrapped(const struct weir_text *line, size_t indent)
{
    const char *text = line->at ? line->at : "";
    size_t width = weir_terminal_width();
    if (!weir_on_terminal()) {
        fprintf(weir_output(), "%s\n", text);
        return;
    }
    indent = indent < width / 2 ? indent : 0;
    for (size_t room = width;;) {
        size_t length = line_length(text, room);
        fprintf(weir_output(), "%.*s\n", (int)length, text);
        bool whole = text[length] == '\n';
        text += length + (whole || text[length] == ' ');
        if (!*text)
            return;
        room = whole ? width : width - indent;
        fprintf(weir_output(), "%*s", whole ? 0 : (int)indent, "");
    }
}

void weir_print_line(const struct weir_text *line)
{
    weir_print_wrapped(line, 0);
}

int weir_print_json(json_t *value_take)
{
    struct weir_text line = {0};
    if (value_take)
        weir_visible_append_json(&line, value_take, 0);
    bool made = value_take && !line.failed;
    if (made) /* on one line, on a terminal, too */
        fprintf(weir_output(), "%s\n", line.at);
    weir_text_close(&line);
    json_decref(value_take);
    return made ? WEIR_EXIT_FINE : weir_fail(WEIR_EXIT_FAILED, "memory ran out");
}

void weir_span_append(struct weir_text *text, int64_t ms)
{
    int64_t seconds = ms / 1000, minutes = seconds / 60, hours = minutes / 60;
    if (ms < 1000)
        weir_text_format(text, "%" PRId64 "ms", ms < 0 ? 0 : ms);
    else if (seconds < 60)
        weir_text_format(text, "%" PRId64 ".%" PRId64 "s", seconds, ms % 1000 / 100);
    else if (minutes < 60)
        weir_text_format(text, "%" PRId64 "m%02" PRId64 "s", minutes, seconds % 60);
    else if (hours < 24)
        weir_text_format(text, "%" PRId64 "h%02" PRId64 "m", hours, minutes % 60);
    else
        weir_text_format(text, "%" PRId64 "d%" PRId64 "h", hours / 24, hours % 24);
}

void weir_time_append(struct weir_text *text, int64_t ms)
{
    char day[32], zone[16];
    struct tm local;
    time_t seconds = (time_t)(ms / 1000);
    if (ms < 0 || !localtime_r(&seconds, &local)) {
        weir_text_format(text, "%" PRId64, ms);
        return;
    }
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &local);
    strftime(zone, sizeof(zone), "%z", &local);
    weir_text_format(text, "%s.%03" PRId64 "%s", day, ms % 1000, zone);
}
