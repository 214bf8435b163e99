/* Looks at a desk and its program, and tells Prometheus and the service manager. */
#include <ev.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/notify.h"
#include "base/thread.h"
#include "call/desk.h"
#include "call/journal.h"
#include "http/exposition.h"

#define LOOK_EVERY_MS 1000
#define LOOK_LIMIT_MS 1000
#define SILENT_MAX_MS 30000

struct weir_monitor {
    const char *name;
    weir_desk *desk;
    struct weir_log log;
    pthread_t thread;
    /* The thread holds it except while it waits for what happens. */
    pthread_mutex_t mutex;
    pthread_cond_t looked;
    struct ev_loop *loop;
    ev_timer tick;
    ev_async end;
    struct weir_notify notify;
    struct weir_metrics *metrics;
    struct weir_exposition *exposition; /* NULL: nobody wants it */
    bool looking;                       /* the desk owes an answer */
    enum weir_look found;               /* of the server, when it was looked for last */
    char why_not[256];
    bool ready, stopping, said_ready, said_stopping;
    int64_t heard_at;           /* of the server; monotonic ms, as all here */
    int64_t looked_at, beat_at; /* signs of life, of the desk and of the program */
    int64_t alive_at;           /* the service manager was told */
    char said[WEIR_NOTIFY_MAX]; /* the last status */
};

static bool is_there(const struct weir_monitor *monitor)
{
    return monitor->found == WEIR_LOOK_THERE;
}

/* ---- The service manager ----------------------------------------------------------------- */

static void say_status(struct weir_monitor *monitor)
{
    char text[sizeof monitor->said];
    if (monitor->stopping)
        snprintf(text, sizeof text, "stopping");
    else
        snprintf(text, sizeof text, "%s %s", is_there(monitor) ? "connected to" : "waiting for",
                 weir_desk_server(monitor->desk));
    if (strcmp(text, monitor->said) != 0 &&
        weir_notify_say(&monitor->notify, "STATUS=", "%s", text))
        snprintf(monitor->said, sizeof monitor->said, "%s", text);
}

static void report(struct weir_monitor *monitor)
{
    if (!monitor->said_ready && monitor->ready && is_there(monitor))
        monitor->said_ready = weir_notify_say(&monitor->notify, "READY=1", "%s", "");
    if (!monitor->said_stopping && monitor->stopping)
        monitor->said_stopping = weir_notify_say(&monitor->notify, "STOPPING=1", "%s", "");
    say_status(monitor);
}

/* A sign of life is handed on: there has to be one of the program and one of the desk for each. */
static void say_alive(struct weir_monitor *monitor, int64_t now)
{
    bool lives = monitor->beat_at > monitor->alive_at &&
                 (monitor->looked_at > monitor->alive_at || monitor->stopping);
    if (monitor->notify.watchdog_ms > 0 && lives &&
        now - monitor->alive_at >= monitor->notify.watchdog_ms / 3 &&
        weir_notify_say(&monitor->notify, "WATCHDOG=1", "%s", ""))
        monitor->alive_at = now;
}

/* ---- Looking ----------------------------------------------------------------------------- */

/* Being away is one thing, however it shows; only a user can mend a login. */
static bool is_news(const struct weir_monitor *monitor, enum weir_look found)
{
    bool denied = found == WEIR_LOOK_DENIED, there = found == WEIR_LOOK_THERE;
    return there != is_there(monitor) || denied != (monitor->found == WEIR_LOOK_DENIED) ||
           (!there && monitor->why_not[0] == '\0');
}

static void note(struct weir_monitor *monitor, enum weir_look found, const char *why)
{
    const char *server = weir_desk_server(monitor->desk);
    bool news = is_news(monitor, found);
    if (news && found == WEIR_LOOK_THERE)
        weir_log_info(&monitor->log, "link.ready", "role=%s server=%s", "desk", server);
    else if (news && found == WEIR_LOOK_DENIED)
        weir_log_error(&monitor->log, "link.denied", "role=%s server=%s reason=%s", "desk", server,
                       why);
    else if (news)
        weir_log_warning(&monitor->log, "link.lost", "role=%s server=%s reason=%s", "desk", server,
                         why);
    snprintf(monitor->why_not, sizeof monitor->why_not, "%s", why);
    monitor->found = found;
}

/* From the desk's thread. */
static void on_looked(void *user, enum weir_look found, const char *why)
{
    struct weir_monitor *monitor = user;
    pthread_mutex_lock(&monitor->mutex);
    monitor->looking = false;
    monitor->looked_at = weir_clock_monotonic_ms();
    if (found != WEIR_LOOK_SILENT)
        monitor->heard_at = monitor->looked_at;
    if (!monitor->stopping) {
        note(monitor, found, why);
        report(monitor);
    }
    pthread_cond_signal(&monitor->looked);
    pthread_mutex_unlock(&monitor->mutex);
}

static void look(struct weir_monitor *monitor)
{
    if (!monitor->looking)
        monitor->looking = weir_desk_look(monitor->desk, LOOK_LIMIT_MS, on_looked, monitor);
}

