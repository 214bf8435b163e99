/* What many messages need alike, loaded once for all that come together. */
#include "service/shared_loads.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/link.h"
#include "redis/refusal.h"
#include "redis/reply.h"

/* ---- Turns --------------------------------------------------------------------------------- */

static struct weir_shared_turn turn_now(const struct weir_shared_loads *shared)
{
    return (struct weir_shared_turn){ev_iteration(shared->runtime->loop),
                                     shared->runtime->link->reconnections};
}

static bool is_now(const struct weir_shared_loads *shared, struct weir_shared_turn turn)
{
    struct weir_shared_turn now = turn_now(shared);
    return turn.turn == now.turn && turn.connection == now.connection;
}

/* ---- Answers ------------------------------------------------------------------------------- */

/* A right that is missing ends the process, as it does for any load. */
static bool done(const struct weir_shared_loads *shared, enum weir_answer answer,
                 const redisReply *reply)
{
    if (answer == WEIR_ANSWER_REFUSED && weir_refusal_of(reply->str) == WEIR_REFUSAL_DENIED)
        shared->runtime->denied(shared->runtime->worker, reply->str);
    return answer == WEIR_ANSWER_DONE;
}

static void on_time(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_shared_loads *shared = user;
    shared->now_ms = 0;
    if (done(shared, answer, reply))
        (void)weir_reply_time(reply, &shared->now_ms);
}

static void on_hash(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_shared_loads *shared = user;
    shared->hash.loaded = false;
    if (done(shared, answer, reply))
        (void)!weir_snapshot_fill(&shared->hash, reply);
}

/* ---- Asking -------------------------------------------------------------------------------- */

bool weir_shared_time(struct weir_shared_loads *shared)
{
    if (is_now(shared, shared->time_turn))
        return true;
    if (weir_link_send(shared->runtime->link, 1, (const char *[]){"TIME"}, NULL, on_time, shared) !=
        WEIR_OK)
        return false;
    shared->time_turn = turn_now(shared);
    return true;
}

bool weir_shared_hash(struct weir_shared_loads *shared, const char *key)
{
    if (is_now(shared, shared->hash_turn))
        return strcmp(shared->key, key) == 0;
    if (weir_link_send(shared->runtime->link, 2, (const char *[]){"HGETALL", key}, NULL, on_hash,
                       shared) != WEIR_OK)
        return false;
    snprintf(shared->key, sizeof shared->key, "%s", key);
    shared->hash_turn = turn_now(shared);
    return true;
}

enum weir_status weir_shared_time_take(const struct weir_shared_loads *shared, int64_t *now_ms)
{
    *now_ms = shared->now_ms;
    return shared->now_ms != 0 ? WEIR_OK : WEIR_UNAVAILABLE;
}

enum weir_status weir_shared_hash_take(const struct weir_shared_loads *shared,
                                       struct weir_loaded *loaded)
{
    return shared->hash.loaded ? weir_loaded_copy(loaded, &shared->hash) : WEIR_UNAVAILABLE;
}

/* ---- Life ---------------------------------------------------------------------------------- */

void weir_shared_loads_init(struct weir_shared_loads *shared, const struct weir_runtime *runtime)
{
    memset(shared, 0, sizeof *shared);
    shared->runtime = runtime;
}

void weir_shared_loads_close(struct weir_shared_loads *shared)
{
    free(shared->hash.values);
    memset(&shared->hash, 0, sizeof shared->hash);
}
