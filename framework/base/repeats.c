/* Which lines of a log repeat others: rows of lines with the end of their window, and of events
 * with how many of their lines went out in the last one. */
#include "base/repeats.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct row {
    char *text; /* owned; NULL: the row is free */
    size_t length;
    char event[WEIR_REPEATS_EVENT_ROOM];
    int level;
    int64_t window_ms, ends_at, since_ms;
    uint64_t count;
    bool over; /* told once more and then free */
};

struct event {
    char name[WEIR_REPEATS_EVENT_ROOM]; /* "": the row is free */
    int level;
    int64_t began_at;
    unsigned written;
    uint64_t left_out;
};

struct weir_repeats {
    struct row rows[WEIR_REPEATS_ROWS];
    struct event events[WEIR_REPEATS_EVENTS];
    char *told;       /* text of a row that is free by now */
    int64_t next_due; /* nothing is due before */
};

struct weir_repeats *weir_repeats_new(void)
{
    struct weir_repeats *repeats = calloc(1, sizeof *repeats);
    if (repeats != NULL)
        repeats->next_due = INT64_MAX;
    return repeats;
}

void weir_repeats_free(struct weir_repeats *repeats)
{
    if (repeats == NULL)
        return;
    for (size_t i = 0; i < WEIR_REPEATS_ROWS; i++)
        free(repeats->rows[i].text);
    free(repeats->told);
    free(repeats);
}

static void due_by(struct weir_repeats *repeats, int64_t at)
{
    if (at < repeats->next_due)
        repeats->next_due = at;
}

/* ---- The same line ----------------------------------------------------------------------- */

static struct row *find_row(struct weir_repeats *repeats, const struct weir_repeats_line *line)
{
    for (size_t i = 0; i < WEIR_REPEATS_ROWS; i++) {
        struct row *row = &repeats->rows[i];
        if (row->text != NULL && !row->over && row->length == line->length &&
            row->level == line->level && memcmp(row->text, line->text, line->length) == 0)
            return row;
    }
    return NULL;
}

/* A free one, or the oldest of those that have counted nothing: its line has not come again. */
static struct row *room_for_row(struct weir_repeats *repeats)
{
    struct row *found = NULL;
    for (size_t i = 0; i < WEIR_REPEATS_ROWS; i++) {
        struct row *row = &repeats->rows[i];
        if (row->text == NULL)
            return row;
        if (row->count == 0 && (found == NULL || row->ends_at < found->ends_at))
            found = row;
    }
    return found;
}

static void begin_row(struct weir_repeats *repeats, const struct weir_repeats_line *line,
                      int64_t now)
{
    struct row *row = room_for_row(repeats);
    char *text;
    if (row == NULL || line->length > WEIR_REPEATS_LINE_MAX ||
        (text = malloc(line->length + 1)) == NULL)
        return;
    memcpy(text, line->text, line->length);
    text[line->length] = '\0';
    free(row->text);
    *row = (struct row){.text = text,
                        .length = line->length,
                        .level = line->level,
                        .window_ms = WEIR_REPEATS_FIRST_MS,
                        .ends_at = now + WEIR_REPEATS_FIRST_MS,
                        .since_ms = now};
    weir_copy(row->event, sizeof row->event, line->event);
    due_by(repeats, row->ends_at);
}

/* ---- Too many of one event ----------------------------------------------------------------- */

static struct event *event_of(struct weir_repeats *repeats, const char *name, int64_t now)
{
    struct event *room = NULL;
    for (size_t i = 0; i < WEIR_REPEATS_EVENTS; i++) {
        struct event *event = &repeats->events[i];
        if (event->name[0] != '\0' && strncmp(event->name, name, WEIR_REPEATS_EVENT_ROOM - 1) == 0)
            return event;
        if (event->name[0] == '\0' ||
            (event->left_out == 0 && now - event->began_at >= WEIR_REPEATS_FIRST_MS))
            room = event;
    }
    if (room != NULL) {
        *room = (struct event){.began_at = now};
        weir_copy(room->name, sizeof room->name, name);
    }
    return room;
}

