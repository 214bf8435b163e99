/* Fills streams and state. */
#include "fill.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 2000

struct bench_pipe bench_pipe_open(struct bench_server *server)
{
    return (struct bench_pipe){.server = server, .connection = bench_connect(server)};
}

static void take_answers(struct bench_pipe *pipe)
{
    for (; pipe->open > 0; pipe->open--)
        freeReplyObject(bench_answer(pipe->connection));
}

void bench_pipe_send(struct bench_pipe *pipe, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (redisvAppendCommand(pipe->connection, format, arguments) != REDIS_OK)
        bench_fail("cannot send \"%s\"", format);
    va_end(arguments);
    if (++pipe->open == OPEN_MAX)
        take_answers(pipe);
}

void bench_pipe_close(struct bench_pipe *pipe)
{
    take_answers(pipe);
    redisFree(pipe->connection);
}

const char *bench_payload(unsigned number, unsigned keys, char out[BENCH_PAYLOAD + 1])
{
    const int head = snprintf(out, BENCH_PAYLOAD, "{\"n\":%u,\"customerId\":\"c%u\",\"text\":\"",
                              number, bench_key_of(number, keys));
    memset(out + head, 'x', BENCH_PAYLOAD - (size_t)head - 2);
    memcpy(out + BENCH_PAYLOAD - 2, "\"}", 3);
    return out;
}

void bench_fill_messages(struct bench_server *server, const char *type, unsigned first,
                         unsigned count, unsigned keys)
{
    struct bench_pipe pipe = bench_pipe_open(server);
    char data[BENCH_PAYLOAD + 1];
    for (unsigned i = 0; i < count; i++)
        bench_pipe_send(&pipe, "XADD {bench}:commands * type %s data %s", type,
                        bench_payload(first + i, keys, data));
    bench_pipe_close(&pipe);
}

void bench_fill_accounts(struct bench_server *server, unsigned keys)
{
    struct bench_pipe pipe = bench_pipe_open(server);
    for (unsigned i = 0; i < keys; i++)
        bench_pipe_send(&pipe, "HSET {bench}:account:c%u limit 1000000000", BENCH_KEY_FIRST + i);
    bench_pipe_close(&pipe);
}

void bench_fill_events(struct bench_server *server, unsigned first, unsigned count, unsigned keys)
{
    struct bench_pipe pipe = bench_pipe_open(server);
    for (unsigned i = 0; i < count; i++)
        bench_pipe_send(&pipe,
                        "XADD {bench}:events * type Recorded source bench data "
                        "{\"n\":%u,\"customerId\":\"c%u\"}",
                        first + i, bench_key_of(first + i, keys));
    bench_pipe_close(&pipe);
}
