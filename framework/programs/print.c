/* Prints texts, JSON, times and colours so that no terminal takes them for commands. */
#include "programs/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "programs/command.h"

#define WIDTH_MIN 20
#define WIDTH_DEFAULT 80
#define WIDTH_MAX 10000

bool weir_on_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

size_t weir_terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize window;
    int64_t width = 0;
    if (!columns || !weir_parse_integer(columns, strlen(columns), &width))
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 ? window.ws_col : 0;
    return width < WIDTH_MIN || width > WIDTH_MAX ? WIDTH_DEFAULT : (size_t)width;
}

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
        {"suspended", WEIR_RED},
    };
    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return WEIR_PLAIN;
}

/* The number of bytes of the character at `at`, 0 where it is not UTF-8. */
static size_t character_length(const char *at, size_t left)
{
    for (size_t length = 1; length <= 4 && length <= left; length++)
        if (weir_utf8_valid(at, length))
            return length;
    return 0;
}

static unsigned code_point(const char *at, size_t length)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = (unsigned char)at[0] & masks[length];
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

static bool disturbs(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static void append_disturbing(struct weir_text *text, unsigned code)
{
    if (code == '\n')
        weir_text_append_string(text, "\\n");
    else if (code == '\t')
        weir_text_append_string(text, "\\t");
    else
        weir_text_format(text, "\\u%04x", code);
}

static void append_visible(struct weir_text *text, struct weir_slice slice, bool keep_line_ends)
{
    for (size_t length; slice.length > 0; slice.at += length, slice.length -= length) {
        length = character_length(slice.at, slice.length);
        unsigned code = length > 0 ? code_point(slice.at, length) : 0;
        if (length == 0) {
            length = 1;
            weir_text_format(text, "\\x%02x", (unsigned char)*slice.at);
        } else if (disturbs(code) && !(keep_line_ends && code == '\n')) {
            append_disturbing(text, code);
        } else {
            weir_text_append(text, slice.at, length);
        }
    }
}

void weir_visible_append(struct weir_text *text, struct weir_slice slice)
{
    append_visible(text, slice, false);
}

void weir_visible_append_json(struct weir_text *text, const json_t *value, size_t indent)
{
    size_t layout = indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT;
    char *dump = json_dumps(value, JSON_ENCODE_ANY | layout);
    if (dump)
        append_visible(text, weir_slice_of(dump), true);
    else
        text->failed = true;
    free(dump);
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

void weir_print_line(const struct weir_text *line)
{
    printf("%s\n", line->at ? line->at : "");
}

int weir_print_json(json_t *value_take)
{
    struct weir_text line = {0};
    if (value_take)
        weir_visible_append_json(&line, value_take, 0);
    bool made = value_take && !line.failed;
    if (made)
        weir_print_line(&line);
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
