/* Wires the dashboard: flags, threads, HTTP, signals. */
#include "dashboard/dashboard.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/streams.h"
#include "commands/run.h"
#include "dashboard/api.h"
#include "dashboard/care.h"
#include "dashboard/first.h"
#include "dashboard/page.h"
#include "dashboard/problem.h"
#include "dashboard/settings.h"
#include "message/json_memory.h"
#include "weir.h"

#define EXIT_USAGE 64
#define EXIT_FAILURE_INSIDE 70
#define EXIT_NO_ADDRESS 71
#define ACTIONS_WAITING_MAX 16
#define CONNECTIONS_MAX 96
#define BODY_MAX (1024 * 1024 + 65536) /* a message's data, and what stands around it */
#define STOP_LIMIT_MS 10000
#define THREAD_LIMIT_MS 2000

static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

struct dashboard {
    struct ev_loop *loop;
    struct weir_log log;
    struct weir_access access;
    struct weir_board *board;
    struct weir_clerk *actions;
    struct weir_history *history;
    struct weir_live *live;
    struct weir_care *care;
    struct weir_door *door;
    struct weir_first first;
    struct weir_api *api;
    struct weir_http_server *http;
    ev_signal signals[SIGNALS];
    ev_timer stopping;
    int64_t stop_by_ms; /* 0: nobody has asked */
};

/* ---- Requests ---------------------------------------------------------------------------- */

static void handle(void *user, struct weir_http_request *request)
{
    struct dashboard *dashboard = user;
    const struct weir_page_file *file = weir_http_method(request) == WEIR_HTTP_POST
                                            ? NULL
                                            : weir_page_find(weir_http_path(request));
    if (!file)
        weir_api_handle(dashboard->api, request);
    else if (weir_door_admit(dashboard->door, request, false))
        weir_first_answer(&dashboard->first, request, file,
                          weir_door_might_read(dashboard->door, request));
}

static void refuse(void *user, struct weir_http_request *request, unsigned status,
                   const char *sentence)
{
    (void)user;
    weir_respond_problem(request, status, sentence);
}

/* ---- Stopping ---------------------------------------------------------------------------- */

/* What is in hand is answered first, but nothing is waited for longer than the limit. */
static void on_stopping(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct dashboard *dashboard = timer->data;
    (void)events;
    bool done = weir_http_in_hand(dashboard->http) == 0 && weir_api_in_hand(dashboard->api) == 0;
    if (done || weir_clock_monotonic_ms() > dashboard->stop_by_ms)
        ev_break(loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct dashboard *dashboard = watcher->data;
    (void)events;
    if (dashboard->stop_by_ms != 0)
        return;
    weir_log_info(&dashboard->log, "dashboard.stopping", "signal=%d", watcher->signum);
    dashboard->stop_by_ms = weir_clock_monotonic_ms() + STOP_LIMIT_MS;
    weir_care_stopping(dashboard->care);
    weir_live_end(dashboard->live);
    weir_http_quiesce(dashboard->http);
    ev_timer_init(&dashboard->stopping, on_stopping, 0., .05);
    dashboard->stopping.data = dashboard;
    ev_timer_start(loop, &dashboard->stopping);
}

static void watch_signals(struct dashboard *dashboard)
{
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIGNALS; i++) {
        ev_signal_init(&dashboard->signals[i], on_signal, signals[i]);
        dashboard->signals[i].data = dashboard;
        ev_signal_start(dashboard->loop, &dashboard->signals[i]);
    }
}

/* ---- Opening and closing ----------------------------------------------------------------- */

static enum weir_status open_http(struct dashboard *dashboard, const char *address,
                                  struct weir_error *error)
{
    const struct weir_http_settings http = {
        .loop = dashboard->loop,
        .log = &dashboard->log,
        .address = address,
        .connections_max = CONNECTIONS_MAX,
        .body_max = BODY_MAX,
        .stream_max = WEIR_LIVE_WAITING_MAX,
        .user = dashboard,
        .handle = handle,
        .refuse = refuse,
    };
    dashboard->http = weir_http_open(&http, error);
    return dashboard->http ? WEIR_OK : error->status;
}

