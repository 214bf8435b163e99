/* libmicrohttpd does all reading and writing in one thread by epoll, so that a slow client holds
 * nobody up. A request that has come whole is suspended, goes on in the desk's thread, and is
 * resumed when its answer is there. The thread is ours: that of the library (0.9.75 to 1.0.1), when
 * it has got as many events as it takes at once, waits for the next one before it looks at them. */
#include "door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "figures.h"
#include "handlers.h"

#define HEADERS_MAX 16384     /* bytes of a connection's memory: beyond, the library says 431 */
#define DISCARDED_MAX 1048576 /* of a body that is too large and comes all the same */
#define BACKLOG 512
#define LOOK_UP_MS 1000
/* Connections that the library may have beyond ours, until those that make room are closed. */
#define CONNECTIONS_SPARE 16

/* Where one is that the client has not sent yet, that is in our hands, whose answer goes out. */
enum phase { COMING, IN_HAND, GOING };

/* Those of one connection's requests that are on their way between client and gateway have to be
 * done by `until`. */
struct connection {
    struct connection *next, **place;
    int socket;
    enum phase phase;
    int64_t until; /* 0: the request is in our hands */
    bool cut;      /* it is being closed */
};

struct door {
    struct gateway *gateway;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    atomic_bool quiet;  /* no new connections are to be taken */
    atomic_bool closed; /* the thread is to end */
    int socket;
    char address[96];
    pthread_mutex_t mutex;
    /* Guarded by the mutex. */
    struct connection *connections, **end; /* the oldest first */
    int64_t count;                         /* of those that are not cut */
};

/* ---- Connections ------------------------------------------------------------------------- */

static void enter(struct door *door, struct connection *connection, enum phase phase)
{
    int64_t until = phase == IN_HAND ? 0 : request_now() + door->gateway->settings.request_limit_ms;
    if (connection == NULL)
        return;
    pthread_mutex_lock(&door->mutex);
    connection->phase = phase;
    connection->until = until;
    pthread_mutex_unlock(&door->mutex);
}

/* The socket is still open: it is closed after the connection was taken from the list. */
static void cut(struct door *door, struct connection *connection)
{
    door->count -= !connection->cut;
    connection->cut = true;
    (void)shutdown(connection->socket, SHUT_RDWR);
}

