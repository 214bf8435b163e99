/* A thread that goes on with the errands that others hand in. */
#include "call/desk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "call/confirming.h"
#include "call/current.h"
#include "call/laying_down.h"
#include "call/prefix.h"
#include "call/reading.h"
#include "call/sending.h"
#include "call/standing.h"
#include "call/starting.h"
#include "call/turns.h"
#include "redis/endpoint.h"

struct weir_desk {
    struct weir_endpoint endpoint;
    char prefix[WEIR_PREFIX_MAX + 1];
    size_t most;
    pthread_t thread;
    struct weir_confirming confirming;
    /* Of the thread alone. */
    struct weir_client client;
    struct weir_turns turns;
    /* Guarded by the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t handed_in;
    struct weir_errand *first, **last; /* handed in, in their order */
    size_t reserved; /* places of these, and of those that are being made or wait beside */
    size_t in_turns;
    struct weir_tally tally; /* as it was after the last turn */
    bool closing;
};

/* ---- The thread -------------------------------------------------------------------------- */

static struct timespec time_at(int64_t monotonic_ms)
{
    return (struct timespec){.tv_sec = (time_t)(monotonic_ms / 1000),
                             .tv_nsec = (long)(monotonic_ms % 1000 * 1000000)};
}

/* Under the mutex. */
static void take_list(struct weir_desk *desk, struct weir_errand **taken)
{
    for (struct weir_errand *errand = desk->first; errand != NULL; errand = errand->next) {
        desk->reserved -= errand->weight;
        desk->in_turns += errand->weight;
    }
    *taken = desk->first;
    desk->first = NULL;
    desk->last = &desk->first;
}

/* Waits until something is handed in or `next` has come; takes what was handed in. False where the
 * desk is being closed. */
static bool take_handed_in(struct weir_desk *desk, int64_t next, struct weir_errand **taken)
{
    struct timespec at = time_at(next);
    bool goes_on;
    pthread_mutex_lock(&desk->mutex);
    desk->tally = desk->turns.tally;
    while (!desk->closing && desk->first == NULL && weir_clock_monotonic_ms() < next)
        if (next == INT64_MAX)
            pthread_cond_wait(&desk->handed_in, &desk->mutex);
        else if (pthread_cond_timedwait(&desk->handed_in, &desk->mutex, &at) == ETIMEDOUT)
            break;
    take_list(desk, taken);
    goes_on = !desk->closing;
    pthread_mutex_unlock(&desk->mutex);
    return goes_on;
}

static void add_all(struct weir_desk *desk, struct weir_errand *errand)
{
    while (errand != NULL) {
        struct weir_errand *next = errand->next;
        weir_turns_add(&desk->turns, errand);
        errand = next;
    }
}

/* Those for which a place was reserved before the desk began to close: they come at any moment. */
static bool take_late(struct weir_desk *desk, struct weir_errand **taken)
{
    bool more;
    pthread_mutex_lock(&desk->mutex);
    more = desk->reserved > 0;
    while (desk->reserved > 0 && desk->first == NULL)
        pthread_cond_wait(&desk->handed_in, &desk->mutex);
    take_list(desk, taken);
    pthread_mutex_unlock(&desk->mutex);
    return more;
}

static void *run(void *user)
{
    struct weir_desk *desk = user;
    struct weir_errand *taken;
    int64_t next = INT64_MAX;
    bool goes_on;
    do {
        goes_on = take_handed_in(desk, next, &taken);
        add_all(desk, taken);
        next = goes_on ? weir_turns_take(&desk->turns) : INT64_MAX;
    } while (goes_on);
    weir_turns_end(&desk->turns, "");
    weir_confirming_await(&desk->confirming);
    while (take_late(desk, &taken)) {
        add_all(desk, taken);
        weir_turns_end(&desk->turns, "");
    }
    return NULL;
}

/* ---- Opening and closing ----------------------------------------------------------------- */

static void put(struct weir_desk *desk, struct weir_errand *errand)
{
    errand->next = NULL;
    *desk->last = errand;
    desk->last = &errand->next;
    pthread_cond_signal(&desk->handed_in);
}

