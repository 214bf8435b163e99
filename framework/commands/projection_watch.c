/* Waits for a rebuild's end, shows how it goes on, and does what nobody else does. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "commands/interrupt.h"
#include "commands/print.h"
#include "commands/progress.h"
#include "commands/projection_verbs.h"
#include "commands/values.h"
#include "commands/visible.h"

#define PAUSE_MS 100
/* Workers whose projection is stopped leave the turn to others for so long. */
#define STANDING_BACK_MS 8000

struct watching {
    struct weir_session *session;
    const struct weir_projection_name *name;
    const char *rebuild;
    struct weir_progress progress;
    struct weir_projection_status status;
    struct weir_stopping_event told;   /* what the user knows of */
    int64_t unowned_since, lost_since; /* monotonic ms; 0: somebody has the turn, connected */
    bool told_missing, told_interrupt;
    int64_t patience_ms; /* without a worker, or without the server */
    int code;            /* -1: go on */
};

static const char *task(const struct watching *watching)
{
    return weir_rebuild_verifies(&watching->status) ? "comparison" : "rebuild";
}

static bool is_building(const struct watching *watching)
{
    return strcmp(watching->status.phase, "building") == 0;
}

/* ---- An event that stops it -------------------------------------------------------------- */

/* The event's fields in one line; "" where it is gone or cannot be read. */
static void append_event(const struct watching *watching, struct weir_text *line)
{
    struct weir_error error = {0};
    json_t *fields = weir_event_read(watching->session, &watching->told, &error);
    if (json_is_object(fields)) {
        weir_text_append_string(line, "the event: ");
        weir_visible_append_json(line, fields, 0);
    }
    json_decref(fields);
}

static void tell_stopped(struct watching *watching)
{
    const struct weir_stopping_event *event = &watching->status.event;
    const char *shown = watching->name->shown;
    struct weir_text line = {0};
    if (!weir_event_stops(event) || weir_event_equals(event, &watching->told))
        return;
    watching->told = *event;
    weir_progress_clear(&watching->progress);
    weir_remark("the %s is stopped: %s", task(watching), event->reason);
    if (weir_event_is_single(event))
        append_event(watching, &line);
    if (line.length > 0)
        weir_remark("%s", line.at);
    weir_text_close(&line);
    weir_remark("mend the cause, and then: weir projection retry %s", shown);
    if (weir_event_is_single(event))
        weir_remark("or pass over the event: weir projection skip %s %s", shown, event->entry);
}

/* ---- Nobody runs it ---------------------------------------------------------------------- */

static void tell_missing(struct watching *watching, int64_t unowned_ms)
{
    bool stands_back = weir_event_stops(&watching->status.event);
    int64_t missed_ms = stands_back ? STANDING_BACK_MS : WEIR_PROJECTION_MISSED_MS;
    if (watching->told_missing ||
        unowned_ms < (missed_ms < watching->patience_ms ? missed_ms : watching->patience_ms))
        return;
    watching->told_missing = true;
    weir_progress_clear(&watching->progress);
    weir_remark("no worker runs %s; start one of %s", watching->name->shown, watching->name->view);
}

static int give_up(const struct watching *watching)
{
    struct weir_text patience = {0};
    weir_span_append(&patience, watching->patience_ms);
    int code = weir_fail(WEIR_EXIT_FAILED,
                         "no worker has run %s for %s; the %s stays at %d %%, and the same command "
                         "goes on with it",
                         watching->name->shown, patience.at ? patience.at : "too long",
                         task(watching), weir_rebuild_percent(&watching->status));
    weir_text_close(&patience);
    return code;
}

/* Only a worker can fold; what comes behind that anybody can do. */
/* Returns whether it has done something itself, and there may be more to do. */
static bool attend(struct watching *watching)
{
    struct weir_error error = {0};
    int64_t now = weir_clock_monotonic_ms();
    if (watching->status.owner[0]) {
        watching->unowned_since = 0;
        watching->told_missing = false;
        return false;
    }
    if (watching->unowned_since == 0)
        watching->unowned_since = now;
    if (!is_building(watching)) {
        if (weir_rebuild_step(watching->session, watching->name, watching->rebuild, &error) ==
            WEIR_OK)
            return true;
        if (error.status != WEIR_UNAVAILABLE && error.status != WEIR_UNKNOWN)
            watching->code = weir_fail_by(&error);
        return false;
    }
    tell_missing(watching, now - watching->unowned_since);
    if (now - watching->unowned_since >= watching->patience_ms)
        watching->code = give_up(watching);
    return false;
}

/* ---- Ctrl-C ------------------------------------------------------------------------------ */

