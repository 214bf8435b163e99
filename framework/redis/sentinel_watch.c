/* Asks Sentinels where the master is, from the loop. */
#include "redis/sentinel_watch.h"

#include <hiredis/adapters/libev.h>
#include <string.h>

#include "redis/tcp.h"

static const struct weir_address *current(const struct weir_sentinel_watch *watch)
{
    return &watch->settings.endpoint->sentinels[watch->current];
}

static void set_timer(struct weir_sentinel_watch *watch, int64_t after_ms)
{
    ev_timer_stop(watch->settings.loop, &watch->timer);
    ev_timer_set(&watch->timer, (double)after_ms / 1000., 0.);
    ev_timer_start(watch->settings.loop, &watch->timer);
}

static void let_go(struct weir_sentinel_watch *watch)
{
    redisAsyncContext *connection = watch->connection;
    watch->connection = NULL;
    if (connection == NULL)
        return;
    connection->data = NULL; /* its callbacks are no concern of ours any more */
    redisAsyncFree(connection);
}

static void turn_to_next(struct weir_sentinel_watch *watch)
{
    let_go(watch);
    watch->current = (watch->current + 1) % watch->settings.endpoint->sentinel_count;
}

/* ---- What comes of it ---------------------------------------------------------------------- */

/* One line for each change, not for each question. */
static void say(struct weir_sentinel_watch *watch, const struct weir_error *error)
{
    bool silent = error != NULL;
    if (silent && !watch->silent)
        weir_log_warning(watch->settings.log, "sentinel.silent", "role=%s reason=%s",
                         watch->settings.role, error->text);
    else if (!silent && watch->silent)
        weir_log_info(watch->settings.log, "sentinel.answers", "role=%s", watch->settings.role);
    watch->silent = silent;
}

static void found(struct weir_sentinel_watch *watch, const struct weir_address *master)
{
    ev_timer_stop(watch->settings.loop, &watch->timer);
    watch->under_way = false;
    say(watch, NULL);
    watch->settings.found(watch->settings.user, master);
}

/* The current Sentinel has not named the master: the next one's turn comes from the loop. */
static void pass_on(struct weir_sentinel_watch *watch, const struct weir_error *error)
{
    weir_lookup_cancel(&watch->lookup);
    weir_sentinel_round_failed(&watch->round, current(watch), error);
    turn_to_next(watch);
    set_timer(watch, 0);
}

static void pass_on_because(struct weir_sentinel_watch *watch, const char *why)
{
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_UNAVAILABLE, "%s", why);
    pass_on(watch, &error);
}

static void end_round(struct weir_sentinel_watch *watch)
{
    struct weir_error error = {0};
    (void)weir_sentinel_round_end(&watch->round, watch->settings.endpoint, &error);
    watch->under_way = false;
    say(watch, &error);
    watch->settings.failed(watch->settings.user, &error);
}

/* ---- Asking the current Sentinel ----------------------------------------------------------- */

static void on_login(redisAsyncContext *connection, void *reply, void *user)
{
    (void)connection, (void)reply, (void)user; /* the answer to the question tells enough */
}

static void on_answer(redisAsyncContext *connection, void *raw_reply, void *user)
{
    struct weir_sentinel_watch *watch = user;
    const redisReply *reply = raw_reply;
    struct weir_address master;
    struct weir_error error = {0};
    if (connection->data == NULL)
        return;
    if (reply == NULL) { /* hiredis frees the connection */
        connection->data = NULL;
        watch->connection = NULL;
        pass_on_because(watch, connection->err != 0 ? connection->errstr : "closed");
    } else if (weir_sentinel_read(reply, watch->settings.endpoint->master, &master, &error) ==
               WEIR_OK) {
        found(watch, &master);
    } else {
        pass_on(watch, &error);
    }
}

/* A connection that was kept has ended between two questions. */
static void on_disconnected(const redisAsyncContext *connection, int status)
{
    struct weir_sentinel_watch *watch = connection->data;
    (void)status;
    if (watch != NULL)
        watch->connection = NULL;
}

