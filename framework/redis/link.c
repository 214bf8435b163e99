/* One connection to the server that comes back by itself. */
#include "redis/link.h"

#include <hiredis/adapters/libev.h>
#include <hiredis/sds.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "redis/link_inside.h"
#include "redis/refusal.h"
#include "redis/tcp.h"

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
    [WEIR_LINK_SEEKING] =
        1u << WEIR_LINK_CONNECTING | 1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
    [WEIR_LINK_CONNECTING] =
        1u << WEIR_LINK_GREETING | 1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
    [WEIR_LINK_GREETING] = 1u << WEIR_LINK_READY | 1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
    [WEIR_LINK_READY] = 1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
    [WEIR_LINK_WAITING] = 1u << WEIR_LINK_SEEKING | 1u << WEIR_LINK_CONNECTING |
                          1u << WEIR_LINK_WAITING | 1u << WEIR_LINK_CLOSED,
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

/* One line for each change of state, not for each attempt. */
static void say_lost(struct weir_link *link, const struct weir_error *error)
{
    if (link->failures == 1 || link->not_master != link->said_not_master)
        weir_log_warning(link->settings.log, link->not_master ? "link.not_master" : "link.lost",
                         "role=%s server=%s reason=%s", link->settings.role,
                         link->settings.endpoint->shown, error->text);
    link->said_not_master = link->not_master;
    link->not_master = false;
}

/* A master that was served by may have died since; one that was only named, and cannot be reached
 * or is none, may have been named by a Sentinel that does not know better. */
static void doubt_sentinel(struct weir_link *link)
{
    if (link->settings.endpoint->master != NULL && link->state != WEIR_LINK_READY)
        weir_sentinel_watch_distrust(&link->sentinels);
}

