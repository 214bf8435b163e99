/* The turns of errands: connect, ask for all, take the answers, answer those that have ended. */
#include "call/turns.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define ANSWER_LIMIT_MS 1000
#define CONNECT_AGAIN_MS 100
#define HEAR_FIRST_MS 1 /* between questions for what was published, while somebody waits */
#define HEAR_LAST_MS 8

void weir_errand_begin(struct weir_errand *errand, const struct weir_errand_kind *kind,
                       int64_t limit_ms)
{
    int64_t limit = limit_ms < 0 ? 0 : limit_ms > INT64_C(86400000) ? INT64_C(86400000) : limit_ms;
    errand->kind = kind;
    errand->weight = 1;
    errand->wake = weir_clock_monotonic_ms();
    errand->deadline = errand->wake + limit;
    errand->begun_ns = weir_clock_monotonic_ns();
}

void weir_turns_begin(struct weir_turns *turns, struct weir_client *client,
                      const struct weir_endpoint *endpoint, const char *prefix)
{
    *turns = (struct weir_turns){
        .client = client, .endpoint = endpoint, .prefix = prefix, .hear_pause = HEAR_FIRST_MS};
    weir_tally_begin(&turns->tally);
}

void weir_turns_add(struct weir_turns *turns, struct weir_errand *errand)
{
    turns->count += errand->weight;
    for (struct weir_errand *other = turns->errands; other != NULL; other = other->next)
        if (other->kind == errand->kind && other->kind->join != NULL &&
            other->kind->join(other, errand)) {
            other->weight++;
            return;
        }
    errand->next = turns->errands;
    turns->errands = errand;
}

/* ---- The connection ---------------------------------------------------------------------- */

static void tell_lost(struct weir_turns *turns)
{
    for (struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next)
        if (!errand->ended && errand->kind->lost != NULL && errand->sent)
            errand->kind->lost(errand);
}

static void give_up(struct weir_errand *errand, enum weir_errand_end end, const char *why)
{
    errand->kind->give_up(errand, why);
    errand->end = end;
}

/* What has not been sent needs no waiting: its caller may try again himself. */
static void give_up_unsent(struct weir_turns *turns)
{
    for (struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next)
        if (!errand->ended && !errand->sent) {
            errand->heard = turns->client->heard;
            errand->denied = turns->unreachable.status == WEIR_DENIED;
            give_up(errand, WEIR_ERRAND_UNREACHABLE, turns->unreachable.text);
        }
}

static enum weir_status connect_now(struct weir_turns *turns, struct weir_error *error)
{
    enum weir_status status;
    weir_client_close(turns->client);
    turns->connects = true;
    status = weir_client_open(turns->client, turns->endpoint, ANSWER_LIMIT_MS, error);
    turns->connects = false;
    return status;
}

static bool connect_if_due(struct weir_turns *turns, int64_t now)
{
    struct weir_error error = {0};
    if (weir_client_connected(turns->client))
        return true;
    if (now >= turns->connect_at) {
        if (connect_now(turns, &error) == WEIR_OK) {
            turns->tally.connections++;
            return true;
        }
        turns->unreachable = error;
        turns->connect_at = weir_clock_monotonic_ms() + CONNECT_AGAIN_MS;
    }
    give_up_unsent(turns);
    return false;
}

/* ---- Asking and taking ------------------------------------------------------------------- */

static bool is_due(const struct weir_errand *errand, int64_t now)
{
    return !errand->ended && errand->wake <= now;
}

static bool anybody_hears(const struct weir_turns *turns)
{
    for (const struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next)
        if (!errand->ended && errand->kind->hear != NULL)
            return true;
    return false;
}

static void tell_all(void *user, const struct weir_heard *heard)
{
    const struct weir_turns *turns = user;
    for (struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next)
        if (!errand->ended && errand->kind->hear != NULL)
            errand->kind->hear(errand, heard);
}

/* Often where much happens, seldom where nothing does. */
static void take_heard(struct weir_turns *turns, const redisReply *reply)
{
    size_t told = weir_hearing_take(&turns->hearing, turns->prefix, reply, tell_all, turns);
    turns->hear_pause = told > 0 ? HEAR_FIRST_MS : turns->hear_pause * 2;
    if (turns->hear_pause > HEAR_LAST_MS)
        turns->hear_pause = HEAR_LAST_MS;
    turns->hear_at = turns->hearing.more ? 0 : weir_clock_monotonic_ms() + turns->hear_pause;
}

static void ask_all(struct weir_turns *turns, struct weir_pipeline *pipeline, int64_t now)
{
    for (struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next) {
        size_t before = pipeline->count;
        errand->asked = 0;
        if (!is_due(errand, now))
            continue;
        errand->kind->ask(errand, turns->prefix, pipeline);
        errand->asked = pipeline->count - before;
    }
}

