/* Draws how far a rebuild is. */
#include "base/streams.h"
#include "commands/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "commands/print.h"

#define SAMPLE_MS 250
#define LINE_MS 5000
#define REDRAW_MS 100
#define BAR_WIDTH 30
#define BAR_LEAST_WIDTH 90 /* of a terminal that has room for a bar */

void weir_progress_init(struct weir_progress *progress, const char *name, bool quiet)
{
    const char *terminal = getenv("TERM");
    *progress = (struct weir_progress){.name = name, .quiet = quiet};
    progress->in_place = isatty(STDERR_FILENO) == 1 && !(terminal && strcmp(terminal, "dumb") == 0);
}

/* ---- Rate -------------------------------------------------------------------------------- */

static const struct weir_progress_sample *sample(const struct weir_progress *progress, size_t place)
{
    return &progress->samples[place % WEIR_PROGRESS_SAMPLES];
}

static void take_sample(struct weir_progress *progress, int64_t folded, int64_t now_ms)
{
    if (progress->count > 0 && now_ms - sample(progress, progress->count - 1)->at_ms < SAMPLE_MS)
        return;
    progress->samples[progress->count++ % WEIR_PROGRESS_SAMPLES] =
        (struct weir_progress_sample){now_ms, folded};
}

/* Events per second over the last seconds; 0 where that is not known. */
static int64_t rate_of(const struct weir_progress *progress)
{
    size_t kept = progress->count < WEIR_PROGRESS_SAMPLES ? progress->count : WEIR_PROGRESS_SAMPLES;
    if (kept < 2)
        return 0;
    const struct weir_progress_sample *last = sample(progress, progress->count - 1);
    const struct weir_progress_sample *first = sample(progress, progress->count - kept);
    return (last->folded - first->folded) * 1000 / (last->at_ms - first->at_ms);
}

/* ---- The line ---------------------------------------------------------------------------- */

static void append_bar(struct weir_text *line, int percent)
{
    int filled = percent * BAR_WIDTH / 100;
    weir_text_append_string(line, "[");
    for (int i = 0; i < BAR_WIDTH; i++)
        weir_text_append_string(line, i < filled ? "#" : ".");
    weir_text_append_string(line, "] ");
}

static void append_folding(const struct weir_progress *progress, struct weir_text *line,
                           const struct weir_projection_status *status)
{
    int64_t rate = rate_of(progress), left = status->total - status->folded;
    if (!status->counted) {
        weir_text_append_string(line, "looking whether all events are there");
        return;
    }
    if (progress->in_place && weir_terminal_width() >= BAR_LEAST_WIDTH)
        append_bar(line, weir_rebuild_percent(status));
    weir_text_format(line, "%d %%, %" PRId64 " of %" PRId64 " events", weir_rebuild_percent(status),
                     status->folded, status->total);
    if (weir_event_stops(&status->event))
        weir_text_append_string(line, ", stopped by an event");
    else if (rate > 0)
        weir_text_format(line, ", %" PRId64 "/s", rate);
    if (!weir_event_stops(&status->event) && rate > 0 && left > 0) {
        weir_text_append_string(line, ", ");
        weir_span_append(line, left / rate * 1000 + left % rate * 1000 / rate);
        weir_text_append_string(line, " left");
    }
}

static void append_phase(const struct weir_progress *progress, struct weir_text *line,
                         const struct weir_projection_status *status)
{
    const char *phase = status->phase;
    if (strcmp(phase, "building") == 0)
        append_folding(progress, line, status);
    else if (strcmp(phase, "swapping") == 0)
        weir_text_format(line, "putting the new model in place, %" PRId64 " keys", status->moved);
    else if (strcmp(phase, "comparing") == 0)
        weir_text_format(line, "comparing, %" PRId64 " keys, %" PRId64 " of them differ",
                         status->moved, status->differing);
    else if (strcmp(phase, "sweeping") == 0)
        weir_text_append_string(line, "removing keys that only the old model has");
    else if (strcmp(phase, "looking") == 0)
        weir_text_append_string(line, "looking for keys that only the live model has");
    else if (strcmp(phase, "dropping") == 0)
        weir_text_append_string(line, "dropping what was built");
    else
        weir_text_append_string(line, "clearing up");
}

static void draw(struct weir_progress *progress, const struct weir_text *line)
{
    size_t width = weir_terminal_width();
    fprintf(weir_remarks(), "\r%.*s\033[K", (int)(width - 1), line->at ? line->at : "");
    fflush(weir_remarks());
    progress->drawn = true;
}

void weir_progress_show(struct weir_progress *progress, const struct weir_projection_status *status,
                        int64_t now_ms)
{
    struct weir_text line = {0};
    if (strcmp(status->phase, "building") == 0)
        take_sample(progress, status->folded, now_ms);
    if (progress->said_at == 0 && !progress->in_place)
        progress->said_at = now_ms; /* what is done sooner needs no line */
    if (progress->quiet || now_ms - progress->said_at < (progress->in_place ? REDRAW_MS : LINE_MS))
        return;
    append_phase(progress, &line, status);
    if (progress->in_place)
        draw(progress, &line);
    else
        weir_remark("%s: %s", progress->name, line.at ? line.at : "");
    progress->said_at = now_ms;
    weir_text_close(&line);
}

void weir_progress_clear(struct weir_progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", weir_remarks());
    fflush(weir_remarks());
    progress->drawn = false;
}
