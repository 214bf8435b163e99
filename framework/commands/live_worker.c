/* Reads workers' signs of life. */
#include "commands/live_worker.h"

#include <stdlib.h>
#include <string.h>

#include "commands/values.h"

static const char *const numbers[] = {"pid",    "started",   "heartbeat", "inHand", "received",
                                      "done",   "rejected",  "retried",   "dead",   "repeated",
                                      "fenced", "conflicts", "takenOver"};

static json_t *number_or_null(const json_t *value)
{
    return json_is_integer(value) ? json_integer(json_integer_value(value)) : json_null();
}

static json_t *text_or_null(const json_t *value)
{
    return json_is_string(value) ? json_string(json_string_value(value)) : json_null();
}

/* ---- Rates ------------------------------------------------------------------------------- */

static json_t *make_rate(double a_second)
{
    double sixteenths = a_second * 16. + .5;
    return json_real((double)(int64_t)sixteenths / 16.);
}

static json_t *make_rates(double received, double handled, double refused, double retried)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "received", make_rate(received), "handled",
                     make_rate(handled), "refused", make_rate(refused), "retried",
                     make_rate(retried));
}

/* Counts are of other processes: what is no count that can be is none. */
static double per_second(const json_t *recent, const char *name, json_int_t ms)
{
    json_int_t count = json_integer_value(json_object_get(recent, name));
    return count < 0 || count > INT64_C(1000000000000) ? 0. : (double)count * 1000. / (double)ms;
}

static json_t *describe_rate(const json_t *recent)
{
    json_int_t ms = json_integer_value(json_object_get(recent, "ms"));
    if (ms <= 0)
        return json_null();
    return make_rates(per_second(recent, "received", ms), per_second(recent, "handled", ms),
                      per_second(recent, "refused", ms), per_second(recent, "retried", ms));
}

/* ---- Workers ----------------------------------------------------------------------------- */

static const char *state_of(const json_t *about, int64_t now_ms)
{
    json_int_t heartbeat = json_integer_value(json_object_get(about, "heartbeat"));
    if (heartbeat <= 0 || now_ms - heartbeat >= WEIR_WORKER_GONE_MS)
        return "gone";
    return now_ms - heartbeat >= WEIR_WORKER_SILENT_MS ? "silent" : "alive";
}

json_t *weir_worker_describe(const char *service, struct weir_slice consumer,
                             struct weir_slice entry, int64_t now_ms)
{
    json_t *about = entry.at ? json_loadb(entry.at, entry.length, 0, NULL) : NULL;
    const char *state = state_of(about, now_ms);
    json_t *row = json_pack("{s:s, s:o, s:s}", "service", service, "consumer",
                            weir_slice_json(consumer), "state", state);
    json_object_set_new(row, "host", text_or_null(json_object_get(about, "host")));
    json_object_set_new(row, "version", text_or_null(json_object_get(about, "version")));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        json_object_set_new(row, numbers[i], number_or_null(json_object_get(about, numbers[i])));
    json_object_set_new(row, "rate",
                        strcmp(state, "alive") == 0
                            ? describe_rate(json_object_get(about, "recent"))
                            : json_null());
    json_decref(about);
    return row;
}

static int by_consumer(const void *one, const void *other)
{
    const char *a = json_string_value(json_object_get(*(json_t *const *)one, "consumer"));
    const char *b = json_string_value(json_object_get(*(json_t *const *)other, "consumer"));
    return strcmp(a ? a : "", b ? b : "");
}

json_t *weir_workers_describe(const char *service, const redisReply *pairs, int64_t now_ms)
{
    size_t count = weir_value_count(pairs) / 2;
    json_t *rows = json_array(), **order = calloc(count + 1, sizeof(*order));
    if (!order) {
        json_decref(rows);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        order[i] = weir_worker_describe(service, weir_value_element(pairs, 2 * i),
                                        weir_value_element(pairs, 2 * i + 1), now_ms);
    qsort(order, count, sizeof(*order), by_consumer);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(rows, order[i]);
    free(order);
    return rows;
}

/* ---- Several ----------------------------------------------------------------------------- */

void weir_crew_add(struct weir_crew *crew, const json_t *worker)
{
    const char *state = json_string_value(json_object_get(worker, "state"));
    const json_t *rate = json_object_get(worker, "rate");
    bool alive = state && strcmp(state, "alive") == 0;
    crew->alive += alive;
    crew->silent += state && strcmp(state, "silent") == 0;
    crew->gone += state && strcmp(state, "gone") == 0;
    if (alive)
        crew->in_hand += json_integer_value(json_object_get(worker, "inHand"));
    crew->rated = crew->rated || json_is_object(rate);
    crew->received += json_real_value(json_object_get(rate, "received"));
    crew->handled += json_real_value(json_object_get(rate, "handled"));
    crew->refused += json_real_value(json_object_get(rate, "refused"));
    crew->retried += json_real_value(json_object_get(rate, "retried"));
}

void weir_crew_join(struct weir_crew *crew, const struct weir_crew *other)
{
    crew->alive += other->alive;
    crew->silent += other->silent;
    crew->gone += other->gone;
    crew->in_hand += other->in_hand;
    crew->rated = crew->rated || other->rated;
    crew->received += other->received;
    crew->handled += other->handled;
    crew->refused += other->refused;
    crew->retried += other->retried;
}

json_t *weir_crew_rate(const struct weir_crew *crew)
{
    if (!crew->rated)
        return json_null();
    return make_rates(crew->received, crew->handled, crew->refused, crew->retried);
}
