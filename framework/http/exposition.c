/* What Prometheus and a supervisor ask of a process. */
#include "http/exposition.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define FRESH_MS 1000       /* what was collected is told again for so long */
#define COLLECT_MAX_MS 1000 /* what has not come then is left out */
#define CONNECTIONS_MAX 16
#define IDLE_MAX_MS 150000 /* between two scrapes of one connection */
#define SENTENCE_MAX 512

struct scrape {
    struct weir_http_request *request; /* NULL: nobody waits here */
};

struct weir_exposition {
    struct weir_exposition_settings settings;
    struct weir_http_server *server;
    struct scrape waiting[CONNECTIONS_MAX];
    ev_timer patience;
    bool collecting, collected_once;
    int64_t collected_ms;
};

/* ---- /metrics ---------------------------------------------------------------------------------
 */

static void tell(struct weir_exposition *exposition, struct weir_http_request *request)
{
    static const struct weir_http_header headers[] = {{"Cache-Control", "no-store"}, {NULL, NULL}};
    struct weir_text text = {0};
    weir_metrics_write(exposition->settings.metrics, &text);
    if (text.failed || text.at == NULL)
        weir_http_answer_text(request, 503, "no memory\n");
    else
        weir_http_answer(request, 200, WEIR_METRICS_CONTENT_TYPE, headers, text.at, text.length);
    weir_text_close(&text);
}

static void tell_waiting(struct weir_exposition *exposition)
{
    ev_timer_stop(exposition->settings.loop, &exposition->patience);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (exposition->waiting[i].request != NULL) {
            struct weir_http_request *request = exposition->waiting[i].request;
            exposition->waiting[i].request = NULL;
            tell(exposition, request);
        }
}

static void on_impatience(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    tell_waiting(timer->data);
}

static void on_gone(void *user)
{
    struct scrape *scrape = user;
    scrape->request = NULL;
}

static bool wait_for_it(struct weir_exposition *exposition, struct weir_http_request *request)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (exposition->waiting[i].request == NULL) {
            exposition->waiting[i].request = request;
            weir_http_defer(request, on_gone, &exposition->waiting[i]);
            if (!ev_is_active(&exposition->patience)) {
                ev_timer_set(&exposition->patience, COLLECT_MAX_MS / 1000., 0.);
                ev_timer_start(exposition->settings.loop, &exposition->patience);
            }
            return true;
        }
    return false;
}

static bool is_fresh(const struct weir_exposition *exposition)
{
    return exposition->collected_once &&
           weir_clock_monotonic_ms() - exposition->collected_ms < FRESH_MS;
}

static void scrape(struct weir_exposition *exposition, struct weir_http_request *request)
{
    const struct weir_exposition_settings *settings = &exposition->settings;
    if (settings->collect == NULL || (!exposition->collecting && is_fresh(exposition)) ||
        !wait_for_it(exposition, request)) {
        tell(exposition, request);
    } else if (!exposition->collecting) {
        exposition->collecting = true;
        settings->collect(settings->user, exposition);
    }
}

void weir_exposition_collected(struct weir_exposition *exposition)
{
    exposition->collecting = false;
    exposition->collected_once = true;
    exposition->collected_ms = weir_clock_monotonic_ms();
    tell_waiting(exposition);
}

/* ---- What else is asked -----------------------------------------------------------------------
 */

static void judge(struct weir_exposition *exposition, struct weir_http_request *request,
                  bool (*is_so)(void *user, char *why, size_t room))
{
    char why[SENTENCE_MAX] = "";
    if (is_so == NULL || is_so(exposition->settings.user, why, sizeof why - 1)) {
        weir_http_answer_text(request, 200, "ok\n");
        return;
    }
    strcat(why, "\n");
    weir_http_answer_text(request, 503, why);
}

static void handle(void *user, struct weir_http_request *request)
{
    static const struct weir_http_header allow[] = {{"Allow", "GET, HEAD"}, {NULL, NULL}};
    static const char reading_only[] = "Only GET and HEAD.\n";
    struct weir_exposition *exposition = user;
    const char *path = weir_http_path(request);
    if (weir_http_method(request) == WEIR_HTTP_POST)
        weir_http_answer(request, 405, "text/plain; charset=utf-8", allow, reading_only,
                         sizeof reading_only - 1);
    else if (strcmp(path, "/metrics") == 0)
        scrape(exposition, request);
    else if (strcmp(path, "/healthz") == 0)
        judge(exposition, request, exposition->settings.healthy);
    else if (strcmp(path, "/readyz") == 0)
        judge(exposition, request, exposition->settings.ready);
    else
        weir_http_answer_text(request, 404, "Here are /metrics, /healthz and /readyz.\n");
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static void tell_build(const struct weir_exposition_settings *settings)
{
    static const struct weir_family_about about = {
        .name = "weir_build_info",
        .help = "1, with the version of this process's program.",
        .labels = {"service", "version"},
    };
    const char *const values[] = {settings->service, settings->version};
    weir_gauge_set(weir_family_gauge(weir_metrics_gauges(settings->metrics, &about), values), 1);
}

struct weir_exposition *weir_exposition_open(const struct weir_exposition_settings *settings,
                                             struct weir_error *error)
{
    struct weir_exposition *exposition = calloc(1, sizeof *exposition);
    if (exposition == NULL) {
        weir_error_set(error, WEIR_NO_MEMORY, "no memory");
        return NULL;
    }
    exposition->settings = *settings;
    ev_timer_init(&exposition->patience, on_impatience, 0., 0.);
    exposition->patience.data = exposition;
    exposition->server =
        weir_http_open(&(struct weir_http_settings){.loop = settings->loop,
                                                    .log = settings->log,
                                                    .address = settings->address,
                                                    .connections_max = CONNECTIONS_MAX,
                                                    .body_max = 1024,
                                                    .idle_max_ms = IDLE_MAX_MS,
                                                    .user = exposition,
                                                    .handle = handle},
                       error);
    if (exposition->server == NULL) {
        free(exposition);
        return NULL;
    }
    tell_build(settings);
    weir_log_info(settings->log, "metrics.listening", "address=%s",
                  weir_http_where(exposition->server));
    return exposition;
}

void weir_exposition_close(struct weir_exposition *exposition)
{
    if (exposition == NULL)
        return;
    weir_http_close(exposition->server);
    ev_timer_stop(exposition->settings.loop, &exposition->patience);
    free(exposition);
}

const char *weir_exposition_where(const struct weir_exposition *exposition)
{
    return weir_http_where(exposition->server);
}
