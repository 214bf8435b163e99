/* Starts workers and waits until they are there. */
#include "workers.h"

#include <string.h>

#include "meter.h"
#include "services.h"

#define START_LIMIT_S 30
#define WORDS_MAX 24

static void start_one(struct bench_workers *workers, struct bench_server *server, const char *name,
                      const char *const *options)
{
    const struct bench *bench = server->bench;
    const bool own = strncmp(name, BENCH_SERVICE, strlen(BENCH_SERVICE)) == 0;
    char path[BENCH_PATH_MAX + 80];
    const char *words[WORDS_MAX];
    size_t count = 0;
    snprintf(path, sizeof path, own ? "%s/tests/bench/bench" : "%s/bin/%s", bench->build, name);
    words[count++] = path;
    if (own) {
        words[count++] = "serve";
        words[count++] = name;
    }
    words[count++] = "--redis";
    words[count++] = server->url;
    words[count++] = "--log-level";
    words[count++] = "warning";
    for (size_t i = 0; options != NULL && options[i] != NULL && count < WORDS_MAX - 1; i++)
        words[count++] = options[i];
    words[count] = NULL;
    if (workers->count == BENCH_PROCESSES_MAX)
        bench_fail("too many workers");
    workers->processes[workers->count++] = bench_start(bench, name, words);
}

void bench_workers_start(struct bench_workers *workers, struct bench_server *server,
                         const char *const *names, const char *const *options)
{
    memset(workers, 0, sizeof *workers);
    for (size_t i = 0; names[i] != NULL; i++)
        start_one(workers, server, names[i], options);
}

void bench_workers_await(struct bench_workers *workers, struct bench_server *server)
{
    for (size_t i = 0; i < workers->count; i++) {
        const char *name = workers->processes[i].name;
        char query[128];
        snprintf(query, sizeof query, "HLEN {%s}:workers",
                 strcmp(name, "weir-coordinator") == 0 ? "sagas" : name);
        bench_await(server, (struct bench_condition){query, BENCH_AT_LEAST, 1}, START_LIMIT_S,
                    workers->processes, workers->count);
    }
}

void bench_workers_stop(struct bench_workers *workers)
{
    for (size_t i = 0; i < workers->count; i++)
        bench_stop(&workers->processes[i]);
}