/* A desk that waits for a connection answers later, and is alive. */
static void look_at_desk(struct weir_monitor *monitor)
{
    if (monitor->stopping)
        return;
    look(monitor);
    if (weir_desk_connects(monitor->desk))
        monitor->looked_at = weir_clock_monotonic_ms();
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_monitor *monitor = timer->data;
    (void)loop, (void)events;
    look_at_desk(monitor);
    report(monitor); /* a manager who was busy has not heard of it yet */
    say_alive(monitor, weir_clock_monotonic_ms());
}

/* ---- What is served ---------------------------------------------------------------------- */

static const struct weir_family_about in_hand_about = {
    .name = "weir_calls_in_hand",
    .help = "What a program outside has asked of the server and has no answer to yet.",
    .labels = {"service"},
};

static void gather(struct weir_monitor *monitor)
{
    struct weir_tally tally;
    size_t in_hand = weir_desk_count(monitor->desk, &tally);
    struct weir_family *family = weir_metrics_gauges(monitor->metrics, &in_hand_about);
    weir_gauge_set(weir_family_gauge(family, &monitor->name), (double)in_hand);
    weir_tally_show(&tally, monitor->name, monitor->metrics);
}

static void collect(void *user, struct weir_exposition *exposition)
{
    struct weir_monitor *monitor = user;
    if (!monitor->stopping)
        gather(monitor);
    weir_exposition_collected(exposition);
}

static bool is_silent(int64_t since, const char *who, char *why, size_t room)
{
    int64_t silent_ms = weir_clock_monotonic_ms() - since;
    if (silent_ms <= SILENT_MAX_MS)
        return false;
    snprintf(why, room, "nothing has been heard of %s for %lld s", who,
             (long long)silent_ms / 1000);
    return true;
}

static bool is_healthy(void *user, char *why, size_t room)
{
    struct weir_monitor *monitor = user;
    if (is_silent(monitor->beat_at, "the program's loop", why, room))
        return false;
    return monitor->stopping ||
           (!is_silent(monitor->looked_at, "the desk", why, room) &&
            !is_silent(monitor->heard_at, weir_desk_server(monitor->desk), why, room));
}

static bool is_ready(void *user, char *why, size_t room)
{
    struct weir_monitor *monitor = user;
    if (monitor->stopping)
        snprintf(why, room, "stopping: what is in hand is finished, nothing new is taken");
    else if (!monitor->ready)
        snprintf(why, room, "it does not take requests yet");
    else if (!is_there(monitor))
        snprintf(why, room, "no connection to %s%s%s", weir_desk_server(monitor->desk),
                 monitor->why_not[0] != '\0' ? ": " : "", monitor->why_not);
    else
        return true;
    return false;
}

/* ---- The thread -------------------------------------------------------------------------- */

static void leave(struct ev_loop *loop)
{
    pthread_mutex_unlock(&((struct weir_monitor *)ev_userdata(loop))->mutex);
}

static void enter(struct ev_loop *loop)
{
    pthread_mutex_lock(&((struct weir_monitor *)ev_userdata(loop))->mutex);
}