/* The connection is gone and hiredis has let go of it: wait, then try again. */
static void wait_and_retry(struct weir_link *link, const struct weir_error *error)
{
    link->connection = NULL;
    link->failures++;
    link->owed = link->greetings_owed = 0;
    link->client_id = -1;
    doubt_sentinel(link);
    move(link, WEIR_LINK_WAITING);
    int64_t pause = weir_backoff_ms(BACKOFF_BASE_MS, BACKOFF_CAP_MS, link->failures, &link->random);
    say_lost(link, error);
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
    weir_lookup_cancel(&link->lookup);
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

void weir_link_drop_soon(struct weir_link *link, enum weir_status status, const char *reason)
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

/* A server that is no master any more has carried out nothing. It is left, and for whoever asked
 * that is the same as any other loss: what was asked is asked again, of the new master. */
static bool is_no_master(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && weir_refusal_of(reply->str) == WEIR_REFUSAL_ROLE;
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
    if (reply != NULL)
        link->heard_at = link->progress_at;
    give_back_request(link, request);
    if (reply != NULL && is_no_master(reply)) {
        weir_link_drop_soon(link, WEIR_UNAVAILABLE, reply->str);
        reply = NULL;
    }
    if (reply == NULL)
        answered(user, WEIR_ANSWER_UNKNOWN, NULL);
    else if (reply->type == REDIS_REPLY_ERROR)
        answered(user, WEIR_ANSWER_REFUSED, reply);
    else
        answered(user, WEIR_ANSWER_DONE, reply);
}

/* hiredis before 1.0 takes a command although it has no memory to remember who is to be answered.
 * Its answer would be given to the next who asks: no byte more may come from this connection. */
static void give_up_connection(struct weir_link *link)
{
    redisAsyncContext *connection = link->connection;
    connection->ev.delRead(connection->ev.data);
    connection->ev.delWrite(connection->ev.data);
    weir_link_drop_soon(link, WEIR_NO_MEMORY, "no memory to remember what was asked");
}

static bool hand_to_hiredis(struct weir_link *link, struct weir_link_request *request, int count,
                            const char **arguments, const size_t *lengths)
{
    bool fine = weir_command_lay(&link->laid, count, arguments, lengths) &&
                redisAsyncFormattedCommand(link->connection, on_reply, request, link->laid.at,
                                           link->laid.length) == REDIS_OK;
    weir_command_shrink(&link->laid);
    return fine;
}

enum weir_status weir_link_send_now(struct weir_link *link, int count, const char **arguments,
                                    const size_t *lengths, weir_link_answered *answered, void *user)
{
    struct weir_link_request *request = take_request(link);
    const redisCallback *last = link->connection->replies.tail;
    if (request == NULL)
        return WEIR_NO_MEMORY;
    request->link = link;
    request->answered = answered;
    request->user = user;
    if (!hand_to_hiredis(link, request, count, arguments, lengths)) {
        give_back_request(link, request);
        return link->connection->c.flags & (REDIS_DISCONNECTING | REDIS_FREEING) ? WEIR_UNAVAILABLE
                                                                                 : WEIR_NO_MEMORY;
    }
    if (link->connection->replies.tail == last) {
        give_back_request(link, request);
        give_up_connection(link);
        return WEIR_NO_MEMORY;
    }
    if (link->owed++ == 0)
        link->progress_at = weir_clock_monotonic_ms();
    return WEIR_OK;
}

/* Written here, a request costs one call of the kernel; by the loop, it takes two more to watch the
 * socket and one to be told that it is writable. An error stays with the connection, and is found
 * when the loop comes to it: from inside a callback hiredis must not be told to let go of it. */
void weir_link_flush(struct weir_link *link)
{
    redisAsyncContext *connection = link->connection;
    int done = 0;
    ev_prepare_stop(link->settings.loop, &link->flushing);
    if (link->state == WEIR_LINK_READY && connection != NULL &&
        link->drop_reason.status == WEIR_OK && /* else what nobody is remembered for may be in it */
        redisBufferWrite(&connection->c, &done) == REDIS_OK && done)
        connection->ev.delWrite(connection->ev.data);
}

static void on_flushing(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop;
    (void)events;
    weir_link_flush(prepare->data);
}

enum weir_status weir_link_send(struct weir_link *link, int count, const char **arguments,
                                const size_t *lengths, weir_link_answered *answered, void *user)
{
    if (link->state != WEIR_LINK_READY || link->connection == NULL ||
        link->drop_reason.status != WEIR_OK)
        return WEIR_UNAVAILABLE;
    ev_prepare_start(link->settings.loop, &link->flushing);
    return weir_link_send_now(link, count, arguments, lengths, answered, user);
}

void weir_link_become_ready(struct weir_link *link)
{
    move(link, WEIR_LINK_READY);
    if (link->failures > 0)
        weir_log_info(link->settings.log, "link.ready", "role=%s server=%s after=%u",
                      link->settings.role, link->settings.endpoint->shown, link->failures);
    link->reconnections += link->failures > 0;
    link->failures = 0;
    link->watched_at = weir_clock_monotonic_ms();
    set_timer(link, WATCH_EVERY_MS);
    WEIR_CRASH_POINT(LINK_GREETED);
    link->settings.ready(link->settings.user);
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
    WEIR_CRASH_POINT(LINK_CONNECTED);
    if (weir_link_greet(link) != WEIR_OK)
        weir_link_drop_soon(link, WEIR_NO_MEMORY, "no memory to greet the server");
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

/* `address` is a number; NULL: the endpoint's socket. */
static void connect_to(struct weir_link *link, const struct weir_address *address)
{
    struct weir_error error = {0};
    redisAsyncContext *connection =
        address != NULL ? redisAsyncConnect(address->host, address->port)
                        : redisAsyncConnectUnix(link->settings.endpoint->socket_path);
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
    weir_reply_arena_attach(&link->answers, connection->c.reader);
    if (redisLibevAttach(link->settings.loop, connection) != REDIS_OK ||
        redisAsyncSetConnectCallback(connection, on_connected) != REDIS_OK ||
        redisAsyncSetDisconnectCallback(connection, on_disconnected) != REDIS_OK) {
        drop(link, "no memory for the connection");
        return;
    }
    if (address != NULL && !weir_tcp_tune(&connection->c, link->settings.silence_limit_ms))
        weir_log_debug(link->settings.log, "link.untuned", "role=%s", link->settings.role);
    set_timer(link, link->settings.connect_limit_ms);
}

/* ---- Seeking ------------------------------------------------------------------------------- */

static void on_lookup(void *user, const struct weir_address *number, const struct weir_error *error)
{
    struct weir_link *link = user;
    if (number != NULL)
        connect_to(link, number);
    else
        wait_and_retry(link, error);
}

static void connect_by_name(struct weir_link *link, const struct weir_address *address)
{
    struct weir_error error = {0};
    if (weir_host_is_number(address->host)) {
        connect_to(link, address);
        return;
    }
    if (link->state != WEIR_LINK_SEEKING)
        move(link, WEIR_LINK_SEEKING);
    set_timer(link, link->settings.connect_limit_ms);
    if (weir_lookup_start(&link->lookup, address, &error) != WEIR_OK)
        wait_and_retry(link, &error);
}

static void on_master_found(void *user, const struct weir_address *master)
{
    struct weir_link *link = user;
    char shown[WEIR_ADDRESS_SHOWN_MAX], reason[WEIR_ADDRESS_SHOWN_MAX + 64];
    bool same = weir_address_equal(master, &link->master);
    weir_address_show(master, shown);
    if (link->state == WEIR_LINK_READY && !same) {
        snprintf(reason, sizeof reason, "Sentinel names another master, %s", shown);
        drop(link, reason);
        return;
    }
    if (link->state != WEIR_LINK_SEEKING || link->lookup.work != NULL)
        return;
    if (!same)
        weir_log_info(link->settings.log, "link.master", "role=%s master=%s", link->settings.role,
                      shown);
    link->masters += !same;
    link->master = *master;
    connect_by_name(link, master);
}

static void on_no_master(void *user, const struct weir_error *error)
{
    struct weir_link *link = user;
    if (link->state == WEIR_LINK_SEEKING && link->lookup.work == NULL)
        wait_and_retry(link, error);
}

/* Where the server is may have changed since the last connection. */
static void connect_now(struct weir_link *link)
{
    const struct weir_endpoint *endpoint = link->settings.endpoint;
    if (endpoint->master != NULL) {
        move(link, WEIR_LINK_SEEKING);
        weir_sentinel_watch_ask(&link->sentinels);
    } else if (endpoint->host != NULL) {
        connect_by_name(link, &link->master);
    } else {
        connect_to(link, NULL);
    }
}

/* ---- The watchdog -------------------------------------------------------------------------- */

/* Whether bytes have come in or gone out since the last look: an answer or a request may be so long
 * that a slow line needs more time for it than silence may last. */
static bool is_moving(struct weir_link *link)
{
    size_t unread = link->connection->c.reader->len;
    const char *to_send = link->connection->c.obuf; /* NULL: there was no memory for it */
    size_t unsent = to_send != NULL ? sdslen(link->connection->c.obuf) : 0;
    bool moving = unread != link->unread || unsent < link->unsent;
    link->unread = unread;
    link->unsent = unsent;
    return moving;
}

/* An answer is owed for too long. A look that comes late itself (the process was stopped, or a
 * handler blocked the loop) proves nothing against the server. */
static void watch(struct weir_link *link)
{
    int64_t now = weir_clock_monotonic_ms();
    bool late = now - link->watched_at > 3 * (int64_t)WATCH_EVERY_MS;
    link->watched_at = now;
    if (is_moving(link) || late)
        link->progress_at = now;
    if (link->owed > 0 && now - link->progress_at > link->settings.silence_limit_ms)
        drop(link, "the server owes an answer for too long");
    else
        set_timer(link, WATCH_EVERY_MS);
    /* one that was a master when it was connected to, and hangs, does not say that it is none */
    if (link->state == WEIR_LINK_READY && link->settings.endpoint->master != NULL)
        weir_sentinel_watch_ask(&link->sentinels);
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

bool weir_link_same_master(const struct weir_link *one, const struct weir_link *other)
{
    return weir_address_equal(&one->master, &other->master);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void init_seeking(struct weir_link *link)
{
    const struct weir_link_settings *settings = &link->settings;
    struct weir_sentinel_watch_settings watch = {.loop = settings->loop,
                                                 .endpoint = settings->endpoint,
                                                 .log = settings->log,
                                                 .role = settings->role,
                                                 .user = link,
                                                 .found = on_master_found,
                                                 .failed = on_no_master};
    weir_sentinel_watch_init(&link->sentinels, &watch);
    weir_lookup_init(&link->lookup, settings->loop, link, on_lookup);
    if (settings->endpoint->host != NULL) {
        snprintf(link->master.host, sizeof link->master.host, "%s", settings->endpoint->host);
        link->master.port = settings->endpoint->port;
    }
}

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
    ev_set_priority(&link->drop_timer, EV_MAXPRI); /* before whatever comes from it */
    ev_prepare_init(&link->flushing, on_flushing);
    link->timer.data = link;
    link->drop_timer.data = link;
    link->flushing.data = link;
    init_seeking(link);
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
    ev_prepare_stop(link->settings.loop, &link->flushing);
    weir_sentinel_watch_close(&link->sentinels);
    free_connection(link);
    if (link->state != WEIR_LINK_CLOSED)
        move(link, WEIR_LINK_CLOSED);
    while (link->spare != NULL) {
        struct weir_link_request *request = link->spare;
        link->spare = request->next;
        free(request);
    }
    weir_command_close(&link->laid);
    weir_reply_arena_close(&link->answers);
}
