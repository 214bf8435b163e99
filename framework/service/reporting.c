/* What a worker tells those who look after its process. */
#include "service/reporting.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "service/worker_state.h"

#define TICK_MS 1000
#define STATUS_EVERY_MS 10000 /* numbers alone are no news */

static bool server_there(const struct weir_worker *worker)
{
    return worker->link.state == WEIR_LINK_READY && worker->library_ready;
}

static bool stopping(const struct weir_worker *worker)
{
    return worker->stopping || worker->reporting.ended;
}

/* ---- Status ------------------------------------------------------------------------------ */

static void note_absence(struct weir_worker *worker)
{
    struct weir_reporting *reporting = &worker->reporting;
    time_t now = time(NULL);
    struct tm date = {0};
    if (server_there(worker))
        reporting->away_since[0] = '\0';
    else if (reporting->away_since[0] == '\0' && gmtime_r(&now, &date) != NULL)
        strftime(reporting->away_since, sizeof reporting->away_since, "%Y-%m-%dT%H:%M:%SZ", &date);
}

static void write_status(const struct weir_worker *worker, char *text, size_t room)
{
    const struct weir_reporting *reporting = &worker->reporting;
    const char *server = worker->runtime.endpoint->shown;
    unsigned in_hand = HASH_COUNT(worker->deliveries);
    if (stopping(worker))
        snprintf(text, room, "stopping, %u in hand", in_hand);
    else if (reporting->away_since[0] != '\0')
        snprintf(text, room, "waiting for %s since %s, %u in hand", server, reporting->away_since,
                 in_hand);
    else if (worker->committer.stalled)
        snprintf(text, room, "connected to %s, which refuses commits, %u in hand", server, in_hand);
    else
        snprintf(text, room, "connected to %s, %u in hand", server, in_hand);
}

/* Numbers are at the end: what is new stands before them. */
static bool is_news(const char *said, const char *text)
{
    size_t head = strcspn(text, ",");
    return strncmp(said, text, head) != 0 || said[head] != text[head];
}

static void say_status(struct weir_worker *worker, int64_t now)
{
    struct weir_reporting *reporting = &worker->reporting;
    char text[WEIR_NOTIFY_MAX];
    note_absence(worker);
    write_status(worker, text, sizeof text);
    if (strcmp(text, reporting->said) == 0 ||
        (!is_news(reporting->said, text) && now - reporting->status_at < STATUS_EVERY_MS))
        return;
    if (!weir_notify_say(&reporting->notify, "STATUS=", "%s", text))
        return;
    snprintf(reporting->said, sizeof reporting->said, "%s", text);
    reporting->status_at = now;
}

/* ---- Signs of life ----------------------------------------------------------------------- */

/* Every wait has a limit: what is owed for three times as long as that has been forgotten. */
static bool tended(const struct weir_link *link, int64_t now)
{
    if (link->state == WEIR_LINK_CLOSED)
        return true;
    if (link->state == WEIR_LINK_READY)
        return link->owed == 0 || now - link->progress_at <= 3 * link->settings.silence_limit_ms;
    return ev_is_active(&link->timer) || ev_is_active(&link->sentinels.timer);
}

static void beat(struct weir_worker *worker, int64_t now)
{
    struct weir_reporting *reporting = &worker->reporting;
    if (reporting->notify.watchdog_ms == 0 ||
        now - reporting->beat_at < reporting->notify.watchdog_ms / 2 ||
        !tended(&worker->link, now) || !tended(&worker->reader.link, now))
        return;
    if (weir_notify_say(&reporting->notify, "WATCHDOG=1", "%s", ""))
        reporting->beat_at = now;
}

/* ---- Life -------------------------------------------------------------------------------- */

void weir_reporting_changed(struct weir_worker *worker)
{
    struct weir_reporting *reporting = &worker->reporting;
    if (reporting->notify.descriptor < 0)
        return;
    if (!reporting->said_ready && worker->reader_was_ready && server_there(worker))
        reporting->said_ready = weir_notify_say(&reporting->notify, "READY=1", "%s", "");
    if (!reporting->said_stopping && stopping(worker))
        reporting->said_stopping = weir_notify_say(&reporting->notify, "STOPPING=1", "%s", "");
    say_status(worker, weir_clock_monotonic_ms());
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_worker *worker = timer->data;
    (void)loop;
    (void)events;
    weir_log_tell_repeats(worker->runtime.log);
    weir_reporting_changed(worker);
    beat(worker, weir_clock_monotonic_ms());
}

void weir_reporting_start(struct weir_worker *worker)
{
    struct weir_reporting *reporting = &worker->reporting;
    int64_t every_ms = TICK_MS;
    weir_notify_open(&reporting->notify);
    if (reporting->notify.watchdog_ms > 0 && reporting->notify.watchdog_ms / 4 < every_ms)
        every_ms = reporting->notify.watchdog_ms / 4 + 1;
    ev_timer_init(&reporting->tick, on_tick, (double)every_ms / 1e3, (double)every_ms / 1e3);
    reporting->tick.data = worker;
    ev_timer_start(worker->runtime.loop, &reporting->tick);
    weir_reporting_changed(worker);
    beat(worker, weir_clock_monotonic_ms());
}

void weir_reporting_stop(struct weir_worker *worker)
{
    struct weir_reporting *reporting = &worker->reporting;
    reporting->ended = true;
    weir_reporting_changed(worker);
    ev_timer_stop(worker->runtime.loop, &reporting->tick);
    weir_notify_close(&reporting->notify);
}
