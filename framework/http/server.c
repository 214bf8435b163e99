/* The server: its daemon in the event loop, its connections and how long each may take. */
#define _GNU_SOURCE /* POLLRDHUP */
#include "http/server.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/inside.h"

#define SWEEP_MAX_MS 1000
/* Connections that libmicrohttpd may have beyond ours, until those that make room are closed. */
#define CONNECTIONS_SPARE 16

/* ---- The loop ------------------------------------------------------------------------------- */

static void schedule(struct weir_http_server *server)
{
    MHD_UNSIGNED_LONG_LONG after_ms;
    ev_timer_stop(server->settings.loop, &server->timer);
    if (server->mhd.get_timeout(server->daemon, &after_ms) != MHD_YES)
        return;
    ev_timer_set(&server->timer, (double)after_ms / 1000., 0.);
    ev_timer_start(server->settings.loop, &server->timer);
}

static void turn(struct weir_http_server *server)
{
    (void)server->mhd.run(server->daemon);
    schedule(server);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    turn(io->data);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    turn(timer->data);
}

void weir_http_resume(struct weir_http_request *request)
{
    struct weir_http_server *server = request->server;
    if (!request->suspended)
        return;
    request->suspended = false;
    server->mhd.resume_connection(request->connection);
    ev_feed_event(server->settings.loop, &server->timer, EV_TIMER);
}

/* ---- Connections ---------------------------------------------------------------------------- */

void weir_http_enter(struct weir_http_place *place, enum weir_http_phase phase)
{
    place->phase = phase;
    place->since_ms = weir_clock_monotonic_ms();
}

void weir_http_cut(struct weir_http_place *place, const char *reason)
{
    weir_log_debug(place->server->settings.log, "http.cut", "reason=%s", reason);
    place->cut = true;
    shutdown(place->socket, SHUT_RDWR);
}

