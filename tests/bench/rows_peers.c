/* Other frameworks on the same server, by their own scripts: tests/bench/peers/run.sh. */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figures.h"
#include "server.h"

#define PEERS_LIMIT_S 1800 /* of each run; on two cores it takes some 12 minutes */

/* What weir is expected to be faster by is measured by its own rows; here stand the peers' figures.
 */
static void write_peer(const struct bench *bench, const json_t *line)
{
    const char *peer = json_string_value(json_object_get(line, "peer")),
               *kind = json_string_value(json_object_get(line, "kind")),
               *version = json_string_value(json_object_get(line, "version")),
               *setting = json_string_value(json_object_get(line, "setting")),
               *unavailable = json_string_value(json_object_get(line, "unavailable")),
               *guarantee = json_string_value(json_object_get(line, "guarantee")),
               *remark = json_string_value(json_object_get(line, "note"));
    const json_t *rates = json_object_get(line, "rate");
    char who[128], note[1024];
    if (peer == NULL || kind == NULL || (unavailable == NULL && json_array_size(rates) == 0))
        bench_fail("a line of the peers is not as it should be");
    if (unavailable != NULL) {
        fprintf(stderr, "%s for %s: not available: %s\n", peer, kind, unavailable);
        snprintf(note, sizeof note, "not available: %s", unavailable);
    } else {
        snprintf(note, sizeof note, "%s %s, %s. %s. %s", peer, version ? version : "",
                 setting ? setting : "", guarantee ? guarantee : "", remark ? remark : "");
    }
    snprintf(who, sizeof who, "%s", peer);
    struct bench_figure figure = {.name = kind, .who = who, .unit = "/s", .note = note};
    for (size_t i = 0; i < json_array_size(rates) && i < BENCH_RUNS_MAX; i++)
        bench_add(&figure.values, json_number_value(json_array_get(rates, i)));
    bench_write(bench, &figure);
}

static FILE *start_peers(struct bench_server *server)
{
    const struct bench *bench = server->bench;
    char command[4 * BENCH_PATH_MAX];
    const int length =
        snprintf(command, sizeof command,
                 "exec '%s/tests/bench/peers/run.sh' --folder '%s/peers' --socket '%s' --port %u "
                 "--messages %u --sagas %u --runs %u%s%s",
                 bench->project, bench->folder, server->socket, server->port,
                 bench->counts.peer_messages, bench->counts.peer_sagas, bench->counts.runs,
                 bench->peers[0] != '\0' ? " --only " : "", bench->peers);
    FILE *pipe = length > 0 && (size_t)length < sizeof command ? popen(command, "r") : NULL;
    if (pipe == NULL)
        bench_fail("cannot start the peers");
    return pipe;
}

/* Whoever waits for this row ends what the peers have started. */
static void on_limit(int signal)
{
    static const char why[] = "bench: the peers took too long\n";
    (void)signal;
    _exit(write(STDERR_FILENO, why, sizeof why - 1) < 0 ? 2 : 1);
}

void bench_peers(struct bench *bench)
{
    struct bench_server server;
    char *line = NULL;
    size_t room = 0;
    signal(SIGALRM, on_limit);
    alarm(PEERS_LIMIT_S * bench->counts.runs);
    bench_server_start(&server, bench, true);
    FILE *pipe = start_peers(&server);
    while (getline(&line, &room, pipe) > 0) {
        json_t *figure = json_loads(line, 0, NULL);
        if (figure == NULL)
            bench_fail("the peers say what nobody understands: %.200s", line);
        write_peer(bench, figure);
        json_decref(figure);
    }
    free(line);
    if (pclose(pipe) != 0)
        bench_fail("the peers did not come to their end");
    bench_server_stop(&server);
}
