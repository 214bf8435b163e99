/* One line per event to one sink, as text for people or JSON for machines. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum weir_log_level { WEIR_LOG_DEBUG, WEIR_LOG_INFO, WEIR_LOG_WARNING, WEIR_LOG_ERROR };
enum weir_log_format {
    WEIR_LOG_TEXT,
    WEIR_LOG_JSON,
    WEIR_LOG_AUTO, /* text where the sink is a terminal, JSON otherwise: never in a weir_log */
};

/* Their words, each at its number; NULL ends them. */
extern const char *const weir_log_level_words[], *const weir_log_format_words[];

/* For programs' tables of options: an int of their settings for each. */
#define WEIR_LOG_OPTIONS(level_place, format_place)                                                \
    {.name = "log-level",                                                                          \
     .environment = "WEIR_LOG_LEVEL",                                                              \
     .kind = WEIR_OPTION_CHOICE,                                                                   \
     .offset = (level_place),                                                                      \
     .initial = "info",                                                                            \
     .choices = weir_log_level_words,                                                              \
     .value_name = "LEVEL",                                                                        \
     .help = "least important lines to write"},                                                    \
    {                                                                                              \
        .name = "log-format", .environment = "WEIR_LOG_FORMAT", .kind = WEIR_OPTION_CHOICE,        \
        .offset = (format_place), .initial = "auto", .choices = weir_log_format_words,             \
        .value_name = "FORMAT",                                                                    \
        .help = "one line per event, for people or for machines; auto: text where standard error " \
                "is a terminal"                                                                    \
    }

struct weir_log {
    enum weir_log_level level; /* what is below it is not written */
    enum weir_log_format format;
    bool colour;        /* text only */
    bool journal;       /* systemd's: each line has its priority before it, as "<4>" */
    int descriptor;     /* where lines go: one write(2) for each line */
    const char *source; /* the service's name, in every line; borrowed */
    uint64_t dropped;   /* lines that the sink did not take; never an error for the caller */
    struct weir_repeats *repeats; /* counts warnings and errors that repeat themselves; or NULL */
    int64_t (*clock_ms)(void);    /* by which it does: weir_clock_monotonic_ms */
};

/* Text at level info to standard error, coloured where that is a terminal and NO_COLOR is not
 * set. Where it leads to systemd's journal ($JOURNAL_STREAM) lines tell it their priority. */
void weir_log_init(struct weir_log *log, const char *source);
void weir_log_set_format(struct weir_log *log, enum weir_log_format format);

/* A program's words where it has no log yet: "<program>: <text>" to standard error, and an error
 * for systemd's journal. */
void weir_complain(const char *program, const char *text);

/* From now on warnings and errors that say the same as one before are counted (base/repeats.h says
 * which and for how long). The count is told by a line like the first, with `repeated` and `since`
 * as further fields; of a flood by `log.flood` with `of`, `count` and `since`. A line at level info
 * ends the counting for its subject, the part of its event's name before the dot. Without memory
 * for it all is written. */
void weir_log_count_repeats(struct weir_log *log);
/* Writes the counts whose window is over: to be called about every second, if nothing is logged. */
void weir_log_tell_repeats(struct weir_log *log);
/* Writes all counts and counts no more. */
void weir_log_close(struct weir_log *log);

/* Writes one line. `event` is a stable dotted name ("commit.refused"). `format` holds the fields
 * as "key=%s key=%lld …", separated by single blanks, each value one conversion out of
 * %s %d %u %ld %lu %lld %llu %zu %.*s; text values are escaped, so that no value can begin a new
 * line or forge a field. A NULL for %s leaves the field out. `format` may be NULL. Text values
 * are cut at 1024 bytes.
 *   text: 2026-01-31T12:00:00.123Z info  payments commit.refused key={payments}:account:c7 …
 *   JSON: {"ts":"2026-01-31T12:00:00.123Z","level":"info","source":"payments","event":"…",…} */
void weir_log_write(struct weir_log *log, enum weir_log_level level, const char *event,
                    const char *format, ...) WEIR_PRINTF(4, 5);

/* The same with an argument list, and with further text fields behind it: names and values in
 * turn, ended by a NULL name; a NULL value leaves the field out. */
void weir_log_write_list(struct weir_log *log, enum weir_log_level level, const char *event,
                         const char *const *pairs, const char *format, va_list arguments)
    WEIR_PRINTF(5, 0);

#define weir_log_debug(log, ...) weir_log_write((log), WEIR_LOG_DEBUG, __VA_ARGS__)
#define weir_log_info(log, ...) weir_log_write((log), WEIR_LOG_INFO, __VA_ARGS__)
#define weir_log_warning(log, ...) weir_log_write((log), WEIR_LOG_WARNING, __VA_ARGS__)
#define weir_log_error(log, ...) weir_log_write((log), WEIR_LOG_ERROR, __VA_ARGS__)

#endif
