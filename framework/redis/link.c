/* One connection to the server that comes back by itself. */
#include "redis/link.h"

#include <hiredis/adapters/libev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"
#include "redis/refusal.h"

#define CONNECT_LIMIT_MS 5000
#define BACKOFF_BASE_MS 50
#define BACKOFF_CAP_MS 2000
#define WATCH_EVERY_MS 1000

struct weir_link_request {
    struct weir_link *link;
    weir_link_answered *answered;
    void *user;
    struct weir_link_request *next; /* while spare */
};

/* Which state may follow which: one bit for each state. */
static const unsigned moves[] = {
    [WEIR_LINK_CLOSED] = 1u << WEIR_LINK_WAITING,
    [WEIR_LINK_CONNECTING] =
        1u << WEIR_LINK_GREETING | 1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
    [WEIR_LINK_GREETING] = 1u << WEIR_LINK_READY | 1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
    [WEIR_LINK_READY] = 1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
    [WEIR_LINK_WAITING] =
        1u << WEIR_LINK_CONNECTING | 1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
};

static void move(struct weir_link *link, enum weir_link_state next)
{
    if (!(moves[link->state] & 1u << next))
        weir_log_error(link->settings.log, "link.unlisted_move", "role=%s from=%d to=%d",
                       link->settings.role, (int)link->state, (int)next);
    link->state = next;
}

static void set_timer(struct weir_link *link, int64_t after_ms)
{
    ev_timer_stop(link->settings.loop, &link->timer);
    ev_timer_set(&link->timer, (double)after_ms / 1000.0, 0.);
    ev_timer_start(link->settings.loop, &link->timer);
}

/* The connection is gone and hiredis has let go of it: wait, then try again. */
static void wait_and_retry(struct weir_link *link, const struct weir_error *error)
{
    link->connection = NULL;
    link->failures++;
    link->owed = link->greetings_owed = 0;
    link->client_id = -1;
    move(link, WEIR_LINK_WAITING);
    int64_t pause = weir_backoff_ms(BACKOFF_BASE_MS, BACKOFF_CAP_MS, link->failures, &link->random);
    if (link->failures == 1) /* one line for each change of state, not for each attempt */
        weir_log_warning(link->settings.log, "link.lost", "role=%s server=%s reason=%s",
                         link->settings.role, link->settings.endpoint->shown, error->text);
    set_timer(link, pause);
    if (link->settings.lost)
        link->settings.lost(link->settings.user, error);
}

/* Frees the connection; everything owed is answered unknown on the way. Not from a callback of
 * hiredis, which would put the freeing off. */
static void free_connection(struct weir_link *link)
{
    redisAsyncContext *connection = link->connection;
    link->connection = NULL;
    ev_timer_stop(link->settings.loop, &link->drop_timer);
    memset(&link->drop_reason, 0, sizeof link->drop_reason);
    if (connection == NULL)
        return;
    connection->data = NULL;
    redisAsyncFree(connection);
}

static void drop(struct weir_link *link, const char *reason)
{
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_UNAVAILABLE, "%s", reason);
    free_connection(link);
    wait_and_retry(link, &error);
}

static void on_drop_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_link *link = timer->data;
    struct weir_error error = link->drop_reason;
    (void)loop;
    (void)events;
    memset(&link->drop_reason, 0, sizeof link->drop_reason);
    free_connection(link);
    wait_and_retry(link, &error);
}

/* Drops the connection from inside a callback of hiredis: as the next thing in the loop. */
static void drop_soon(struct weir_link *link, enum weir_status status, const char *reason)
{
    weir_error_set(&link->drop_reason, status, "%s", reason);
    ev_timer_start(link->settings.loop, &link->drop_timer);
}

/* ---- Requests ---------------------------------------------------------------------------- */

static struct weir_link_request *take_request(struct weir_link *link)
{
    struct weir_link_request *request = link->spare;
    if (request == NULL)
        return malloc(sizeof *request);
    link->spare = request->next;
    return request;
}

static void give_back_request(struct weir_link *link, struct weir_link_request *request)
{
    request->next = link->spare;
    link->spare = request;
}

static void on_reply(redisAsyncContext *connection, void *raw_reply, void *raw_request)
{
    const redisReply *reply = raw_reply;
    struct weir_link_request *request = raw_request;
    struct weir_link *link = request->link;
    weir_link_answered *answered = request->answered;
    void *user = request->user;
    (void)connection;
    if (link->owed > 0)
        link->owed--;
    link->progress_at = weir_clock_monotonic_ms();
    give_back_request(link, request);
    if (reply == NULL)
        answered(user, WEIR_ANSWER_UNKNOWN, NULL);
    else if (reply->type == REDIS_REPLY_ERROR)
        answered(user, WEIR_ANSWER_REFUSED, reply);
    else
        answered(user, WEIR_ANSWER_DONE, reply);
}

