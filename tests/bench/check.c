/* Compares what is on the server with what should be. */
#include "check.h"

void bench_want(struct bench_server *server, const char *query, long long wanted)
{
    const long long number = bench_ask_integer(server, query);
    if (number != wanted)
        bench_fail("\"%s\" is %lld and not %lld", query, number, wanted);
}

void bench_want_each(struct bench_server *server, const char *const *services, const char *query,
                     long long wanted)
{
    for (size_t i = 0; services[i] != NULL; i++) {
        const long long number = bench_ask_integer(server, query, services[i]);
        if (number != wanted)
            bench_fail("\"%s\" of %s is %lld and not %lld", query, services[i], number, wanted);
    }
}

void bench_want_sagas(struct bench_server *server, const char *const *services, long long completed)
{
    static const char *const others[] = {"running", "compensating", "compensated", "suspended",
                                         NULL};
    bench_want(server, "ZCARD {sagas}:state:completed", completed);
    bench_want_each(server, others, "ZCARD {sagas}:state:%s", 0);
    bench_want(server, "XLEN {sagas}:commands", 0);
    bench_want(server, "XLEN {sagas}:replies", 0);
    bench_want(server, "XLEN {sagas}:dead", 0);
    /* Each one's start and its end. */
    bench_want(server, "XLEN {sagas}:events", 2 * completed);
    bench_want_each(server, services, "XLEN {%s}:commands", 0);
    bench_want_each(server, services, "XLEN {%s}:dead", 0);
}
