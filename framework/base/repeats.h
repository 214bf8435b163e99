/* Which lines of a log repeat others: the first of a kind is for the log at once, what says the
 * same again is counted, and the count is told. Pure: no clock, no sink.
 *
 * A row holds a line from when it was written until a window has passed in which it has not come
 * again: 10 s, and twice as long each time that there was something to count, 10 min at the most.
 * At the end of each window the count is told. Lines are the same only where all that they say is:
 * those of two messages or sagas are not. Of one event, though, 500 lines in 10 s are written and
 * the others are counted whatever they say: that is a flood, and what it is about is on the server,
 * too. */
#ifndef WEIR_BASE_REPEATS_H
#define WEIR_BASE_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_REPEATS_ROWS 64   /* lines; one that finds no place is written */
#define WEIR_REPEATS_EVENTS 32 /* events; one that finds no place has no limit */
#define WEIR_REPEATS_EVENT_ROOM 48
#define WEIR_REPEATS_LINE_MAX 4096 /* bytes; a longer one is written */
#define WEIR_REPEATS_FIRST_MS 10000
#define WEIR_REPEATS_LAST_MS 600000
#define WEIR_REPEATS_FLOOD 500

struct weir_repeats;

/* A line: `text` is all of it but for the time. */
struct weir_repeats_line {
    const char *event;
    const char *text;
    size_t length;
    int level;
};

/* What has been counted since a time. */
struct weir_repeats_told {
    bool flood;        /* lines of the event, whatever they said; else of this one line */
    const char *event; /* this and the text are borrowed until the next call */
    const char *text;  /* NULL for a flood */
    size_t length;
    int level; /* the line's; for a flood that of the first one left out */
    uint64_t count;
    int64_t since_ms; /* when the counting began, by the clock of the calls */
};

/* NULL: no memory. */
struct weir_repeats *weir_repeats_new(void);
void weir_repeats_free(struct weir_repeats *repeats);

/* Whether the line is to be written; else it has been counted. `now` is in ms and never runs
 * backward. What is due (see below) is to be told first. */
bool weir_repeats_first(struct weir_repeats *repeats, const struct weir_repeats_line *line,
                        int64_t now);

/* The event says that all is well again with its subject, the part of its name before the dot: what
 * was said of that is over, so that it is written when it comes anew, and its counts are due. */
void weir_repeats_end(struct weir_repeats *repeats, const char *event, int64_t now);

/* The next count to tell; false: no more are due. With `all` those whose window is not over are due
 * as well. */
bool weir_repeats_due(struct weir_repeats *repeats, int64_t now, bool all,
                      struct weir_repeats_told *told);

#endif
