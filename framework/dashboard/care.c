/* Readiness, signs of life, metrics. */
#include "dashboard/care.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/notify.h"
#include "dashboard/trouble.h"
#include "http/exposition.h"
#include "weir.h"

#define TICK_S 1.
#define SILENT_MAX_MS 30000 /* the overview is asked for every ten seconds */

struct weir_care {
    struct weir_care_settings settings;
    struct weir_notify notify;
    ev_timer tick;
    int64_t beat_at;
    bool serving, stopping, trouble;
    bool said_ready, said_stopping, said_status; /* to the service manager */
    struct weir_metrics *metrics;
    struct weir_family *actions, *refusals;
    struct weir_gauge *streams, *answering;
    struct weir_exposition *exposition;
};

/* ---- Metrics ----------------------------------------------------------------------------- */

static const struct weir_family_about
    actions_about = {.name = WEIR_CARE_ACTIONS,
                     .help = "Actions of operators, by how they ended.",
                     .labels = {"outcome"}},
    refusals_about = {.name = WEIR_CARE_REFUSALS,
                      .help = "Requests that were refused, by the reason.",
                      .labels = {"reason"}},
    streams_about = {.name = "weir_dashboard_streams", .help = "Pages that are being looked at."},
    answering_about = {.name = "weir_dashboard_server_answers",
                       .help = "1 while the server answers, 0 while it does not."};

static bool server_answers(const struct weir_care *care)
{
    int64_t since_ms;
    return !weir_board_in_trouble(care->settings.board, &since_ms) && since_ms > 0;
}

static void collect(void *user, struct weir_exposition *exposition)
{
    struct weir_care *care = user;
    weir_gauge_set(care->streams, (double)weir_live_count(care->settings.live));
    weir_gauge_set(care->answering, server_answers(care) ? 1 : 0);
    weir_exposition_collected(exposition);
}

static bool is_healthy(void *user, char *why, size_t room)
{
    struct weir_care *care = user;
    int64_t silent_ms = weir_board_silent_ms(care->settings.board);
    const char *reason = weir_board_why(care->settings.board);
    if (silent_ms <= SILENT_MAX_MS)
        return true;
    snprintf(why, room, "nothing has been heard of %s for %lld s%s%s", care->settings.server,
             (long long)silent_ms / 1000, *reason ? ": " : "", reason);
    return false;
}

static bool is_ready(void *user, char *why, size_t room)
{
    struct weir_care *care = user;
    struct weir_text sentence = {0};
    int64_t since_ms;
    if (server_answers(care))
        return true;
    (void)weir_board_in_trouble(care->settings.board, &since_ms);
    weir_trouble_append(&sentence, since_ms, weir_board_why(care->settings.board));
    weir_copy(why, room, sentence.at ? sentence.at : "");
    weir_text_close(&sentence);
    return false;
}

static enum weir_status open_metrics(struct weir_care *care, struct weir_error *error)
{
    static const char *const none[] = {NULL};
    care->metrics = weir_metrics_new();
    if (!care->metrics)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    care->actions = weir_metrics_counters(care->metrics, &actions_about);
    care->refusals = weir_metrics_counters(care->metrics, &refusals_about);
    care->streams = weir_family_gauge(weir_metrics_gauges(care->metrics, &streams_about), none);
    care->answering = weir_family_gauge(weir_metrics_gauges(care->metrics, &answering_about), none);
    const struct weir_exposition_settings exposition = {
        .loop = care->settings.loop,
        .log = care->settings.log,
        .address = care->settings.metrics,
        .metrics = care->metrics,
        .service = "dashboard",
        .version = WEIR_VERSION,
        .user = care,
        .collect = collect,
        .healthy = is_healthy,
        .ready = is_ready,
    };
    care->exposition = weir_exposition_open(&exposition, error);
    if (care->exposition)
        return WEIR_OK;
    weir_error_prefix(error, "--metrics");
    return error->status;
}

void weir_care_count(struct weir_care *care, const char *family, const char *value)
{
    const char *const values[] = {value, NULL};
    if (!care || !care->metrics)
        return;
    weir_count(weir_family_counter(
        strcmp(family, WEIR_CARE_ACTIONS) == 0 ? care->actions : care->refusals, values));
}

/* ---- The service manager ----------------------------------------------------------------- */

static bool say_status(const struct weir_care *care)
{
    struct weir_text sentence = {0};
    int64_t since_ms;
    (void)weir_board_in_trouble(care->settings.board, &since_ms);
    weir_trouble_append(&sentence, since_ms, weir_board_why(care->settings.board));
    bool said = weir_notify_say(&care->notify, "STATUS=", "%s",
                                care->trouble && sentence.at ? sentence.at : "serving");
    weir_text_close(&sentence);
    return said;
}

/* What the manager does not take now is said again at the next tick: with many services that start
 * at once it may not keep up. */
static void tell_manager(struct weir_care *care)
{
    if (care->notify.descriptor < 0)
        return;
    if (care->serving && !care->said_ready)
        care->said_ready = weir_notify_say(&care->notify, "READY=1", "%s", "");
    if (care->stopping && !care->said_stopping)
        care->said_stopping = weir_notify_say(&care->notify, "STOPPING=1", "%s", "");
    if (care->serving && !care->said_status)
        care->said_status = say_status(care);
}

static void log_trouble(const struct weir_care *care, bool trouble)
{
    const char *why = weir_board_why(care->settings.board);
    if (trouble)
        weir_log_warning(care->settings.log, "link.lost", "role=%s server=%s reason=%s",
                         "dashboard", care->settings.server, *why ? why : "no answer in time");
    else
        weir_log_info(care->settings.log, "link.ready", "role=%s server=%s", "dashboard",
                      care->settings.server);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_care *care = timer->data;
    int64_t now = weir_clock_monotonic_ms(), since_ms;
    bool trouble = weir_board_in_trouble(care->settings.board, &since_ms);
    (void)loop, (void)events;
    weir_log_tell_repeats(care->settings.log);
    if (trouble != care->trouble) {
        care->trouble = trouble;
        care->said_status = false;
        log_trouble(care, trouble);
    }
    tell_manager(care);
    if (care->notify.watchdog_ms > 0 && now - care->beat_at >= care->notify.watchdog_ms / 3 &&
        weir_notify_say(&care->notify, "WATCHDOG=1", "%s", ""))
        care->beat_at = now;
}

void weir_care_ready(struct weir_care *care)
{
    care->serving = true;
    tell_manager(care);
}

void weir_care_stopping(struct weir_care *care)
{
    care->stopping = true;
    tell_manager(care);
}

struct weir_care *weir_care_open(const struct weir_care_settings *settings,
                                 struct weir_error *error)
{
    struct weir_care *care = calloc(1, sizeof(*care));
    if (!care) {
        weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
        return NULL;
    }
    care->settings = *settings;
    weir_notify_open(&care->notify);
    ev_timer_init(&care->tick, on_tick, TICK_S, TICK_S);
    care->tick.data = care;
    ev_timer_start(settings->loop, &care->tick);
    if (!settings->metrics || open_metrics(care, error) == WEIR_OK)
        return care;
    weir_care_close(care);
    return NULL;
}

void weir_care_close(struct weir_care *care)
{
    if (!care)
        return;
    ev_timer_stop(care->settings.loop, &care->tick);
    weir_exposition_close(care->exposition);
    weir_metrics_free(care->metrics);
    weir_notify_close(&care->notify);
    free(care);
}
