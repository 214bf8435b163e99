/* Runs the same work by weir and by the bare client. */
#include "turns.h"

#include <string.h>

#define REST_LIMIT_S 20

/* ---- Recording ----------------------------------------------------------------------------- */

/* Whether no group has anything left, read or unread. */
static bool at_rest(struct bench_server *server)
{
    static const char *const streams[] = {"commands", "events", "replies", "held"};
    long long left = 0;
    redisReply *keys = bench_ask(server, "KEYS {*}:*");
    for (size_t i = 0; i < keys->elements; i++) {
        const char *key = keys->element[i]->str, *name = strstr(key, "}:");
        bool is_stream = false;
        for (size_t s = 0; name != NULL && s < sizeof streams / sizeof streams[0]; s++)
            is_stream = is_stream || strcmp(name + 2, streams[s]) == 0;
        redisReply *groups = is_stream ? bench_ask(server, "XINFO GROUPS %s", key) : NULL;
        for (size_t g = 0; groups != NULL && g < groups->elements; g++)
            for (size_t f = 0; f + 1 < groups->element[g]->elements; f += 2)
                if (strcmp(groups->element[g]->element[f]->str, "pending") == 0 ||
                    strcmp(groups->element[g]->element[f]->str, "lag") == 0)
                    left += groups->element[g]->element[f + 1]->integer;
        if (groups != NULL)
            freeReplyObject(groups);
    }
    freeReplyObject(keys);
    return left == 0;
}

static void run_one(struct bench_server *server, const struct bench_work *work,
                    const struct bench_workers *workers, unsigned first, unsigned items)
{
    struct bench_condition done = work->done;
    work->fill(server, work, first, 1);
    done.value = done.direction == BENCH_AT_LEAST ? items : 0;
    bench_await(server, done, REST_LIMIT_S, workers->processes, workers->count);
    for (double limit = bench_now() + REST_LIMIT_S; !at_rest(server);)
        bench_wait_until(limit, 5, "the recorded item to come to rest");
}

/* What is recorded is the second item: at the first one workers still fetch what they keep. */
struct bench_script bench_record_item(struct bench_server *server, const struct bench_work *work)
{
    struct bench_workers workers;
    bench_progress(server->bench, "%s: recording", work->name);
    bench_server_empty(server);
    bench_workers_start(&workers, server, work->workers, NULL);
    bench_workers_await(&workers, server);
    run_one(server, work, &workers, BENCH_FIRST, 1);
    redisContext *monitor = bench_record_begin(server);
    run_one(server, work, &workers, BENCH_RECORDED, 2);
    struct bench_recording recording = bench_record_end(server, monitor);
    struct bench_script script = bench_script_make(server, &recording, work->keys);
    work->check(server, work, 2);
    bench_workers_stop(&workers);
    bench_recording_close(&recording);
    return script;
}

/* ---- Runs ---------------------------------------------------------------------------------- */

static void prepare(struct bench_server *server, const struct bench_work *work, unsigned items)
{
    bench_server_empty(server);
    work->fill(server, work, BENCH_FIRST, items);
    bench_server_rewrite(server);
}

static void run_weir(struct bench_server *server, const struct bench_work *work,
                     struct bench_speed *speed)
{
    struct bench_workers workers;
    prepare(server, work, work->items);
    bench_workers_start(&workers, server, work->workers, NULL);
    bench_measure_run(&(struct bench_measure){.server = server,
                                              .clients = workers.processes,
                                              .client_count = workers.count,
                                              .begun = work->begun,
                                              .done = work->done,
                                              .items = work->items,
                                              .limit_s = work->limit_s},
                      speed);
    bench_workers_stop(&workers);
    work->check(server, work, work->items);
}