static int end_paused(const struct watching *watching)
{
    int percent = weir_rebuild_percent(&watching->status);
    if (watching->session->settings.json)
        fprintf(weir_output(), "{\"outcome\":\"paused\",\"percent\":%d}\n", percent);
    return weir_fail(WEIR_EXIT_INTERRUPTED,
                     "paused at %d %%; the same command goes on from there; weir projection "
                     "abandon %s drops it",
                     percent, watching->name->shown);
}

/* 130 where it has been paused, -1 where it is too late for that. */
static int pause_rebuild(struct watching *watching)
{
    struct weir_error error = {0};
    struct weir_rebuild_answer answer;
    if (weir_rebuild_order(watching->session, watching->name, (const char *const[]){"pause", NULL},
                           &answer, &error) != WEIR_OK)
        return weir_fail(WEIR_EXIT_INTERRUPTED, "the %s could not be paused, and goes on: %s",
                         task(watching), error.text);
    return strcmp(answer.word, "paused") == 0 ? end_paused(watching) : -1;
}

static void heed_interrupt(struct watching *watching)
{
    if (!weir_interrupted() || watching->told_interrupt)
        return;
    watching->told_interrupt = true;
    weir_progress_clear(&watching->progress);
    watching->code = is_building(watching) ? pause_rebuild(watching) : -1;
    if (watching->code < 0)
        weir_remark("the events are folded, the rest ends by itself; a second Ctrl-C stops "
                    "waiting for it");
}

/* ---- Looking ----------------------------------------------------------------------------- */

static void judge(struct watching *watching)
{
    const struct weir_projection_status *status = &watching->status;
    weir_progress_clear(&watching->progress);
    if (status->rebuild[0] == '\0') {
        watching->code = weir_fail(WEIR_EXIT_FAILED,
                                   "nothing is known of it any more: the server has lost its data, "
                                   "or somebody has deleted the projection's state");
        return;
    }
    if (strcmp(status->rebuild, watching->rebuild) != 0)
        watching->code = weir_fail(WEIR_EXIT_FAILED,
                                   "it has ended, and another has been started since; look at it "
                                   "with: weir projection show %s",
                                   watching->name->shown);
    else if (status->phase[0] == '\0')
        watching->code = weir_rebuild_result(watching->session, watching->name, status);
    else
        watching->code = weir_fail(WEIR_EXIT_FAILED,
                                   "somebody has paused the %s at %d %%; the same command goes on "
                                   "from there",
                                   task(watching), weir_rebuild_percent(status));
}

static bool has_ended(const struct watching *watching)
{
    const struct weir_projection_status *status = &watching->status;
    return strcmp(status->rebuild, watching->rebuild) != 0 || status->phase[0] == '\0' ||
           (status->paused && is_building(watching));
}

/* A server that goes away comes back; for a while that is waited for. */
static void look(struct watching *watching)
{
    struct weir_error error = {0};
    int64_t now = weir_clock_monotonic_ms();
    enum weir_status status = weir_session_reconnect(watching->session, &error);
    if (status == WEIR_OK)
        status = weir_projection_look(watching->session, watching->name, &watching->status, &error);
    if (status == WEIR_OK) {
        watching->lost_since = 0;
        return;
    }
    if (watching->lost_since == 0)
        watching->lost_since = now;
    bool passes = status == WEIR_UNAVAILABLE || status == WEIR_UNKNOWN;
    if (passes && !weir_interrupted() && now - watching->lost_since < watching->patience_ms)
        return;
    weir_progress_clear(&watching->progress);
    watching->code = weir_fail_by(&error);
}

int weir_rebuild_watch(struct weir_session *session, const struct weir_projection_name *name,
                       const char *rebuild)
{
    struct watching watching = {.session = session,
                                .name = name,
                                .rebuild = rebuild,
                                .patience_ms =
                                    weir_projection_patience_ms(session, WEIR_PROJECTION_GONE_MS),
                                .code = -1};
    weir_progress_init(&watching.progress, name->shown, session->settings.json);
    for (;;) {
        bool busy = false;
        look(&watching);
        if (watching.code < 0 && watching.lost_since == 0) {
            if (has_ended(&watching))
                judge(&watching);
            else
                heed_interrupt(&watching);
        }
        if (watching.code < 0 && watching.lost_since == 0) {
            tell_stopped(&watching);
            weir_progress_show(&watching.progress, &watching.status, weir_clock_monotonic_ms());
            busy = attend(&watching);
        }
        if (watching.code >= 0)
            break;
        if (!busy)
            weir_pause_ms(PAUSE_MS);
    }
    weir_progress_clear(&watching.progress);
    return watching.code;
}