/* What has come and was not read yet may be a whole request. */
static bool has_sent(const struct connection *connection)
{
    char byte;
    return recv(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static struct connection *longest_without_request(const struct door *door,
                                                  const struct connection *newcomer)
{
    struct connection *longest = NULL;
    for (struct connection *one = door->connections; one != newcomer; one = one->next)
        if (one->phase == COMING && !one->cut && (longest == NULL || one->until < longest->until) &&
            !has_sent(one))
            longest = one;
    return longest;
}

/* The library has written nothing yet. */
static void send_away(struct door *door, struct connection *newcomer)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                                 "Retry-After: 1\r\nConnection: close\r\n\r\n";
    (void)!send(newcomer->socket, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    cut(door, newcomer);
}

static void say_closed(const struct door *door, const char *which)
{
    const struct gateway *gateway = door->gateway;
    figures_take_closed(gateway, which);
    weir_journal_write(
        gateway->journal, WEIR_WARNING, "connection.closed", "which=%s most=%lld reason=%s", which,
        (long long)gateway->settings.most_connections, "there are as many as --connections allows");
}

/* There are too many: one that waits for nothing of ours makes room, else the newcomer goes. */
static const char *make_room(struct door *door, struct connection *newcomer)
{
    struct connection *longest = longest_without_request(door, newcomer);
    if (longest == NULL) {
        send_away(door, newcomer);
        return "newest";
    }
    cut(door, longest);
    return "idle";
}

static void add_connection(struct door *door, struct MHD_Connection *line, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(line, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *connection = calloc(1, sizeof *connection);
    const char *closed = NULL;
    *context = connection;
    if (connection == NULL || info == NULL)
        return;
    connection->socket = info->connect_fd;
    enter(door, connection, COMING);
    pthread_mutex_lock(&door->mutex);
    connection->place = door->end;
    *door->end = connection;
    door->end = &connection->next;
    if (++door->count > door->gateway->settings.most_connections)
        closed = make_room(door, connection);
    pthread_mutex_unlock(&door->mutex);
    if (closed != NULL)
        say_closed(door, closed);
}

/* A library that had as many as it takes looks for new ones no more until it is run again. */
static void remove_connection(struct door *door, struct connection *connection)
{
    gateway_wake(door->gateway);
    if (connection == NULL)
        return;
    pthread_mutex_lock(&door->mutex);
    if (connection->place != NULL) {
        *connection->place = connection->next;
        if (connection->next != NULL)
            connection->next->place = connection->place;
        else
            door->end = connection->place;
        door->count -= !connection->cut;
    }
    pthread_mutex_unlock(&door->mutex);
    free(connection);
}

static void on_connection(void *user, struct MHD_Connection *line, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        add_connection(user, line, context);
    else
        remove_connection(user, *context);
}

/* The library's own limit begins anew with each byte. */
void door_sweep(struct door *door)
{
    int64_t now = request_now();
    pthread_mutex_lock(&door->mutex);
    for (struct connection *one = door->connections; one != NULL; one = one->next)
        if (one->until != 0 && one->until < now)
            cut(door, one);
    pthread_mutex_unlock(&door->mutex);
}

/* ---- Requests ---------------------------------------------------------------------------- */

static struct request *make_request(struct door *door, struct MHD_Connection *line,
                                    const char *path, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(line, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->gateway = door->gateway;
    request->line = line;
    request->connection = info != NULL ? info->socket_context : NULL;
    request->match = route_find(method, path);
    return request;
}

static void free_request(struct request *request)
{
    json_decref(request->data);
    json_decref(request->list);
    free(request->body);
    free(request->reply.body);
    free(request);
}

static void on_completed(void *user, struct MHD_Connection *line, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct request *request = *context;
    (void)line, (void)code;
    if (request == NULL)
        return;
    enter(user, request->connection, COMING);
    free_request(request);
    *context = NULL;
}

/* More than is taken is thrown away, so that the client gets to read why; a client that never
 * stops is cut off. */
static bool add_body(struct request *request, const char *bytes, size_t length)
{
    char *grown;
    if (request->length + length > BODY_MAX) {
        request->too_large = true;
        request->length += length;
        return request->length < DISCARDED_MAX;
    }
    grown = realloc(request->body, request->length + length);
    if (grown == NULL)
        return false;
    memcpy(grown + request->length, bytes, length);
    request->body = grown;
    request->length += length;
    return true;
}

/* ---- Answers ----------------------------------------------------------------------------- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value[0] != '\0')
        (void)MHD_add_response_header(response, name, value);
}

static enum MHD_Result send_reply(struct door *door, struct request *request)
{
    struct reply *reply = &request->reply;
    char seconds[16] = "";
    enum MHD_Result sent;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->length, reply->body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    reply->body = NULL;
    if (reply->retry_after_s > 0)
        snprintf(seconds, sizeof seconds, "%u", reply->retry_after_s);
    add_header(response, "Content-Type", reply->type);
    add_header(response, "Location", reply->location);
    add_header(response, "Retry-After", seconds);
    add_header(response, "Allow", reply->allow);
    add_header(response, "Cache-Control", "no-store");
    if (atomic_load(&request->gateway->stopping))
        add_header(response, "Connection", "close");
    enter(door, request->connection, GOING);
    figures_take(request);
    sent = MHD_queue_response(request->line, reply->status, response);
    MHD_destroy_response(response);
    return sent;
}

/* ---- Serving ----------------------------------------------------------------------------- */

/* What can be told by the head alone; true: it is answered. */
static bool refuse_by_head(struct request *request)
{
    const char *length = request_header(request, "Content-Length");
    if (request->match.route == ROUTE_NO_PATH)
        request_problem(request, PROBLEM_NO_SUCH_PATH, NULL, "nothing is at this path");
    else if (request->match.route == ROUTE_BAD_ID)
        request_problem(request, PROBLEM_ABSENT, NULL, "nothing can have this id");
    else if (request->match.route == ROUTE_NO_METHOD) {
        snprintf(request->reply.allow, sizeof request->reply.allow, "%s", request->match.allow);
        request_problem(request, PROBLEM_METHOD, NULL, "the path takes %s", request->match.allow);
    } else if (length != NULL && strtoull(length, NULL, 10) > BODY_MAX)
        request_problem(request, PROBLEM_TOO_LARGE, NULL, "a body may have %d bytes", BODY_MAX);
    return request->reply.status != 0;
}

static void begin(struct request *request)
{
    struct gateway *gateway = request->gateway;
    const struct handler *handler = handler_of(request->match.route);
    request->began_ns = request_now_ns();
    if (request->too_large) {
        request_problem(request, PROBLEM_TOO_LARGE, NULL, "a body may have %d bytes", BODY_MAX);
        return;
    }
    if (handler->check != NULL && !handler->check(request))
        return;
    if (atomic_fetch_add(&gateway->in_hand, 1) >= gateway->settings.most_requests) {
        atomic_fetch_sub(&gateway->in_hand, 1);
        change_busy(request);
        return;
    }
    request->counted = true;
    /* Behind the count: either this is seen here, or the one who stops sees the count and waits
     * before the desk is closed. */
    if (handler->asks && atomic_load(&gateway->stopping)) {
        request_problem(request, PROBLEM_STOPPING, NULL, "nothing has been done");
        return;
    }
    request->suspended = true;
    MHD_suspend_connection(request->line);
    handler->begin(request); /* from here on the request may be gone */
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *line, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *length, void **context)
{
    struct door *door = user;
    struct request *request = *context;
    (void)version;
    if (request == NULL) {
        request = make_request(door, line, path, method);
        *context = request;
        if (request == NULL)
            return MHD_NO;
        return refuse_by_head(request) ? send_reply(door, request) : MHD_YES;
    }
    if (*length > 0) {
        bool added = add_body(request, bytes, *length);
        *length = 0;
        return added ? MHD_YES : MHD_NO;
    }
    if (request->reply.status == 0) {
        enter(door, request->connection, IN_HAND);
        begin(request);
        if (request->suspended)
            return MHD_YES;
    }
    return send_reply(door, request);
}

/* ---- Opening and closing ----------------------------------------------------------------- */

/* Ids are taken out of the path before escapes are: an escaped '/' or NUL is part of an id, and no
 * id can have it. */
static size_t leave_escapes(void *user, struct MHD_Connection *line, char *text)
{
    (void)user, (void)line;
    return strlen(text);
}

static int listen_at(struct door *door, char *why, size_t room)
{
    const struct settings *settings = &door->gateway->settings;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(settings->port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(settings->port)};
    bool is_six = inet_pton(AF_INET6, settings->host, &six.sin6_addr) == 1;
    struct sockaddr *address = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t length = is_six ? sizeof six : sizeof four;
    int yes = 1, listener = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!is_six)
        (void)inet_pton(AF_INET, settings->host, &four.sin_addr);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (listener < 0 || bind(listener, address, length) != 0 || listen(listener, BACKLOG) != 0 ||
        getsockname(listener, address, &length) != 0) {
        snprintf(why, room, "cannot listen at %s: %s", settings->listen, strerror(errno));
        if (listener >= 0)
            close(listener);
        return -1;
    }
    snprintf(door->address, sizeof door->address, is_six ? "[%s]:%u" : "%s:%u", settings->host,
             ntohs(is_six ? six.sin6_port : four.sin_port));
    return listener;
}

/* ---- The thread -------------------------------------------------------------------------- */

/* Until something happens, or the library has something to do. A library that is not run by its own
 * thread does not wake ours when a request is resumed: hence the second descriptor. */
static void await_events(struct door *door, int events)
{
    MHD_UNSIGNED_LONG_LONG library_ms;
    struct pollfd both[] = {{.fd = events, .events = POLLIN},
                            {.fd = door->gateway->wake, .events = POLLIN}};
    int ms = LOOK_UP_MS;
    uint64_t count;
    if (MHD_get_timeout(door->daemon, &library_ms) == MHD_YES && library_ms < LOOK_UP_MS)
        ms = (int)library_ms;
    if (poll(both, 2, ms) > 0 && both[1].revents != 0)
        (void)!read(door->gateway->wake, &count, sizeof count);
}

static void *run(void *user)
{
    struct door *door = user;
    int events = MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    bool listens = true;
    while (!atomic_load(&door->closed)) {
        await_events(door, events);
        weir_monitor_beat(door->gateway->monitor);
        if (listens && atomic_load(&door->quiet)) {
            (void)MHD_quiesce_daemon(door->daemon);
            close(door->socket);
            listens = false;
        }
        (void)MHD_run(door->daemon);
    }
    MHD_stop_daemon(door->daemon);
    if (listens)
        close(door->socket);
    return NULL;
}

struct door *door_open(struct gateway *gateway, char *why, size_t room)
{
    struct door *door = calloc(1, sizeof *door);
    unsigned idle_s = (unsigned)(gateway->settings.request_limit_ms / 1000);
    if (door == NULL) {
        snprintf(why, room, "memory ran out");
        return NULL;
    }
    door->gateway = gateway;
    door->end = &door->connections;
    pthread_mutex_init(&door->mutex, NULL);
    door->socket = listen_at(door, why, room);
    if (door->socket >= 0) {
        door->daemon = MHD_start_daemon(
            MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, door,
            MHD_OPTION_LISTEN_SOCKET, door->socket, MHD_OPTION_NOTIFY_COMPLETED, on_completed, door,
            MHD_OPTION_NOTIFY_CONNECTION, on_connection, door, MHD_OPTION_UNESCAPE_CALLBACK,
            leave_escapes, door, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned)gateway->settings.most_connections + CONNECTIONS_SPARE,
            MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)HEADERS_MAX, MHD_OPTION_END);
        if (door->daemon != NULL && pthread_create(&door->thread, NULL, run, door) == 0)
            return door;
        snprintf(why, room, "the HTTP server does not start");
        close(door->socket);
    }
    pthread_mutex_destroy(&door->mutex);
    free(door);
    return NULL;
}

const char *door_address(const struct door *door)
{
    return door->address;
}

void door_stop_listening(struct door *door)
{
    atomic_store(&door->quiet, true);
    gateway_wake(door->gateway);
}

void door_close(struct door *door)
{
    atomic_store(&door->closed, true);
    gateway_wake(door->gateway);
    pthread_join(door->thread, NULL);
    pthread_mutex_destroy(&door->mutex);
    free(door);
}