static enum weir_status send_now(struct weir_link *link, int count, const char **arguments,
                                 const size_t *lengths, weir_link_answered *answered, void *user)
{
    struct weir_link_request *request = take_request(link);
    if (request == NULL)
        return WEIR_NO_MEMORY;
    request->link = link;
    request->answered = answered;
    request->user = user;
    if (redisAsyncCommandArgv(link->connection, on_reply, request, count, arguments, lengths) !=
        REDIS_OK) {
        give_back_request(link, request);
        return link->connection->c.flags & (REDIS_DISCONNECTING | REDIS_FREEING) ? WEIR_UNAVAILABLE
                                                                                 : WEIR_NO_MEMORY;
    }
    if (link->owed++ == 0)
        link->progress_at = weir_clock_monotonic_ms();
    return WEIR_OK;
}

enum weir_status weir_link_send(struct weir_link *link, int count, const char **arguments,
                                const size_t *lengths, weir_link_answered *answered, void *user)
{
    if (link->state != WEIR_LINK_READY || link->connection == NULL)
        return WEIR_UNAVAILABLE;
    return send_now(link, count, arguments, lengths, answered, user);
}

/* ---- Greeting ---------------------------------------------------------------------------- */

static void become_ready(struct weir_link *link)
{
    move(link, WEIR_LINK_READY);
    if (link->failures > 0)
        weir_log_info(link->settings.log, "link.ready", "role=%s server=%s after=%u",
                      link->settings.role, link->settings.endpoint->shown, link->failures);
    link->reconnections += link->failures > 0;
    link->failures = 0;
    link->watched_at = weir_clock_monotonic_ms();
    set_timer(link, WATCH_EVERY_MS);
    link->settings.ready(link->settings.user);
}

static void greeting_answered(struct weir_link *link, enum weir_answer answer)
{
    if (answer == WEIR_ANSWER_UNKNOWN || link->state != WEIR_LINK_GREETING)
        return;
    if (--link->greetings_owed == 0 && link->drop_reason.status == WEIR_OK)
        become_ready(link);
}

/* An answer without which the connection is of no use. */
static void on_needed(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_link *link = user;
    if (answer == WEIR_ANSWER_REFUSED)
        drop_soon(link,
                  weir_refusal_of(reply->str) == WEIR_REFUSAL_DENIED ? WEIR_DENIED
                                                                     : WEIR_UNAVAILABLE,
                  reply->str);
    greeting_answered(link, answer);
}

/* Naming the connection is a courtesy that a user without the right for it can do without. */
static void on_named(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)reply;
    greeting_answered(user, answer);
}

static void on_client_id(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_link *link = user;
    if (answer == WEIR_ANSWER_DONE && reply->type == REDIS_REPLY_INTEGER)
        link->client_id = reply->integer;
    greeting_answered(link, answer);
}

static enum weir_status greet_with(struct weir_link *link, weir_link_answered *answered, int count,
                                   const char **arguments)
{
    enum weir_status status = send_now(link, count, arguments, NULL, answered, link);
    if (status == WEIR_OK)
        link->greetings_owed++;
    return status;
}

static enum weir_status greet(struct weir_link *link)
{
    const struct weir_endpoint *endpoint = link->settings.endpoint;
    enum weir_status status = WEIR_OK;
    char database[16], name[128];

    if (endpoint->password != NULL) {
        const char *with_user[] = {"AUTH", endpoint->user, endpoint->password};
        const char *without[] = {"AUTH", endpoint->password};
        status = endpoint->user != NULL ? greet_with(link, on_needed, 3, with_user)
                                        : greet_with(link, on_needed, 2, without);
    }
    if (status == WEIR_OK && endpoint->database != 0) {
        snprintf(database, sizeof database, "%d", endpoint->database);
        status = greet_with(link, on_needed, 2, (const char *[]){"SELECT", database});
    }
    snprintf(name, sizeof name, "weir:%s:%s", link->settings.client_name, link->settings.role);
    if (status == WEIR_OK)
        status = greet_with(link, on_named, 3, (const char *[]){"CLIENT", "SETNAME", name});
    if (status == WEIR_OK)
        status = greet_with(link, on_client_id, 2, (const char *[]){"CLIENT", "ID"});
    if (status == WEIR_OK) /* a server that is loading or cannot write says so here */
        status = greet_with(link, on_needed, 1, (const char *[]){"PING"});
    return status;
}

/* ---- Connecting -------------------------------------------------------------------------- */

static void on_connected(const redisAsyncContext *connection, int status)
{
    struct weir_link *link = connection->data;
    struct weir_error error = {0};
    if (link == NULL)
        return;
    if (status != REDIS_OK) { /* hiredis frees the connection after this */
        weir_error_set(&error, WEIR_UNAVAILABLE, "%s", connection->errstr);
        link->connection->data = NULL;
        wait_and_retry(link, &error);
        return;
    }
    move(link, WEIR_LINK_GREETING);
    if (greet(link) != WEIR_OK)
        drop_soon(link, WEIR_NO_MEMORY, "no memory to greet the server");
}

