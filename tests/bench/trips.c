/* Asks, and waits by blocking reads, so that no pause is measured. */
#include "trips.h"

#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "saga_fill.h"

#define TRIP_KEYS 10000
#define TRIP_LIMIT_S 10

struct bench_trips bench_trips_open(struct bench_server *server, const char *stream, unsigned first)
{
    struct bench_trips trips = {
        .connection = bench_connect(server), .last_event = "0-0", .number = first};
    redisReply *newest = bench_ask(server, "XREVRANGE %s + - COUNT 1", stream);
    if (newest->elements > 0)
        snprintf(trips.last_event, sizeof trips.last_event, "%s",
                 newest->element[0]->element[0]->str);
    freeReplyObject(newest);
    return trips;
}

void bench_trips_close(struct bench_trips *trips)
{
    redisFree(trips->connection);
}

static void append_read(struct bench_trips *trips, const char *stream)
{
    if (redisAppendCommand(trips->connection, "XREAD BLOCK %u STREAMS %s %s", TRIP_LIMIT_S * 1000,
                           stream, trips->last_event) != REDIS_OK)
        bench_fail("no memory");
}

static const char *type_of(const redisReply *fields)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, "type") == 0)
            return fields->element[i + 1]->str;
    return "";
}

/* Takes the answer of a read; whether it has brought an event of the type. */
static bool take_events(struct bench_trips *trips, const char *type)
{
    bool found = false;
    redisReply *reply = bench_answer(trips->connection);
    if (reply->type != REDIS_REPLY_ARRAY)
        bench_fail("no %s has come within %u s", type, TRIP_LIMIT_S);
    const redisReply *entries = reply->element[0]->element[1];
    for (size_t i = 0; i < entries->elements; i++) {
        found = found || strcmp(type_of(entries->element[i]->element[1]), type) == 0;
        snprintf(trips->last_event, sizeof trips->last_event, "%s",
                 entries->element[i]->element[0]->str);
    }
    freeReplyObject(reply);
    return found;
}

/* The command has been appended: sends it together with the first read. */
static void await_event(struct bench_trips *trips, const char *stream, const char *type)
{
    append_read(trips, stream);
    freeReplyObject(bench_answer(trips->connection));
    while (!take_events(trips, type))
        append_read(trips, stream);
}

static double microseconds_since(double start)
{
    return (bench_now() - start) * 1e6;
}

double bench_trip_ping(struct bench_trips *trips)
{
    const double start = bench_now();
    if (redisAppendCommand(trips->connection, "PING") != REDIS_OK)
        bench_fail("no memory");
    freeReplyObject(bench_answer(trips->connection));
    return microseconds_since(start);
}

static void append_command(struct bench_trips *trips)
{
    char data[BENCH_PAYLOAD + 1];
    if (redisAppendCommand(trips->connection, "XADD {bench}:commands * type Record data %s",
                           bench_payload(trips->number, TRIP_KEYS, data)) != REDIS_OK)
        bench_fail("no memory");
}

double bench_trip_command(struct bench_trips *trips)
{
    const double start = bench_now();
    append_command(trips);
    await_event(trips, "{bench}:events", "Recorded");
    trips->number++;
    return microseconds_since(start);
}

double bench_trip_saga(struct bench_trips *trips)
{
    const double start = bench_now();
    if (redisAppendCommand(trips->connection, BENCH_START_CHAIN, trips->number, trips->number) !=
        REDIS_OK)
        bench_fail("no memory");
    await_event(trips, "{sagas}:events", "SagaCompleted");
    trips->number++;
    return microseconds_since(start);
}

/* The event is waited for, then the model is asked for again and again: a few times at the most. */
double bench_trip_view(struct bench_trips *trips)
{
    const double start = bench_now();
    long long seen = 0;
    append_command(trips);
    await_event(trips, "{bench}:events", "Recorded");
    while (seen != trips->number) {
        if (redisAppendCommand(trips->connection, "HGET {bench-view}:account:c%u last",
                               bench_key_of(trips->number, TRIP_KEYS)) != REDIS_OK)
            bench_fail("no memory");
        redisReply *reply = bench_answer(trips->connection);
        seen = reply->str != NULL ? atoll(reply->str) : 0;
        freeReplyObject(reply);
        if (bench_now() > start + TRIP_LIMIT_S)
            bench_fail("the read model has not come within %u s", TRIP_LIMIT_S);
    }
    trips->number++;
    return microseconds_since(start);
}