/* So that who is answered may hand in the next thing at once. */
static void give_places_back(void *user)
{
    struct weir_desk *desk = user;
    pthread_mutex_lock(&desk->mutex);
    desk->in_turns = desk->turns.count;
    pthread_mutex_unlock(&desk->mutex);
}

static void hand_back(void *user, struct weir_errand *errand)
{
    struct weir_desk *desk = user;
    pthread_mutex_lock(&desk->mutex);
    put(desk, errand);
    pthread_mutex_unlock(&desk->mutex);
}

/* The clock of deadlines, which setting the date does not move. */
static bool make_locks(struct weir_desk *desk)
{
    pthread_condattr_t attributes;
    bool made = pthread_condattr_init(&attributes) == 0;
    made = made && pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(&desk->handed_in, &attributes) == 0 &&
           pthread_mutex_init(&desk->mutex, NULL) == 0 && weir_confirming_begin(&desk->confirming);
    pthread_condattr_destroy(&attributes);
    return made;
}

weir_desk *weir_desk_open(const char *url, const char *prefix, size_t most, char *why, size_t room)
{
    struct weir_error error = {0};
    struct weir_desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL) {
        snprintf(why, room, "memory ran out");
        return NULL;
    }
    desk->most = most;
    desk->last = &desk->first;
    desk->confirming = (struct weir_confirming){
        .endpoint = &desk->endpoint, .prefix = desk->prefix, .hand_back = hand_back, .desk = desk};
    if (weir_prefix_take(prefix, desk->prefix, &error) == WEIR_OK &&
        weir_endpoint_parse(url, &desk->endpoint, &error) == WEIR_OK) {
        desk->client.server = desk->endpoint.shown;
        weir_turns_begin(&desk->turns, &desk->client, &desk->endpoint, desk->prefix);
        desk->turns.freed = give_places_back;
        desk->turns.user = desk;
        desk->tally = desk->turns.tally;
        if (make_locks(desk) && weir_thread_start(&desk->thread, run, desk) == 0)
            return desk;
        weir_error_set(&error, WEIR_SYSTEM, "no thread could be started");
    }
    snprintf(why, room, "%s", error.text);
    weir_endpoint_close(&desk->endpoint);
    free(desk);
    return NULL;
}

void weir_desk_close(weir_desk *desk)
{
    if (desk == NULL)
        return;
    pthread_mutex_lock(&desk->mutex);
    desk->closing = true;
    pthread_cond_signal(&desk->handed_in);
    pthread_mutex_unlock(&desk->mutex);
    pthread_join(desk->thread, NULL);
    weir_client_close(&desk->client);
    weir_endpoint_close(&desk->endpoint);
    weir_confirming_end(&desk->confirming);
    pthread_cond_destroy(&desk->handed_in);
    pthread_mutex_destroy(&desk->mutex);
    free(desk);
}

static void move_place(struct weir_desk *desk, size_t *from, size_t *to)
{
    pthread_mutex_lock(&desk->mutex);
    (*from)--;
    (*to)++;
    pthread_mutex_unlock(&desk->mutex);
}

/* What waits beside keeps its place until it comes back. */
static bool confirm(void *user_desk, const struct weir_errand *done,
                    const struct weir_call_answer *answer, const char *service,
                    weir_desk_called *answered, void *user)
{
    struct weir_desk *desk = user_desk;
    bool waits;
    move_place(desk, &desk->in_turns, &desk->reserved);
    waits = weir_confirming_add(&desk->confirming, done, answer, service, answered, user);
    if (!waits)
        move_place(desk, &desk->reserved, &desk->in_turns);
    return waits;
}

/* ---- Handing in -------------------------------------------------------------------------- */

static bool reserve(struct weir_desk *desk)
{
    bool reserved;
    pthread_mutex_lock(&desk->mutex);
    reserved = !desk->closing && desk->reserved + desk->in_turns < desk->most;
    desk->reserved += reserved ? 1 : 0;
    pthread_mutex_unlock(&desk->mutex);
    return reserved;
}