static void take_all(struct weir_turns *turns, struct weir_pipeline *pipeline, size_t first)
{
    redisReply *const *replies = pipeline->answers;
    for (struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next) {
        if (errand->asked > 0 && !errand->ended)
            errand->kind->take(errand, turns->client, &replies[first], errand->asked);
        if (errand->no_master)
            weir_client_close(turns->client);
        first += errand->asked;
    }
}

/* Of an exchange that has failed nothing counts: what was asked is asked again, and what was sent
 * is looked for. */
static void give_way(struct weir_turns *turns, const struct weir_error *error)
{
    weir_client_close(turns->client);
    turns->unreachable = *error;
    tell_lost(turns);
}

static void exchange(struct weir_turns *turns, int64_t now)
{
    struct weir_error error = {0};
    struct weir_pipeline pipeline = {0};
    bool hears = anybody_hears(turns), begins = hears && !turns->hearing.listens;
    bool asks_heard = hears && !begins && now >= turns->hear_at;
    size_t first = begins ? weir_hearing_begin(&turns->hearing, turns->prefix, &pipeline) : 0;
    ask_all(turns, &pipeline, now);
    if (asks_heard)
        weir_hearing_ask(&turns->hearing, turns->prefix, &pipeline);
    weir_client_set_timeout(turns->client, ANSWER_LIMIT_MS);
    if (weir_pipeline_run(&pipeline, turns->client, &error) != WEIR_OK) {
        give_way(turns, &error);
    } else {
        if (begins)
            weir_hearing_take_place(&turns->hearing, pipeline.answers);
        take_all(turns, &pipeline, first);
        if (asks_heard)
            take_heard(turns, pipeline.answers[pipeline.count - 1]);
        if (!weir_client_connected(turns->client)) /* it is no master any more */
            tell_lost(turns);
    }
    weir_pipeline_close(&pipeline);
}

/* ---- Turns ------------------------------------------------------------------------------- */

static struct weir_errand *take_ended(struct weir_turns *turns)
{
    struct weir_errand **place = &turns->errands;
    struct weir_errand *ended = NULL;
    while (*place != NULL) {
        struct weir_errand *errand = *place;
        if (!errand->ended) {
            place = &errand->next;
            continue;
        }
        *place = errand->next;
        turns->count -= errand->weight;
        if (errand->kind->hand_on != NULL && errand->kind->hand_on(errand))
            continue;
        errand->next = ended;
        ended = errand;
    }
    return ended;
}

static void answer_ended(struct weir_turns *turns)
{
    struct weir_errand *ended = take_ended(turns);
    if (ended != NULL && turns->freed != NULL)
        turns->freed(turns->user);
    while (ended != NULL) {
        struct weir_errand *next = ended->next;
        weir_tally_take(&turns->tally, ended);
        ended->kind->answer(ended);
        ended = next;
    }
}

static void give_up_late(struct weir_turns *turns, int64_t now)
{
    for (struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next)
        if (!errand->ended && errand->deadline <= now)
            give_up(errand, WEIR_ERRAND_TIMED_OUT, turns->unreachable.text);
}

static bool anything_due(const struct weir_turns *turns, int64_t now)
{
    for (const struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next)
        if (is_due(errand, now))
            return true;
    return turns->hearing.listens && now >= turns->hear_at && anybody_hears(turns);
}

static int64_t next_turn(const struct weir_turns *turns)
{
    int64_t next = INT64_MAX;
    for (const struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next) {
        int64_t at = errand->wake < errand->deadline ? errand->wake : errand->deadline;
        next = at < next ? at : next;
    }
    if (next != INT64_MAX && turns->hearing.listens && turns->hear_at < next &&
        anybody_hears(turns))
        next = turns->hear_at;
    if (next != INT64_MAX && !weir_client_connected(turns->client) && next < turns->connect_at)
        next = turns->connect_at;
    return next;
}

int64_t weir_turns_take(struct weir_turns *turns)
{
    int64_t now = weir_clock_monotonic_ms();
    if (anything_due(turns, now) && connect_if_due(turns, now)) {
        turns->unreachable = (struct weir_error){0};
        exchange(turns, now);
    }
    give_up_late(turns, weir_clock_monotonic_ms());
    answer_ended(turns);
    if (!anybody_hears(turns))
        turns->hearing.listens = false; /* what happens until the next one waits is not read */
    return next_turn(turns);
}

void weir_turns_end(struct weir_turns *turns, const char *why)
{
    for (struct weir_errand *errand = turns->errands; errand != NULL; errand = errand->next)
        if (!errand->ended)
            give_up(errand, WEIR_ERRAND_TIMED_OUT, why);
    answer_ended(turns);
}

void weir_turns_finish(struct weir_turns *turns)
{
    int64_t next;
    while ((next = weir_turns_take(turns)) != INT64_MAX) {
        int64_t left = next - weir_clock_monotonic_ms();
        if (left > 0)
            nanosleep(&(struct timespec){.tv_sec = (time_t)(left / 1000),
                                         .tv_nsec = (long)(left % 1000 * 1000000)},
                      NULL);
    }
}