static void run_bare(struct bench_server *server, const struct bench_work *work,
                     struct bench_replay *replay, struct bench_speed *speed)
{
    struct bench_measure measure = {.server = server,
                                    .client_count = 1,
                                    .begun = work->begun,
                                    .done = work->done,
                                    .items = replay->items,
                                    .limit_s = work->limit_s};
    prepare(server, work, replay->items);
    bench_replay_prepare(server, replay->script);
    measure.begun.value += (long long)replay->items - work->items;
    if (measure.done.direction == BENCH_AT_LEAST)
        measure.done.value = replay->items;
    struct bench_process client = bench_fork(server->bench, "bare", bench_replay_run, replay);
    measure.clients = &client;
    bench_measure_run(&measure, speed);
    bench_await_end(&client, 20);
    work->check(server, work, replay->items);
}

/* The settings by which the bare client is fastest. */
static struct bench_replay tuned(struct bench_server *server, const struct bench_work *work,
                                 const struct bench_script *script)
{
    static const unsigned settings[BENCH_TRIES_MAX][3] = {
        /* bursts, count, window */
        {4, 128, 1024}, {2, 256, 1024}, {2, 128, 512}, {8, 128, 2048}, {4, 64, 512}, {2, 512, 2048},
    };
    struct bench_replay best = {.script = script, .socket = server->socket};
    double best_rate = 0;
    for (size_t i = 0; i < server->bench->counts.tries; i++) {
        struct bench_speed speed = {0};
        struct bench_replay trial = best;
        trial.items = work->items > 5 * 4000 ? work->items / 5 : work->items;
        trial.bursts = settings[i][0];
        trial.count = settings[i][1];
        trial.window = settings[i][2];
        bench_progress(server->bench, "%s: bare client, settings %zu of %u", work->name, i + 1,
                       server->bench->counts.tries);
        run_bare(server, work, &trial, &speed);
        if (speed.rate.values[0] > best_rate) {
            best_rate = speed.rate.values[0];
            best = trial;
        }
    }
    best.items = work->items;
    return best;
}

static void write_figures(const struct bench *bench, const struct bench_work *work,
                          const struct bench_replay *replay, const struct bench_speed *weir,
                          const struct bench_speed *bare)
{
    const struct bench_script *script = replay->script;
    char note[160];
    const int length =
        snprintf(note, sizeof note, "commits for each: %zu; reads under way: %u of %u entries",
                 script->part_count, replay->bursts, replay->count);
    if (script->source_count > 1)
        snprintf(note + length, sizeof note - (size_t)length, "; sagas under way: up to %u",
                 replay->window);
    bench_write(bench, &(struct bench_figure){.name = work->name,
                                              .who = "weir",
                                              .unit = "/s",
                                              .values = weir->rate,
                                              .server_us = weir->server_us,
                                              .clients_us = weir->clients_us,
                                              .beside = &bare->rate,
                                              .beside_name = "bare client",
                                              .ratio_target = work->ratio_target,
                                              .value_target = work->value_target});
    bench_write(bench, &(struct bench_figure){.name = work->name,
                                              .who = "bare client",
                                              .unit = "/s",
                                              .values = bare->rate,
                                              .server_us = bare->server_us,
                                              .clients_us = bare->clients_us,
                                              .note = note});
}

void bench_turns(struct bench_server *server, const struct bench_work *work)
{
    const struct bench *bench = server->bench;
    struct bench_speed weir = {0}, bare = {0};
    struct bench_script script = bench_record_item(server, work);
    struct bench_replay replay = tuned(server, work, &script);
    for (unsigned i = 0; i < bench->counts.runs; i++) {
        bench_progress(bench, "%s: run %u of %u, weir", work->name, i + 1, bench->counts.runs);
        run_weir(server, work, &weir);
        bench_progress(bench, "%s: run %u of %u, bare client", work->name, i + 1,
                       bench->counts.runs);
        run_bare(server, work, &replay, &bare);
    }
    write_figures(bench, work, &replay, &weir, &bare);
    bench_script_close(&script);
}