static bool floods(struct weir_repeats *repeats, const struct weir_repeats_line *line, int64_t now)
{
    struct event *event = event_of(repeats, line->event, now);
    if (event == NULL)
        return false;
    if (event->left_out == 0 && now - event->began_at >= WEIR_REPEATS_FIRST_MS) {
        event->began_at = now;
        event->written = 0;
    }
    if (event->written < WEIR_REPEATS_FLOOD) {
        event->written++;
        return false;
    }
    if (event->left_out++ == 0)
        event->level = line->level;
    due_by(repeats, event->began_at + WEIR_REPEATS_FIRST_MS);
    return true;
}

/* ---- Lines that come ----------------------------------------------------------------------- */

bool weir_repeats_first(struct weir_repeats *repeats, const struct weir_repeats_line *line,
                        int64_t now)
{
    struct row *row = find_row(repeats, line);
    if (row != NULL) {
        row->count++;
        return false;
    }
    if (floods(repeats, line, now))
        return false;
    begin_row(repeats, line, now);
    return true;
}

static bool same_subject(const char *one, const char *other)
{
    size_t length = strcspn(one, ".");
    return strcspn(other, ".") == length && memcmp(one, other, length) == 0;
}

void weir_repeats_end(struct weir_repeats *repeats, const char *event, int64_t now)
{
    for (size_t i = 0; i < WEIR_REPEATS_ROWS; i++) {
        struct row *row = &repeats->rows[i];
        if (row->text == NULL || !same_subject(row->event, event))
            continue;
        row->over = true;
        row->ends_at = now;
        due_by(repeats, now);
    }
}

/* ---- Counts that go ------------------------------------------------------------------------ */

static void free_row(struct weir_repeats *repeats, struct row *row)
{
    free(repeats->told); /* its text is lent until the next call */
    repeats->told = row->text;
    row->text = NULL;
}

/* A window has ended. What has come again in it goes on to be counted, for longer. */
static bool end_window(struct weir_repeats *repeats, struct row *row, int64_t now, bool all,
                       struct weir_repeats_told *told)
{
    bool counted = row->count > 0;
    if (counted)
        *told = (struct weir_repeats_told){.event = row->event,
                                           .text = row->text,
                                           .length = row->length,
                                           .level = row->level,
                                           .count = row->count,
                                           .since_ms = row->since_ms};
    if (!counted || row->over || all) {
        free_row(repeats, row);
        return counted;
    }
    row->window_ms =
        row->window_ms * 2 < WEIR_REPEATS_LAST_MS ? row->window_ms * 2 : WEIR_REPEATS_LAST_MS;
    row->ends_at = now + row->window_ms;
    row->since_ms = now;
    row->count = 0;
    return true;
}

static bool end_flood(struct event *event, int64_t now, struct weir_repeats_told *told)
{
    *told = (struct weir_repeats_told){.flood = true,
                                       .event = event->name,
                                       .level = event->level,
                                       .count = event->left_out,
                                       .since_ms = event->began_at};
    event->began_at = now;
    event->written = 0;
    event->left_out = 0;
    return true;
}

static void look_ahead(struct weir_repeats *repeats)
{
    repeats->next_due = INT64_MAX;
    for (size_t i = 0; i < WEIR_REPEATS_ROWS; i++)
        if (repeats->rows[i].text != NULL)
            due_by(repeats, repeats->rows[i].ends_at);
    for (size_t i = 0; i < WEIR_REPEATS_EVENTS; i++)
        if (repeats->events[i].left_out > 0)
            due_by(repeats, repeats->events[i].began_at + WEIR_REPEATS_FIRST_MS);
}

bool weir_repeats_due(struct weir_repeats *repeats, int64_t now, bool all,
                      struct weir_repeats_told *told)
{
    if (!all && now < repeats->next_due)
        return false;
    for (size_t i = 0; i < WEIR_REPEATS_ROWS; i++) {
        struct row *row = &repeats->rows[i];
        if (row->text != NULL && (all || now >= row->ends_at) &&
            end_window(repeats, row, now, all, told))
            return true;
    }
    for (size_t i = 0; i < WEIR_REPEATS_EVENTS; i++) {
        struct event *event = &repeats->events[i];
        if (event->left_out > 0 && (all || now >= event->began_at + WEIR_REPEATS_FIRST_MS))
            return end_flood(event, now, told);
    }
    look_ahead(repeats);
    return false;
}