static bool send(struct weir_sentinel_watch *watch, redisCallbackFn *answered, int count,
                 const char **words)
{
    return redisAsyncCommandArgv(watch->connection, answered, watch, count, words, NULL) ==
           REDIS_OK;
}

static void ask_current(struct weir_sentinel_watch *watch)
{
    const char *words[WEIR_SENTINEL_WORDS];
    weir_sentinel_question(watch->settings.endpoint, words);
    if (!send(watch, on_answer, WEIR_SENTINEL_WORDS, words))
        pass_on_because(watch, "the question could not be sent");
}

static bool attach(struct weir_sentinel_watch *watch)
{
    return redisLibevAttach(watch->settings.loop, watch->connection) == REDIS_OK &&
           redisAsyncSetDisconnectCallback(watch->connection, on_disconnected) == REDIS_OK;
}

static void connect_to(struct weir_sentinel_watch *watch, const struct weir_address *number)
{
    const char *words[WEIR_SENTINEL_WORDS];
    int login = weir_sentinel_login(watch->settings.endpoint, words);
    redisAsyncContext *connection = redisAsyncConnect(number->host, number->port);
    if (connection == NULL || connection->err != 0) {
        pass_on_because(watch, connection != NULL ? connection->errstr : "no memory to connect");
        if (connection != NULL)
            redisAsyncFree(connection);
        return;
    }
    connection->data = watch;
    watch->connection = connection;
    (void)weir_tcp_tune(&connection->c, WEIR_SENTINEL_LIMIT_MS); /* a help only */
    if (!attach(watch) || (login > 0 && !send(watch, on_login, login, words)))
        pass_on_because(watch, "no memory to connect");
    else
        ask_current(watch);
}

static void on_lookup(void *user, const struct weir_address *number, const struct weir_error *error)
{
    struct weir_sentinel_watch *watch = user;
    if (number != NULL)
        connect_to(watch, number);
    else
        pass_on(watch, error);
}

static void begin_with_current(struct weir_sentinel_watch *watch)
{
    struct weir_error error = {0};
    set_timer(watch, WEIR_SENTINEL_LIMIT_MS);
    if (watch->connection != NULL)
        ask_current(watch);
    else if (weir_host_is_number(current(watch)->host))
        connect_to(watch, current(watch));
    else if (weir_lookup_start(&watch->lookup, current(watch), &error) != WEIR_OK)
        pass_on(watch, &error);
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_sentinel_watch *watch = timer->data;
    (void)loop, (void)events;
    if (watch->connection != NULL || watch->lookup.work != NULL)
        pass_on_because(watch, "no answer in time");
    else if (watch->round.asked == watch->settings.endpoint->sentinel_count)
        end_round(watch);
    else
        begin_with_current(watch);
}

void weir_sentinel_watch_init(struct weir_sentinel_watch *watch,
                              const struct weir_sentinel_watch_settings *settings)
{
    memset(watch, 0, sizeof *watch);
    watch->settings = *settings;
    weir_lookup_init(&watch->lookup, settings->loop, watch, on_lookup);
    ev_timer_init(&watch->timer, on_timer, 0., 0.);
    watch->timer.data = watch;
}

void weir_sentinel_watch_ask(struct weir_sentinel_watch *watch)
{
    if (watch->under_way)
        return;
    watch->under_way = true;
    memset(&watch->round, 0, sizeof watch->round);
    begin_with_current(watch);
}

void weir_sentinel_watch_distrust(struct weir_sentinel_watch *watch)
{
    if (!watch->under_way)
        turn_to_next(watch);
}

void weir_sentinel_watch_close(struct weir_sentinel_watch *watch)
{
    if (watch->settings.loop == NULL)
        return;
    ev_timer_stop(watch->settings.loop, &watch->timer);
    weir_lookup_cancel(&watch->lookup);
    let_go(watch);
    watch->under_way = false;
}