/* An errand for which a place is reserved; NULL: there was no memory for it. Where the desk has
 * begun to close meanwhile, it is answered at its end. */
static bool hand_in(struct weir_desk *desk, struct weir_errand *errand)
{
    pthread_mutex_lock(&desk->mutex);
    if (errand != NULL)
        put(desk, errand);
    else
        desk->reserved--;
    pthread_cond_signal(&desk->handed_in);
    pthread_mutex_unlock(&desk->mutex);
    return errand != NULL;
}

bool weir_desk_start(weir_desk *desk, const struct weir_start *start, weir_desk_started *answered,
                     void *user)
{
    return reserve(desk) && hand_in(desk, weir_starting_new(start, answered, user));
}

bool weir_desk_saga(weir_desk *desk, const char *saga, int64_t limit_ms,
                    weir_desk_started *answered, void *user)
{
    return reserve(desk) && hand_in(desk, weir_standing_new(saga, limit_ms, answered, user));
}

bool weir_desk_call(weir_desk *desk, const struct weir_command_call *command,
                    weir_desk_called *answered, void *user)
{
    const struct weir_confirmer confirmer = {confirm, desk};
    return reserve(desk) && hand_in(desk, weir_sending_new(command, &confirmer, answered, user));
}

bool weir_desk_current(weir_desk *desk, const char *view, const char *projection, int64_t limit_ms,
                       weir_desk_is_current *answered, void *user)
{
    return reserve(desk) &&
           hand_in(desk, weir_current_new(view, projection, limit_ms, answered, user));
}

bool weir_desk_hash(weir_desk *desk, const char *view, const char *key, int64_t limit_ms,
                    weir_desk_read *answered, void *user)
{
    const struct weir_reading terms = {.view = view, .key = key, .limit_ms = limit_ms};
    return reserve(desk) && hand_in(desk, weir_reading_new(&terms, answered, user));
}

bool weir_desk_range(weir_desk *desk, const char *view, const char *key, int64_t from,
                     int64_t count, bool reverse, int64_t limit_ms, weir_desk_read *answered,
                     void *user)
{
    const struct weir_reading terms = {.view = view,
                                       .key = key,
                                       .ranked = true,
                                       .from = from,
                                       .count = count,
                                       .reverse = reverse,
                                       .limit_ms = limit_ms};
    return reserve(desk) && hand_in(desk, weir_reading_new(&terms, answered, user));
}

bool weir_desk_lay_down(weir_desk *desk, const char *service, const char *key, const char *text,
                        int64_t life_ms, int64_t limit_ms, weir_desk_laid_down *answered,
                        void *user)
{
    const struct weir_laying_down terms = {
        .service = service, .key = key, .text = text, .life_ms = life_ms, .limit_ms = limit_ms};
    return reserve(desk) && hand_in(desk, weir_laying_down_new(&terms, answered, user));
}

/* ---- For a monitor ----------------------------------------------------------------------- */

const char *weir_desk_server(const weir_desk *desk)
{
    return desk->endpoint.shown;
}

bool weir_desk_look(weir_desk *desk, int64_t limit_ms, weir_looked *answered, void *user)
{
    struct weir_errand *errand = weir_looking_new(limit_ms, answered, user);
    bool taken;
    pthread_mutex_lock(&desk->mutex);
    taken = errand != NULL && !desk->closing;
    if (taken)
        put(desk, errand);
    pthread_mutex_unlock(&desk->mutex);
    if (!taken)
        free(errand);
    return taken;
}

bool weir_desk_connects(const weir_desk *desk)
{
    return desk->turns.connects;
}

size_t weir_desk_count(weir_desk *desk, struct weir_tally *tally)
{
    size_t in_hand;
    pthread_mutex_lock(&desk->mutex);
    *tally = desk->tally;
    in_hand = desk->reserved + desk->in_turns;
    pthread_mutex_unlock(&desk->mutex);
    return in_hand;
}