/* Where libmicrohttpd has written nothing yet, as no request is whole. */
static void cut_with(struct weir_http_place *place, const char *status_line, const char *reason)
{
    struct weir_text answer = {0};
    weir_text_format(&answer, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                     status_line);
    if (!answer.failed)
        (void)!send(place->socket, answer.at, answer.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    weir_text_close(&answer);
    weir_http_cut(place, reason);
}

/* The one without a whole request that has waited longest makes room; where there is none, the
 * newcomer goes. */
static void make_room(struct weir_http_place *newcomer)
{
    struct weir_http_place *longest = NULL;
    for (struct weir_http_place *place = newcomer->next; place != NULL; place = place->next)
        if (place->phase <= WEIR_HTTP_READING && !place->cut &&
            (longest == NULL || place->since_ms <= longest->since_ms))
            longest = place;
    if (longest != NULL)
        weir_http_cut(longest, "room");
    else
        cut_with(newcomer, "503 Service Unavailable", "connections");
}

static void begin_place(struct weir_http_server *server, struct MHD_Connection *connection,
                        void **context)
{
    const union MHD_ConnectionInfo *info =
        server->mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct weir_http_place *place = info != NULL ? calloc(1, sizeof *place) : NULL;
    *context = place;
    if (place == NULL)
        return; /* its requests are refused */
    place->server = server;
    place->socket = info->connect_fd;
    place->next = server->places;
    if (place->next != NULL)
        place->next->previous = place;
    server->places = place;
    weir_http_enter(place, WEIR_HTTP_IDLE);
    if (++server->place_count > server->settings.connections_max)
        make_room(place);
    if (!ev_is_active(&server->sweep))
        ev_timer_again(server->settings.loop, &server->sweep);
}

/* Where libmicrohttpd had as many as it takes it looks at the listening socket no more until it is
 * run again. */
static void end_place(struct weir_http_server *server, struct weir_http_place *place)
{
    ev_feed_event(server->settings.loop, &server->timer, EV_TIMER);
    if (place == NULL)
        return;
    if (place->next != NULL)
        place->next->previous = place->previous;
    if (place->previous != NULL)
        place->previous->next = place->next;
    else
        server->places = place->next;
    server->place_count--;
    free(place);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        begin_place(user, connection, context);
    else
        end_place(user, *context);
}

/* ---- Time limits ---------------------------------------------------------------------------- */

/* While a stream has nothing to send libmicrohttpd does not look at its socket. */
static bool reader_is_gone(const struct weir_http_place *place)
{
    struct pollfd look = {.fd = place->socket, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void sweep_place(struct weir_http_server *server, struct weir_http_place *place)
{
    const struct weir_http_settings *settings = &server->settings;
    int64_t passed = weir_clock_monotonic_ms() - place->since_ms;
    switch (place->phase) {
    case WEIR_HTTP_IDLE:
        if (passed > settings->idle_max_ms || server->quiesced)
            weir_http_cut(place, "idle");
        break;
    case WEIR_HTTP_READING:
        if (passed > settings->request_max_ms)
            cut_with(place, "408 Request Timeout", "request");
        break;
    case WEIR_HTTP_DEFERRED:
        if (passed > settings->answer_max_ms)
            weir_http_give_up(place->request);
        break;
    case WEIR_HTTP_ANSWERING:
        if (passed > settings->answer_max_ms)
            weir_http_cut(place, "answer");
        break;
    case WEIR_HTTP_STREAMING:
        if (place->request->suspended && reader_is_gone(place)) {
            place->request->broken = true;
            weir_http_resume(place->request);
        }
        break;
    }
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_http_server *server = timer->data;
    struct weir_http_place *next;
    (void)events;
    for (struct weir_http_place *place = server->places; place != NULL; place = next) {
        next = place->next;
        sweep_place(server, place);
    }
    if (server->places == NULL)
        ev_timer_stop(loop, timer);
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static void fill_in(struct weir_http_settings *settings)
{
    settings->connections_max = (int)or_else(settings->connections_max, 64);
    settings->headers_max = (size_t)or_else((int64_t)settings->headers_max, 16384);
    settings->body_max = (size_t)or_else((int64_t)settings->body_max, 65536);
    settings->stream_max = (size_t)or_else((int64_t)settings->stream_max, 262144);
    settings->request_max_ms = or_else(settings->request_max_ms, 10000);
    settings->idle_max_ms = or_else(settings->idle_max_ms, 60000);
    settings->answer_max_ms = or_else(settings->answer_max_ms, 30000);
}

static struct MHD_Daemon *start_daemon(struct weir_http_server *server, int listening)
{
    const struct weir_http_settings *settings = &server->settings;
    /* libmicrohttpd's own limit: how long a client that takes its answer may take nothing. */
    unsigned stall_s = (unsigned)((settings->answer_max_ms + 999) / 1000);
    if (settings->idle_max_ms / 1000 + 1 > (int64_t)stall_s)
        stall_s = (unsigned)(settings->idle_max_ms / 1000 + 1);
    return server->mhd.start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, weir_http_on_access, server,
        MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)settings->connections_max + CONNECTIONS_SPARE, MHD_OPTION_CONNECTION_TIMEOUT,
        stall_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, 2 * settings->headers_max,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, weir_http_on_line, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_NOTIFY_COMPLETED,
        weir_http_on_completed, server, MHD_OPTION_END);
}

static void watch(struct weir_http_server *server, int descriptor)
{
    const struct weir_http_settings *settings = &server->settings;
    int64_t every_ms = SWEEP_MAX_MS;
    if (settings->request_max_ms / 4 < every_ms)
        every_ms = settings->request_max_ms / 4 + 1;
    ev_io_init(&server->io, on_io, descriptor, EV_READ);
    ev_timer_init(&server->timer, on_timer, 0., 0.);
    ev_timer_init(&server->sweep, on_sweep, 0., (double)every_ms / 1000.);
    server->io.data = server->timer.data = server->sweep.data = server;
    ev_io_start(settings->loop, &server->io);
}

struct weir_http_server *weir_http_open(const struct weir_http_settings *settings,
                                        struct weir_error *error)
{
    struct weir_listen_address address;
    if (weir_listen_parse(settings->address, &address, error) != WEIR_OK)
        return NULL;
    struct weir_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        weir_error_set(error, WEIR_NO_MEMORY, "no memory");
        return NULL;
    }
    server->settings = *settings;
    fill_in(&server->settings);
    int listening = -1;
    if (weir_http_library_load(&server->mhd, error) == WEIR_OK)
        listening = weir_listen_open(&address, error);
    if (listening < 0) {
        free(server);
        return NULL;
    }
    weir_listen_show(listening, server->where);
    server->daemon = start_daemon(server, listening);
    if (server->daemon == NULL) {
        close(listening);
        free(server);
        weir_error_set(error, WEIR_SYSTEM, "%.80s: the HTTP server could not be started",
                       settings->address);
        return NULL;
    }
    watch(server, server->mhd.get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    return server;
}

const char *weir_http_where(const struct weir_http_server *server)
{
    return server->where;
}

void weir_http_quiesce(struct weir_http_server *server)
{
    if (server->quiesced)
        return;
    server->quiesced = true;
    int listening = server->mhd.quiesce_daemon(server->daemon);
    if (listening >= 0)
        close(listening);
    for (struct weir_http_place *place = server->places; place != NULL; place = place->next)
        if (place->phase == WEIR_HTTP_IDLE)
            weir_http_cut(place, "closing");
}

size_t weir_http_in_hand(const struct weir_http_server *server)
{
    size_t count = 0;
    for (struct weir_http_place *place = server->places; place != NULL; place = place->next)
        count += place->phase != WEIR_HTTP_IDLE;
    return count;
}

void weir_http_close(struct weir_http_server *server)
{
    if (server == NULL)
        return;
    weir_http_quiesce(server);
    for (struct weir_http_place *place = server->places; place != NULL; place = place->next)
        if (place->request != NULL) {
            place->request->broken = true;
            weir_http_tell_gone(place->request);
            /* It must not end with connections that it was told to let be. */
            weir_http_resume(place->request);
        }
    server->mhd.stop_daemon(server->daemon);
    ev_io_stop(server->settings.loop, &server->io);
    ev_timer_stop(server->settings.loop, &server->timer);
    ev_timer_stop(server->settings.loop, &server->sweep);
    free(server);
}