static void on_end(struct ev_loop *loop, ev_async *end, int events)
{
    (void)end, (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void *run(void *user)
{
    struct weir_monitor *monitor = user;
    pthread_mutex_lock(&monitor->mutex);
    ev_run(monitor->loop, 0);
    pthread_mutex_unlock(&monitor->mutex);
    return NULL;
}

/* ---- Opening and closing ----------------------------------------------------------------- */

static double tick_s(const struct weir_monitor *monitor)
{
    int64_t watchdog_ms = monitor->notify.watchdog_ms, every_ms = LOOK_EVERY_MS;
    if (watchdog_ms > 0 && watchdog_ms / 4 < every_ms)
        every_ms = watchdog_ms / 4 + 1;
    return (double)every_ms / 1e3;
}

static void wire_loop(struct weir_monitor *monitor)
{
    double every_s = tick_s(monitor);
    ev_set_userdata(monitor->loop, monitor);
    ev_set_loop_release_cb(monitor->loop, leave, enter);
    ev_timer_init(&monitor->tick, on_tick, 0., every_s);
    monitor->tick.data = monitor;
    ev_timer_start(monitor->loop, &monitor->tick);
    ev_async_init(&monitor->end, on_end);
    ev_async_start(monitor->loop, &monitor->end);
}

static enum weir_status open_exposition(struct weir_monitor *monitor, const char *address,
                                        struct weir_error *error)
{
    const struct weir_exposition_settings settings = {
        .loop = monitor->loop,
        .log = &monitor->log,
        .address = address,
        .metrics = monitor->metrics,
        .service = monitor->name,
        .version = WEIR_VERSION,
        .user = monitor,
        .collect = collect,
        .healthy = is_healthy,
        .ready = is_ready,
    };
    monitor->exposition = weir_exposition_open(&settings, error);
    return monitor->exposition != NULL ? WEIR_OK : error->status;
}

static enum weir_status open_parts(struct weir_monitor *monitor, const char *address,
                                   struct weir_error *error)
{
    monitor->loop = ev_loop_new(EVFLAG_AUTO);
    monitor->metrics = weir_metrics_new();
    if (monitor->loop == NULL || monitor->metrics == NULL)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    wire_loop(monitor);
    if (address != NULL && open_exposition(monitor, address, error) != WEIR_OK)
        return error->status;
    return weir_thread_start(&monitor->thread, run, monitor) == 0
               ? WEIR_OK
               : weir_error_set(error, WEIR_SYSTEM, "no thread could be started");
}

static void free_parts(struct weir_monitor *monitor)
{
    weir_exposition_close(monitor->exposition);
    weir_metrics_free(monitor->metrics);
    if (monitor->loop != NULL)
        ev_loop_destroy(monitor->loop);
    weir_notify_close(&monitor->notify);
    pthread_cond_destroy(&monitor->looked);
    pthread_mutex_destroy(&monitor->mutex);
    free(monitor);
}

weir_monitor *weir_monitor_open(const char *name, const char *address, weir_desk *desk,
                                weir_journal *journal, char *why, size_t room)
{
    struct weir_error error = {0};
    int64_t now = weir_clock_monotonic_ms();
    struct weir_monitor *monitor = calloc(1, sizeof *monitor);
    if (monitor == NULL) {
        snprintf(why, room, "memory ran out");
        return NULL;
    }
    monitor->name = name;
    monitor->desk = desk;
    monitor->log = weir_journal_log(journal);
    monitor->heard_at = monitor->looked_at = monitor->beat_at = now;
    pthread_mutex_init(&monitor->mutex, NULL);
    pthread_cond_init(&monitor->looked, NULL);
    weir_notify_open(&monitor->notify);
    if (open_parts(monitor, address, &error) == WEIR_OK)
        return monitor;
    snprintf(why, room, "%s", error.text);
    free_parts(monitor);
    return NULL;
}

/* The desk answers within its limits. */
void weir_monitor_close(weir_monitor *monitor)
{
    if (monitor == NULL)
        return;
    pthread_mutex_lock(&monitor->mutex);
    monitor->stopping = true;
    while (monitor->looking)
        pthread_cond_wait(&monitor->looked, &monitor->mutex);
    pthread_mutex_unlock(&monitor->mutex);
    ev_async_send(monitor->loop, &monitor->end);
    pthread_join(monitor->thread, NULL);
    free_parts(monitor);
}

/* ---- What the program says --------------------------------------------------------------- */

void weir_monitor_ready(weir_monitor *monitor)
{
    pthread_mutex_lock(&monitor->mutex);
    monitor->ready = true;
    report(monitor);
    pthread_mutex_unlock(&monitor->mutex);
}

void weir_monitor_beat(weir_monitor *monitor)
{
    pthread_mutex_lock(&monitor->mutex);
    monitor->beat_at = weir_clock_monotonic_ms();
    pthread_mutex_unlock(&monitor->mutex);
}

void weir_monitor_stop(weir_monitor *monitor)
{
    pthread_mutex_lock(&monitor->mutex);
    if (!monitor->stopping) {
        gather(monitor); /* what is told from now on */
        weir_family_forget(weir_metrics_gauges(monitor->metrics, &in_hand_about));
    }
    monitor->stopping = true;
    report(monitor);
    pthread_mutex_unlock(&monitor->mutex);
}

static bool can_be_measured(enum weir_metric_kind kind, double value)
{
    return kind == WEIR_METRIC_GAUGE ? !isnan(value) : value >= 0;
}

static int64_t whole(double value)
{
    return value < 0x1p63 ? (int64_t)value : INT64_MAX;
}

static void measure(struct weir_metrics *metrics, const struct weir_metric *metric,
                    const char *const *values, double value)
{
    struct weir_family_about about = {.name = metric->name,
                                      .help = metric->help,
                                      .bounds_ns = weir_tally_bounds_ns,
                                      .bound_count = WEIR_TALLY_BOUNDS};
    for (size_t i = 0; i < WEIR_METRIC_LABELS_MAX && metric->labels[i] != NULL; i++)
        about.labels[i] = metric->labels[i];
    if (metric->kind == WEIR_METRIC_COUNTER)
        weir_family_counter(weir_metrics_counters(metrics, &about), values)->value +=
            (uint64_t)whole(value);
    else if (metric->kind == WEIR_METRIC_GAUGE)
        weir_gauge_set(weir_family_gauge(weir_metrics_gauges(metrics, &about), values), value);
    else
        weir_observe(weir_family_histogram(weir_metrics_histograms(metrics, &about), values),
                     whole(value * 1e9));
}

void weir_monitor_measure(weir_monitor *monitor, const struct weir_metric *metric,
                          const char *const *values, double value)
{
    if (!can_be_measured(metric->kind, value))
        return;
    pthread_mutex_lock(&monitor->mutex);
    measure(monitor->metrics, metric, values, value);
    pthread_mutex_unlock(&monitor->mutex);
}