static enum weir_status open_api(struct dashboard *dashboard,
                                 const struct weir_dashboard_settings *settings, const char *shown,
                                 struct weir_error *error)
{
    dashboard->door =
        weir_door_open(dashboard->loop, &dashboard->access, &dashboard->log, dashboard->care);
    dashboard->first = (struct weir_first){
        .access = &dashboard->access,
        .board = dashboard->board,
        .history = dashboard->history,
        .server = shown,
        .prefix = settings->prefix,
    };
    const struct weir_api_settings api = {
        .loop = dashboard->loop,
        .log = &dashboard->log,
        .door = dashboard->door,
        .board = dashboard->board,
        .actions = dashboard->actions,
        .history = dashboard->history,
        .live = dashboard->live,
        .care = dashboard->care,
        .first = &dashboard->first,
    };
    dashboard->api = dashboard->door ? weir_api_open(&api) : NULL;
    if (!dashboard->api)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    return open_http(dashboard, settings->listen, error);
}

static enum weir_status open_parts(struct dashboard *dashboard,
                                   const struct weir_dashboard_settings *settings,
                                   const char *shown, struct weir_error *error)
{
    dashboard->board = weir_board_open(dashboard->loop, settings->redis, settings->prefix, error);
    if (!dashboard->board)
        return error->status;
    if (dashboard->access.actions) {
        dashboard->actions = weir_clerk_open(dashboard->loop, settings->redis, settings->prefix,
                                             ACTIONS_WAITING_MAX, error);
        if (!dashboard->actions)
            return error->status;
    }
    dashboard->history = weir_history_open(dashboard->loop, dashboard->board);
    dashboard->live = dashboard->history
                          ? weir_live_open(dashboard->loop, dashboard->board, dashboard->history)
                          : NULL;
    if (!dashboard->live)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    const struct weir_care_settings care = {.loop = dashboard->loop,
                                            .log = &dashboard->log,
                                            .metrics = settings->metrics,
                                            .server = shown,
                                            .board = dashboard->board,
                                            .live = dashboard->live};
    dashboard->care = weir_care_open(&care, error);
    return dashboard->care ? open_api(dashboard, settings, shown, error) : error->status;
}

/* Whole or not at all: others look at any time. */
static enum weir_status write_address(const char *path, const char *address,
                                      struct weir_error *error)
{
    struct weir_text beside = {0};
    weir_text_format(&beside, "%s.%ld", path, (long)getpid());
    FILE *file = beside.at ? fopen(beside.at, "we") : NULL;
    bool written = file && fprintf(file, "%s\n", address) > 0;
    written = file && fclose(file) == 0 && written;
    if (!written || rename(beside.at, path) != 0)
        weir_error_set(error, WEIR_SYSTEM, "--address-file %s: %s", path, strerror(errno));
    weir_text_close(&beside);
    return error->status;
}

/* A thread that hangs on its server keeps what it uses; the process ends with it. */
static void close_parts(struct dashboard *dashboard)
{
    weir_live_close(dashboard->live);
    weir_http_close(dashboard->http);
    weir_door_close(dashboard->door);
    weir_history_close(dashboard->history);
    weir_care_close(dashboard->care);
    dashboard->care = NULL;
    bool ended = weir_clerk_close(dashboard->actions, THREAD_LIMIT_MS);
    if (ended)
        weir_api_close(dashboard->api);
    if (!weir_board_close(dashboard->board, THREAD_LIMIT_MS))
        weir_log_warning(&dashboard->log, "dashboard.hung", "what=%s",
                         "the server has not answered");
    weir_secret_wipe(&dashboard->access.token);
}

