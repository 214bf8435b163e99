/* Looks at one cheap number of the server from time to time. */
#include "meter.h"

#define BEGIN_PAUSE_MS 1
#define PAUSE_MS 10

static bool holds(struct bench_server *server, const struct bench_condition *condition)
{
    const long long number = bench_ask_integer(server, condition->query);
    return condition->direction == BENCH_AT_LEAST ? number >= condition->value
                                                  : number <= condition->value;
}

static void wait_for(struct bench_server *server, const struct bench_condition *condition,
                     double limit, unsigned pause_ms, const struct bench_process *clients,
                     size_t client_count)
{
    char what[256];
    while (!holds(server, condition)) {
        snprintf(what, sizeof what, "\"%s\" to be %s %lld, it is %lld", condition->query,
                 condition->direction == BENCH_AT_LEAST ? "at least" : "at most", condition->value,
                 bench_ask_integer(server, condition->query));
        bench_wait_until(limit, pause_ms, what);
        for (size_t i = 0; i < client_count; i++)
            bench_check(&clients[i]);
    }
}

void bench_await(struct bench_server *server, struct bench_condition condition, unsigned limit_s,
                 const struct bench_process *clients, size_t client_count)
{
    wait_for(server, &condition, bench_now() + limit_s, PAUSE_MS, clients, client_count);
}

static double clients_cpu(const struct bench_measure *measure)
{
    double sum = 0;
    for (size_t i = 0; i < measure->client_count; i++)
        if (measure->clients[i].pid > 0)
            sum += bench_cpu(measure->clients[i].pid);
    return sum;
}

void bench_measure_run(const struct bench_measure *measure, struct bench_speed *speed)
{
    struct bench_server *server = measure->server;
    const double limit = bench_now() + measure->limit_s;
    wait_for(server, &measure->begun, limit, BEGIN_PAUSE_MS, measure->clients,
             measure->client_count);
    const double start = bench_now(), server_start = bench_cpu(server->process.pid),
                 clients_start = clients_cpu(measure);
    wait_for(server, &measure->done, limit, PAUSE_MS, measure->clients, measure->client_count);
    const double end = bench_now(), items = measure->items;
    bench_add(&speed->rate, items / (end - start));
    bench_add(&speed->server_us, (bench_cpu(server->process.pid) - server_start) * 1e6 / items);
    bench_add(&speed->clients_us, (clients_cpu(measure) - clients_start) * 1e6 / items);
}