static void on_disconnected(const redisAsyncContext *connection, int status)
{
    struct weir_link *link = connection->data;
    struct weir_error error = {0};
    if (link == NULL)
        return;
    ev_timer_stop(link->settings.loop, &link->drop_timer);
    if (link->drop_reason.status != WEIR_OK)
        error = link->drop_reason;
    else
        weir_error_set(&error, WEIR_UNAVAILABLE, "%s",
                       status == REDIS_OK ? "closed" : connection->errstr);
    memset(&link->drop_reason, 0, sizeof link->drop_reason);
    wait_and_retry(link, &error);
}

/* A peer that vanished without a word is noticed while data is on its way, too. */
static void tune_socket(struct weir_link *link)
{
    unsigned unacknowledged_ms = (unsigned)link->settings.silence_limit_ms;
    if (link->settings.endpoint->host == NULL)
        return;
    if (redisEnableKeepAlive(&link->connection->c) != REDIS_OK ||
        setsockopt(link->connection->c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
                   sizeof unacknowledged_ms) != 0)
        weir_log_debug(link->settings.log, "link.untuned", "role=%s", link->settings.role);
}

static redisAsyncContext *begin_connection(const struct weir_endpoint *endpoint)
{
    return endpoint->socket_path != NULL ? redisAsyncConnectUnix(endpoint->socket_path)
                                         : redisAsyncConnect(endpoint->host, endpoint->port);
}

static void connect_now(struct weir_link *link)
{
    struct weir_error error = {0};
    redisAsyncContext *connection = begin_connection(link->settings.endpoint);
    if (connection == NULL || connection->err) {
        weir_error_set(&error, WEIR_UNAVAILABLE, "%s",
                       connection != NULL ? connection->errstr : "no memory");
        if (connection != NULL)
            redisAsyncFree(connection);
        wait_and_retry(link, &error);
        return;
    }
    move(link, WEIR_LINK_CONNECTING);
    link->connection = connection;
    connection->data = link;
    if (redisLibevAttach(link->settings.loop, connection) != REDIS_OK ||
        redisAsyncSetConnectCallback(connection, on_connected) != REDIS_OK ||
        redisAsyncSetDisconnectCallback(connection, on_disconnected) != REDIS_OK) {
        drop(link, "no memory for the connection");
        return;
    }
    tune_socket(link);
    set_timer(link, link->settings.connect_limit_ms);
}

/* An answer is owed for too long. A look that comes late itself (the process was stopped, or a
 * handler blocked the loop) proves nothing against the server. */
static void watch(struct weir_link *link)
{
    int64_t now = weir_clock_monotonic_ms();
    bool late = now - link->watched_at > 3 * (int64_t)WATCH_EVERY_MS;
    link->watched_at = now;
    if (late)
        link->progress_at = now;
    if (link->owed > 0 && now - link->progress_at > link->settings.silence_limit_ms)
        drop(link, "the server owes an answer for too long");
    else
        set_timer(link, WATCH_EVERY_MS);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_link *link = timer->data;
    (void)loop;
    (void)events;
    if (link->state == WEIR_LINK_WAITING)
        connect_now(link);
    else if (link->state == WEIR_LINK_READY)
        watch(link);
    else if (link->state != WEIR_LINK_CLOSED)
        drop(link, "no connection in time");
}

/* ---- Life -------------------------------------------------------------------------------- */

void weir_link_init(struct weir_link *link, const struct weir_link_settings *settings)
{
    memset(link, 0, sizeof *link);
    link->settings = *settings;
    if (link->settings.connect_limit_ms <= 0)
        link->settings.connect_limit_ms = CONNECT_LIMIT_MS;
    link->client_id = -1;
    weir_random_init(&link->random, weir_random_seed());
    ev_timer_init(&link->timer, on_timer, 0., 0.);
    ev_timer_init(&link->drop_timer, on_drop_timer, 0., 0.);
    link->timer.data = link;
    link->drop_timer.data = link;
}

void weir_link_open(struct weir_link *link)
{
    if (link->state != WEIR_LINK_CLOSED)
        return;
    move(link, WEIR_LINK_WAITING); /* from the loop, as `lost` may follow at once */
    set_timer(link, 0);
}

void weir_link_close(struct weir_link *link)
{
    if (link->settings.loop == NULL)
        return;
    ev_timer_stop(link->settings.loop, &link->timer);
    free_connection(link);
    if (link->state != WEIR_LINK_CLOSED)
        move(link, WEIR_LINK_CLOSED);
    while (link->spare != NULL) {
        struct weir_link_request *request = link->spare;
        link->spare = request->next;
        free(request);
    }
}