static int serve(struct dashboard *dashboard, const struct weir_dashboard_settings *settings,
                 const char *shown, struct weir_error *error)
{
    int code = EXIT_FAILURE_INSIDE;
    dashboard->loop = ev_default_loop(EVFLAG_AUTO);
    if (!dashboard->loop) {
        weir_error_set(error, WEIR_SYSTEM, "no event loop");
        return code;
    }
    watch_signals(dashboard);
    enum weir_status status = open_parts(dashboard, settings, shown, error);
    if (status == WEIR_INVALID)
        code = EXIT_USAGE;
    else if (status == WEIR_SYSTEM)
        code = EXIT_NO_ADDRESS;
    if (status == WEIR_OK && settings->address_file)
        status = write_address(settings->address_file, weir_http_where(dashboard->http), error);
    if (status == WEIR_OK) {
        weir_log_info(&dashboard->log, "dashboard.started",
                      "version=%s listen=%s actions=%s server=%s", WEIR_VERSION,
                      weir_http_where(dashboard->http),
                      dashboard->access.actions ? "allowed" : "none", shown);
        weir_care_ready(dashboard->care);
        ev_run(dashboard->loop, 0);
        weir_log_info(&dashboard->log, "dashboard.stopped", NULL);
        code = 0;
    }
    close_parts(dashboard);
    return code;
}

/* ---- Flags ------------------------------------------------------------------------------- */

static int print_help(void)
{
    puts("Usage: weir-dashboard [OPTION]…\n"
         "\n"
         "Serves a web page that shows how a weir system stands, and the same as JSON, in the\n"
         "shapes of weir --json: GET /api/<command>/<operand>…?<option>=<value>. Runs until\n"
         "SIGTERM, SIGINT or SIGHUP.\n"
         "\n"
         "Options:");
    weir_options_help(weir_dashboard_options, weir_terminal_width(), stdout);
    puts("\nExit: 0 stopped as asked; 64 bad usage; 70 a failure inside; 71 the address cannot be\n"
         "listened at.");
    return 0;
}

static int check_and_serve(const struct weir_dashboard_settings *settings, struct weir_error *error)
{
    struct dashboard dashboard = {0};
    struct weir_endpoint endpoint = {0};
    struct weir_listen_address listen = {0};
    int code = EXIT_USAGE;
    if (weir_prefix_check(settings->prefix, error) != WEIR_OK)
        return code;
    if (weir_endpoint_parse(settings->redis, &endpoint, error) != WEIR_OK) {
        weir_error_prefix(error, "--redis");
        return code;
    }
    if (weir_dashboard_check(settings, &listen, &dashboard.access, error) == WEIR_OK) {
        weir_log_init(&dashboard.log, "dashboard");
        dashboard.log.level = (enum weir_log_level)settings->log_level;
        weir_log_set_format(&dashboard.log, (enum weir_log_format)settings->log_format);
        weir_log_count_repeats(&dashboard.log);
        if (dashboard.access.token.exposed)
            weir_log_warning(&dashboard.log, "dashboard.token_exposed", "file=%s",
                             settings->token_file ? settings->token_file : "of the credential");
        weir_json_watch();
        code = serve(&dashboard, settings, endpoint.shown, error);
        weir_log_close(&dashboard.log);
    }
    weir_endpoint_close(&endpoint);
    return code;
}

int weir_dashboard_main(int argc, char **argv)
{
    struct weir_dashboard_settings settings = {0};
    struct weir_error error = {0};
    int operands = 0, code = EXIT_USAGE;
    weir_streams_open();
    if (weir_options_parse(weir_dashboard_options, &settings, argc, argv, &operands, &error) ==
            WEIR_OK &&
        operands > 0)
        weir_error_set(&error, WEIR_INVALID, "\"%s\": takes no operands", argv[1]);
    if (error.status == WEIR_OK && settings.help)
        return print_help();
    if (error.status == WEIR_OK && settings.version) {
        puts("weir-dashboard (weir " WEIR_VERSION ")");
        return 0;
    }
    if (error.status == WEIR_OK)
        code = check_and_serve(&settings, &error);
    if (error.status != WEIR_OK)
        weir_complain("weir-dashboard", error.text);
    return code;
}
