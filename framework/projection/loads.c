/* The state that a batch's handlers want to read. */
#include "projection/loads.h"

#include <stdlib.h>
#include <string.h>

#include "redis/refusal.h"
#include "redis/reply.h"

static void on_loaded(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner_load *load = user;
    struct weir_runner *runner = load->runner;
    struct weir_loaded *hash;
    if (answer == WEIR_ANSWER_UNKNOWN || runner->state != WEIR_RUNNER_LOADING)
        return;
    hash = &runner->snapshot.hashes[load->hash];
    runner->answers_owed--;
    if (answer == WEIR_ANSWER_REFUSED)
        weir_error_set(&runner->load_error,
                       weir_refusal_of(reply->str) == WEIR_REFUSAL_TYPE ? WEIR_REFUSED
                                                                        : WEIR_UNAVAILABLE,
                       "%s: %s", hash->key, reply->str);
    else if (weir_snapshot_fill(hash, reply) != WEIR_OK)
        weir_error_set(&runner->load_error, WEIR_NO_MEMORY, "no memory");
    if (runner->answers_owed == 0)
        runner->loaded(runner);
}

static bool reserve_loads(struct weir_runner *runner)
{
    struct weir_runner_load *grown;
    if (runner->snapshot.count <= runner->load_capacity)
        return true;
    grown = realloc(runner->loads, runner->snapshot.count * sizeof *grown);
    if (grown == NULL)
        return false;
    runner->loads = grown;
    runner->load_capacity = runner->snapshot.count;
    return true;
}

bool weir_loads_send(struct weir_runner *runner, weir_loads_done *done)
{
    memset(&runner->load_error, 0, sizeof runner->load_error);
    runner->answers_owed = 0;
    runner->loaded = done;
    if (!reserve_loads(runner))
        return false;
    for (size_t i = 0; i < runner->snapshot.count; i++) {
        const char *arguments[] = {"HGETALL", runner->snapshot.hashes[i].key};
        runner->loads[i] = (struct weir_runner_load){runner, i};
        if (weir_link_send(&runner->link, 2, arguments, NULL, on_loaded, &runner->loads[i]) !=
            WEIR_OK)
            weir_error_set(&runner->load_error, WEIR_UNAVAILABLE, "no connection");
        else
            runner->answers_owed++;
    }
    if (runner->answers_owed == 0)
        done(runner);
    return true;
}
